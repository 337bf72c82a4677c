"""How these tests ask: one probe with an outer deadline that only a broken prober meets."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

from connectors.checks.prober import Checks
from connectors.network import Network
from drorch.model.plan import CheckSpec, MachineRef
from drorch.ports.callout import CalloutResult
from drorch.ports.check import CheckResult
from drorch.ports.connector import Connector

OUTER = 20.0
SECRET = "s3cr3t-Ünïc0de/+% 'quoted'"


class RecordingCallouts:
    """Knows one callout, ``known``, and says what its argument ``say`` says."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, Mapping[str, str]]] = []

    def knows(self, name: str) -> bool:
        return name == "known"

    def repeatable(self, name: str) -> bool:
        return True

    async def call(self, name: str, arguments: Mapping[str, str]) -> CalloutResult:
        self.calls.append((name, arguments))
        if arguments.get("say") == "hang":
            await asyncio.Event().wait()
        return CalloutResult(ok=arguments.get("say") == "yes", evidence=f"said {arguments}")


def prober(
    *,
    secrets: Mapping[str, str] | None = None,
    authorities: Mapping[str, Path] | None = None,
    network: Network | None = None,
    connectors: Mapping[str, Connector] | None = None,
    callouts: RecordingCallouts | None = None,
) -> Checks:
    known = {"probe": SECRET, **(secrets or {})}
    return Checks(
        secret=lambda name: known[name],
        authorities=authorities or {},
        network=network or Network(),
        connectors=connectors or {},
        callouts=callouts or RecordingCallouts(),
    )


async def ask(
    kind: str,
    params: Mapping[str, Any],
    *,
    using: Checks | None = None,
    timeout: float = 5.0,
    machine: MachineRef | None = None,
) -> CheckResult:
    """Return what one probe says; it has to say it, whatever the other side does."""
    spec = CheckSpec(kind=kind, name=kind, params=params, timeout=timedelta(seconds=timeout))
    async with asyncio.timeout(OUTER):
        result = await (using or prober()).probe(spec, machine)
    assert len(result.evidence) <= 500
    assert result.evidence.isprintable()
    return result

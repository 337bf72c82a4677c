"""What a plan asks of a connector that it cannot do is an error before anything runs."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from drorch.engine.launch import REFUSING
from drorch.engine.preflight import Look, Preflight
from drorch.engine.simulation import ImaginedCallouts
from drorch.model.plan import CheckSpec, OnUnhealthy, Step
from drorch.ports.connector import Severity
from tests.fakes.estate import CountedEstate
from tests.fakes.plans import plan, vm


def looked(*steps: Step, **able: bool) -> Look:
    """Return what a preflight finds on an estate that is *able* to do this and that."""
    estate = CountedEstate(2)
    estate.capabilities = replace(estate.capabilities, **able)

    async def held(connector: str, machine: str, name: str) -> str:
        return ""

    preflight = Preflight({"pve": estate}, ImaginedCallouts(), lambda _: "", held)
    return asyncio.run(preflight.look(plan(*steps)))


RESTARTS = vm("m0", on_unhealthy=OnUnhealthy.RESTART)
AGENT = vm("m0", verify=(CheckSpec(kind="agent", name="agent", params={}),))


@pytest.mark.parametrize(
    ("step", "able", "code", "hint"),
    [
        (RESTARTS, {"restart": False}, "restart-unsupported", "on_unhealthy: verify"),
        (AGENT, {"agent": False}, "agent-unsupported", "tcp or http"),
    ],
)
def test_what_the_connector_cannot_do_refuses_the_run(
    step: Step, able: dict[str, bool], code: str, hint: str
) -> None:
    (finding,) = looked(step, vm("m1"), **able).findings
    assert (finding.severity, finding.code, finding.step) == (Severity.ERROR, code, "m0")
    assert finding.message.startswith("pve cannot")
    assert hint in finding.hint
    assert code in REFUSING


@pytest.mark.parametrize(
    ("step", "able"),
    [(RESTARTS, {"restart": True}), (AGENT, {"agent": True}), (vm("m0"), {"restart": False})],
)
def test_what_it_can_do_or_nobody_asks_for_is_no_finding(step: Step, able: dict[str, bool]) -> None:
    assert looked(step, **able).findings == []

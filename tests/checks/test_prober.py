"""What the prober makes of plans' mistakes, of agents and of call-outs."""

from __future__ import annotations

import asyncio
import struct
import sys
from collections.abc import Callable
from itertools import pairwise
from typing import cast

import pytest

from connectors.checks.kinds import KINDS
from connectors.checks.pacing import Pacing
from drorch.errors import BusyError, DrorchError, UnreachableError
from drorch.model.plan import MachineRef
from drorch.ports.check import Verdict
from drorch.ports.connector import AgentAnswer, Connector
from tests.checks.asking import RecordingCallouts, ask, prober

DC01 = MachineRef(connector="pve", id="101")


class Estate:
    """As much of a connector as an agent check asks."""

    def __init__(self, answer: Callable[[], AgentAnswer]) -> None:
        self._answer = answer
        self.pinged: list[tuple[str, float]] = []

    async def ping_agent(self, machine: str) -> AgentAnswer:
        self.pinged.append((machine, asyncio.get_running_loop().time()))
        return self._answer()


def connected(estate: Estate) -> dict[str, Connector]:
    return {"pve": cast("Connector", estate)}


def raising(error: DrorchError) -> Callable[[], AgentAnswer]:
    def answer() -> AgentAnswer:
        raise error

    return answer


@pytest.mark.parametrize("kind", [*KINDS, "agent", "telepathy"])
async def test_a_check_without_parameters_is_broken_and_says_so(kind: str) -> None:
    result = await ask(kind, {})
    assert result.verdict is Verdict.BROKEN
    assert result.evidence


@pytest.mark.parametrize("url", ["ftp://10.0.0.1/x", "not a url", "http://", "http://[::1"])
async def test_an_address_that_is_none_is_broken(url: str) -> None:
    assert (await ask("http", {"url": url})).verdict is Verdict.BROKEN


@pytest.mark.parametrize("kind", ["redis", "postgres", "mysql"])
async def test_a_secret_that_is_not_configured_is_named(kind: str) -> None:
    params = {"host": "127.0.0.1", "port": 9, "user": "probe", "secret": "nobody-knows"}
    result = await ask(kind, params)
    assert result.verdict is Verdict.BROKEN
    assert "nobody-knows" in result.evidence
    assert "[secrets]" in result.evidence


async def test_an_authority_that_is_not_configured_is_named() -> None:
    result = await ask("tls", {"host": "127.0.0.1", "port": 9, "ca": "comune-ca"})
    assert result.verdict is Verdict.BROKEN
    assert "comune-ca" in result.evidence


@pytest.mark.parametrize("kind", ["postgres", "mysql"])
async def test_a_query_without_a_user_is_broken(kind: str) -> None:
    result = await ask(kind, {"host": "127.0.0.1", "port": 9, "query": "select 1"})
    assert result.verdict is Verdict.BROKEN
    assert "user" in result.evidence


@pytest.mark.parametrize(
    ("answer", "verdict"),
    [
        (lambda: AgentAnswer(healthy=True, evidence="agent 9.1"), Verdict.HEALTHY),
        (lambda: AgentAnswer(healthy=False, evidence="not running"), Verdict.UNWELL),
        (raising(BusyError("locked")), Verdict.UNWELL),
        (raising(UnreachableError("no route to pve1")), Verdict.UNREACHABLE),
    ],
)
async def test_agent(answer: Callable[[], AgentAnswer], verdict: Verdict) -> None:
    checks = prober(connectors=connected(Estate(answer)))
    result = await ask("agent", {}, using=checks, machine=DC01)
    assert result.verdict is verdict
    assert "pve/101" in result.evidence


async def test_agent_of_a_machine_that_is_not_resolved_is_broken() -> None:
    checks = prober(connectors=connected(Estate(lambda: AgentAnswer(healthy=True, evidence=""))))
    for machine in (
        None,
        MachineRef(connector="pve", name="dc01"),
        MachineRef(connector="x", id="1"),
    ):
        result = await ask("agent", {}, using=checks, machine=machine)
        assert result.verdict is Verdict.BROKEN


async def test_agent_pings_take_turns_and_waiting_is_not_charged_to_the_guest() -> None:
    estate = Estate(lambda: AgentAnswer(healthy=True, evidence="pong"))
    checks = prober(connectors=connected(estate))
    probes = (ask("agent", {}, using=checks, machine=DC01, timeout=0.3) for _ in range(3))
    results = await asyncio.gather(*probes)
    assert all(result.healthy for result in results)
    times = [at for _, at in estate.pinged]
    assert all(later - earlier >= 0.99 for earlier, later in pairwise(times))


async def test_nodes_are_paced_apart() -> None:
    pacing = Pacing(every=60)
    async with asyncio.timeout(5):
        await pacing.turn("pve", "node1")
        await pacing.turn("pve", "node2")
        await pacing.turn("kvm", "node1")
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(pacing.turn("pve", "node1"), 0.05)


@pytest.mark.parametrize(("say", "verdict"), [("yes", Verdict.HEALTHY), ("no", Verdict.UNWELL)])
async def test_callout(say: str, verdict: Verdict) -> None:
    callouts = RecordingCallouts()
    params = {"name": "known", "with": {"say": say}}
    result = await ask("callout", params, using=prober(callouts=callouts))
    assert result.verdict is verdict
    assert callouts.calls == [("known", {"say": say})]


async def test_callout_that_hangs_is_ended_by_the_check() -> None:
    result = await ask("callout", {"name": "known", "with": {"say": "hang"}}, timeout=0.2)
    assert result.verdict is Verdict.UNWELL


async def test_callout_that_is_not_configured_is_broken() -> None:
    result = await ask("callout", {"name": "nobody"})
    assert result.verdict is Verdict.BROKEN
    assert "[callouts.nobody]" in result.evidence


@pytest.mark.parametrize(
    ("kind", "module"),
    [("postgres", "psycopg"), ("mysql", "pymysql"), ("smb", "smbprotocol.connection")],
)
async def test_a_driver_that_is_not_installed_says_how_to_get_it(
    kind: str, module: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, module, None)  # what Python keeps for "not there"
    params = {"host": "127.0.0.1", "port": 9, "user": "probe", "secret": "probe"}
    server = await asyncio.start_server(_speaks_smb, "127.0.0.1", 0)
    params["port"] = server.sockets[0].getsockname()[1]
    async with server:
        result = await ask(kind, params)
    assert result.verdict is Verdict.BROKEN
    assert f"pip install 'drorch[{kind}]'" in result.evidence


async def _speaks_smb(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    head = b"\xfeSMB" + struct.pack("<HHIHH", 64, 0, 0, 0, 1) + bytes(48)
    body = struct.pack("<HHH", 65, 1, 0x0302) + bytes(58)
    writer.write(struct.pack("!I", len(head) + len(body)) + head + body)
    await reader.read()
    writer.close()

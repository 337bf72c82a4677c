"""Guest agents: an answer with evidence whatever happens, and few calls."""

from __future__ import annotations

import asyncio
import itertools

import pytest

from connectors.proxmox import factory
from drorch.errors import UnavailableError
from drorch.ports.connector import Connector
from tests.proxmox.cluster import SECRET, TOKEN, FakeCluster, ct, vm
from tests.proxmox.conftest import Connect


@pytest.mark.parametrize(
    ("agent", "running", "evidence"),
    [
        ("none", True, "No QEMU guest agent configured: set the option"),
        ("off", True, "QEMU guest agent is not running: not yet up"),
        ("ok", False, "VM 101 is not running"),
        ("error", True, "the agent answers an error: The command guest-ping has been disabled"),
    ],
)
async def test_an_agent_that_does_not_answer_well(
    fake: FakeCluster, connect: Connect, agent: str, running: bool, evidence: str
) -> None:
    fake.reset(vm(101, agent=agent, running=running))
    answer = await (await connect()).ping_agent("101")
    assert not answer.healthy
    assert evidence in answer.evidence


async def test_an_agent_that_answers(fake: FakeCluster, connect: Connect) -> None:
    fake.reset(vm(101, running=True))
    answer = await (await connect()).ping_agent("101")
    assert answer.healthy
    assert answer.evidence == "the guest agent answers a ping"


@pytest.mark.parametrize(
    ("version", "right"), [("8.4.1", "VM.Monitor"), ("9.1.1", "VM.GuestAgent.Audit")]
)
async def test_the_missing_right_is_evidence(
    fake: FakeCluster, connect: Connect, version: str, right: str
) -> None:
    bare = {"/": ["VM.Audit", "VM.PowerMgmt"]}
    fake.reset(
        vm(101, running=True),
        version=version,
        tokens=[{"id": TOKEN, "secret": SECRET, "user_rights": bare, "token_rights": bare}],
    )
    answer = await (await connect()).ping_agent("101")
    assert not answer.healthy
    assert f"the token needs {right}" in answer.evidence


async def test_containers_and_strangers_have_no_agent(fake: FakeCluster, connect: Connect) -> None:
    fake.reset(ct(101, running=True))
    connector = await connect()
    assert "containers have no guest agent" in (await connector.ping_agent("101")).evidence
    assert not (await connector.ping_agent("999")).healthy
    assert fake.log("POST") == []


async def test_a_dark_node_is_unavailable(fake: FakeCluster, connect: Connect) -> None:
    fake.reset(vm(101, node="pve3", running=True), nodes=3)
    connector = await connect()
    await connector.survey()
    fake.do("node", name="pve3", online=False)
    with pytest.raises(UnavailableError, match="pve3"):
        await connector.ping_agent("101")


async def test_a_node_gets_one_ping_a_second_and_nobody_starves(fake: FakeCluster) -> None:
    machines = [str(100 + n) for n in range(6)]
    fake.reset(*(vm(int(m), running=True) for m in machines))
    connector = factory("pve", fake.table("pve1"))
    await connector.open()
    try:
        async with asyncio.timeout(30):
            await asyncio.gather(*(_healthy_twice(connector, m) for m in machines))
    finally:
        await connector.close()
    times = [entry["at"] for entry in fake.log("POST", "/agent/ping")]
    assert all(b - a > 0.9 for a, b in itertools.pairwise(times))


async def _healthy_twice(connector: Connector, machine: str) -> None:
    """As a check does: an attempt has 1 s here, and two in a row have to be well."""
    row = 0
    while row < 2:
        try:
            async with asyncio.timeout(1):
                answer = await connector.ping_agent(machine)
            row = row + 1 if answer.healthy else 0
        except TimeoutError:
            row = 0
        await asyncio.sleep(0.3)

"""Bulk readings: placement from the cluster, power from each node's own list."""

from __future__ import annotations

import asyncio

import pytest

from connectors.proxmox import factory
from drorch.errors import MachineNotFoundError, PermissionDeniedError, UnavailableError
from drorch.ports.connector import Connector, Power
from tests.fakes.permit import allowed
from tests.proxmox.cluster import SECRET, TOKEN, FakeCluster, ct, vm
from tests.proxmox.conftest import Connect, becomes


async def test_power_is_the_nodes_word_not_the_late_statistics(
    fake: FakeCluster, connect: Connect
) -> None:
    fake.reset(vm(101), vm(102, running=True), stats_every=3600)
    connector = await connect()
    await connector.survey()
    fake.guest(101, running=True, since=1.0)
    fake.guest(102, running=False)
    machines = (await connector.survey()).machines
    assert (machines["101"].power, machines["102"].power) == (Power.RUNNING, Power.OFF)


async def test_a_dead_node_makes_its_machines_unknown(fake: FakeCluster, connect: Connect) -> None:
    """Their last state stays "running" in the statistics for five minutes."""
    fake.reset(vm(101, node="pve3", running=True), vm(102), nodes=3, stats_every=0)
    connector = await connect()
    assert (await connector.survey()).machines["101"].power is Power.RUNNING
    fake.do("node", name="pve3", online=False)
    survey = await connector.survey()  # the list of nodes is still the one from before
    assert survey.machines["101"].power is Power.UNKNOWN
    assert not survey.hosts["pve3"].online
    assert "pve3" in survey.hosts["pve3"].reason
    assert survey.machines["102"].power is Power.OFF
    later = await connect()
    survey = await later.survey()
    assert survey.machines["101"].power is Power.UNKNOWN
    assert "pve3 is offline" in survey.hosts["pve3"].reason
    assert (await later.look("101")).power is Power.UNKNOWN
    assert not [e for e in fake.log("GET", "/nodes/pve3/") if e["status"] != 595][2:]


async def test_a_node_without_statistics_still_serves(fake: FakeCluster, connect: Connect) -> None:
    fake.reset(vm(101), vm(102, node="pve2", running=True))
    fake.do("node", name="pve2", status="unknown")
    connector = await connect()
    survey = await connector.survey()
    assert survey.machines["102"].power is Power.RUNNING
    assert survey.hosts["pve2"].online
    assert survey.hosts["pve2"].memory_free is None
    assert survey.hosts["pve1"].memory_free == 60 * 1024**3


async def test_a_node_that_answers_errors_is_dark_alone(
    fake: FakeCluster, connect: Connect
) -> None:
    fake.reset(vm(101), vm(102, node="pve2", running=True))
    connector = await connect()
    fake.do("fault", kind="status", path="/nodes/pve2/qemu", status=500, times=9, reason="died")
    survey = await connector.survey()
    assert survey.machines["102"].power is Power.UNKNOWN
    assert "died" in survey.hosts["pve2"].reason
    assert survey.machines["101"].power is Power.OFF


async def test_a_node_that_hangs_hides_nobody_else(
    fake: FakeCluster, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("connectors.proxmox.inventory.NODE_PATIENCE", 0.4)
    fake.reset(vm(101, running=True), vm(102, node="pve2", running=True))
    connector = await connect()
    await connector.survey()
    fake.do("fault", kind="hang", path="/nodes/pve2/qemu", seconds=2.0)
    for _ in range(3):
        survey = await connector.survey()
        assert survey.machines["101"].power is Power.RUNNING
        assert survey.machines["102"].power is Power.UNKNOWN
        assert "did not answer within" in survey.hosts["pve2"].reason
    assert len(fake.log("GET", "/nodes/pve2/qemu")) == 2  # one open question, not three
    await becomes(connector, "102", Power.RUNNING)


async def test_a_machine_that_moved_is_seen_where_it_is(
    fake: FakeCluster, connect: Connect
) -> None:
    fake.reset(vm(101, running=True))
    connector = await connect()
    assert (await connector.survey()).machines["101"].host == "pve1"
    fake.guest(101, node="pve2")
    assert (await connector.survey()).machines["101"].host == "pve2"
    assert (await connector.look("101")).host == "pve2"


async def test_new_and_deleted_machines(fake: FakeCluster, connect: Connect) -> None:
    fake.reset(vm(101), vm(102))
    connector = await connect()
    assert set((await connector.survey()).machines) == {"101", "102"}
    fake.do("remove", vmid="102")
    await asyncio.wait_for(_gone(connector, "102"), 3)  # sooner than the placement is too old
    with pytest.raises(MachineNotFoundError, match="102") as caught:
        await connector.look("102")
    assert "deleted or renumbered" in caught.value.hint


async def _gone(connector: Connector, machine: str) -> None:
    while machine in (await connector.survey()).machines:
        await asyncio.sleep(0.05)


@pytest.mark.parametrize(
    ("qmp", "power"),
    [
        ("paused", Power.PAUSED),
        ("io-error", Power.CRASHED),
        ("internal-error", Power.CRASHED),
        ("guest-panicked", Power.CRASHED),
        ("running", Power.RUNNING),
    ],
)
async def test_a_process_that_serves_nobody_is_told_apart(
    fake: FakeCluster, connect: Connect, qmp: str, power: Power
) -> None:
    fake.reset(vm(101, running=True, qmp=qmp))
    connector = await connect()
    seen = (await connector.survey()).machines["101"]
    assert seen.power is power
    assert bool(seen.problem) == (power is not Power.RUNNING)
    assert (await connector.look("101")).power is power


async def test_late_statistics_do_not_tell_of_the_process_before(
    fake: FakeCluster, connect: Connect
) -> None:
    fake.reset(vm(101, running=True, qmp="io-error"), stats_every=3600)
    connector = await connect()
    assert (await connector.survey()).machines["101"].power is Power.CRASHED
    await connector.stop("101", permit=allowed)
    await becomes(connector, "101", Power.OFF)
    await connector.start("101", permit=allowed)
    await becomes(connector, "101", Power.RUNNING)


async def test_many_suspects_cost_one_question_for_each_node_and_reading(
    fake: FakeCluster, connect: Connect
) -> None:
    fake.reset(*(vm(100 + n, running=True, qmp="io-error") for n in range(40)))
    connector = await connect()
    survey = await connector.survey()
    assert {seen.power for seen in survey.machines.values()} == {Power.CRASHED}
    assert len(fake.log("GET", "/status/current")) == 1
    await connector.survey()
    asked = [entry["path"] for entry in fake.log("GET", "/status/current")]
    assert len(asked) == len(set(asked)) == 2


async def test_only_nodes_with_containers_are_asked_for_them(
    fake: FakeCluster, connect: Connect
) -> None:
    fake.reset(vm(101), ct(102, node="pve2", running=True))
    connector = await connect()
    assert (await connector.survey()).machines["102"].power is Power.RUNNING
    assert {entry["node"] for entry in fake.log("GET", "/lxc")} == {"pve2"}


async def test_lost_quorum_is_told_and_machines_still_seen(
    fake: FakeCluster, connect: Connect
) -> None:
    fake.reset(vm(101, running=True), nodes=3)
    fake.do("set", quorate=False)
    for name in ("pve2", "pve3"):
        fake.do("node", name=name, online=False)
    survey = await (await connect()).survey()
    assert not survey.quorate
    assert "1 of 3 nodes" in survey.reason
    assert survey.machines["101"].power is Power.RUNNING


async def test_a_token_that_sees_nothing_is_not_a_missing_machine(
    fake: FakeCluster, connect: Connect
) -> None:
    """Privilege separation: the user may, the token may not; lists are then empty, not refused."""
    rights = {"/": ["VM.Audit", "VM.PowerMgmt", "Sys.Audit"]}
    fake.reset(vm(101), tokens=[{"id": TOKEN, "secret": SECRET, "user_rights": rights}])
    connector = await connect()
    survey = await connector.survey()
    assert survey.machines == {}
    assert "lacks VM.Audit" in survey.reason
    for call in (connector.look("101"), connector.start("101", permit=allowed)):
        with pytest.raises(PermissionDeniedError, match="sees no machines") as caught:
            await call
        assert "pveum acl modify" in caught.value.hint


async def test_a_cluster_that_nobody_answers_for_raises(
    fake: FakeCluster, connect: Connect
) -> None:
    fake.reset(vm(101))
    connector = await connect()
    await connector.survey()
    fake.do("endpoint", node="pve1", up=False)
    for call in (connector.survey(), connector.look("101"), connector.start("101", permit=allowed)):
        with pytest.raises(UnavailableError) as caught:
            await call
        assert caught.value.host is None
        assert caught.value.hint


async def test_identity_does_not_depend_on_the_endpoint_or_on_dark_nodes(
    fake: FakeCluster, connect: Connect
) -> None:
    fake.reset(vm(101), nodes=3)
    first = await (await connect("pve1")).identify()
    assert first.product == "Proxmox VE"
    assert first.version == "8.4.1"
    fake.do("node", name="pve3", online=False)
    assert (await (await connect("pve2")).identify()) == first
    fake.reset(vm(101), nodes=3, cluster="other")
    assert (await (await connect("pve2")).identify()).identity != first.identity


async def test_concurrent_readings_share_their_calls(fake: FakeCluster, connect: Connect) -> None:
    fake.reset(*(vm(100 + n) for n in range(20)))
    connector = await connect()
    await asyncio.gather(*(connector.look(str(100 + n)) for n in range(20)))
    assert len(fake.log("GET", "/nodes/pve1/qemu")) == 1
    await asyncio.gather(*(connector.survey() for _ in range(20)))
    assert len(fake.log("GET", "/nodes/pve1/qemu")) == 2
    assert len(fake.log("GET", "/cluster/resources")) == 1


async def test_140_machines_boot_within_two_observing_calls_a_node_and_second(
    fake: FakeCluster,
) -> None:
    """Everything counts but the orders: lists, tasks, looks before an order, cluster readings."""
    guests = [vm(1000 + n, node=f"pve{n % 4 + 1}", start_secs=2.0) for n in range(140)]
    fake.reset(*guests, nodes=4)
    connector = factory("pve", fake.table("pve1"))
    machines = [str(1000 + n) for n in range(140)]
    await connector.open()
    try:
        await asyncio.wait_for(_boot(connector, machines), 90)
    finally:
        await connector.close()
    assert len(fake.orders()) == 140
    observed = fake.log("GET")
    span = observed[-1]["at"] - observed[0]["at"]
    assert span > 5
    for node in ("pve1", "pve2", "pve3", "pve4"):
        # Calls about the whole cluster are served by the node that is asked.
        times = [e["at"] for e in observed if (e["node"] or e["contact"]) == node]
        assert len(times) <= 2 * (span + 1)
        # In any five seconds; one more, because what is sent in time may arrive bunched.
        assert all(b - a > 5 for a, b in zip(times, times[11:], strict=False)), node
    assert {g["starts"] for g in (fake.guest(m) for m in machines)} == {1}


async def _boot(connector: Connector, machines: list[str]) -> None:
    """Order everything, a dozen at a time, and look every half second until all of it runs."""
    places = asyncio.Semaphore(12)

    async def order(machine: str) -> None:
        async with places:
            task = await connector.start(machine, permit=allowed)
        await connector.outcome(task, machine)

    async with asyncio.TaskGroup() as group:
        for machine in machines:
            group.create_task(order(machine))
        powers: set[Power] = set()
        while powers != {Power.RUNNING}:
            await asyncio.sleep(0.5)
            survey = await connector.survey()
            powers = {seen.power for seen in survey.machines.values()}

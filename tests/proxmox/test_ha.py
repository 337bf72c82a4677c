"""HA-managed guests: their order is a wish, and only what HA does with it counts."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from drorch.errors import RefusedError
from drorch.ports.connector import OrderStatus, Power, Severity
from tests.fakes.permit import allowed
from tests.proxmox.cluster import FakeCluster, ct, vm
from tests.proxmox.conftest import Connect, becomes, ending


async def test_the_order_is_active_until_the_process_is_seen(
    fake: FakeCluster, connect: Connect
) -> None:
    fake.reset(vm(101, hastate="stopped"), ha_delay=0.5)
    connector = await connect()
    order = await connector.start("101", permit=allowed)
    assert ":hastart:101:" in order.handle
    outcome = await connector.outcome(order, "101")
    assert outcome.status is OrderStatus.ACTIVE
    assert "HA state stopped" in outcome.detail
    assert (await ending(connector, order, "101")).status is OrderStatus.DONE
    await becomes(connector, "101", Power.RUNNING)


async def test_without_a_manager_it_stays_active(fake: FakeCluster, connect: Connect) -> None:
    fake.reset(vm(101, hastate="stopped"))
    fake.do("set", crm=False)
    connector = await connect()
    order = await connector.start("101", permit=allowed)
    for _ in range(5):
        assert (await connector.outcome(order, "101")).status is OrderStatus.ACTIVE
    assert (await connector.look("101")).power is Power.OFF


async def test_a_start_that_fails_is_followed_to_another_node(
    fake: FakeCluster, connect: Connect
) -> None:
    fake.reset(vm(101, hastate="stopped", start_error="start failed: QEMU exited with code 1"))
    connector = await connect()
    since = datetime.now(UTC)
    order = await connector.start("101", permit=allowed)
    assert (await ending(connector, order, "101")).status is OrderStatus.DONE
    seen = await becomes(connector, "101", Power.RUNNING)
    assert seen.host == "pve2"
    assert order.handle.startswith("UPID:pve1:")
    found = await connector.find_order("101", since)
    assert found is not None
    assert found.handle == order.handle


async def test_given_up_by_ha_asks_a_person(fake: FakeCluster, connect: Connect) -> None:
    fake.reset(vm(101, hastate="stopped", start_error="broken everywhere"))
    connector = await connect()
    outcome = await ending(connector, await connector.start("101", permit=allowed), "101")
    assert (outcome.status, outcome.retryable) == (OrderStatus.FAILED, False)
    assert "--state disabled" in outcome.hint
    assert "--state started" in outcome.hint
    seen = await connector.look("101")
    assert seen.problem
    assert "ha-manager set vm:101" in seen.hint


async def test_in_error_nothing_is_ordered(fake: FakeCluster, connect: Connect) -> None:
    fake.reset(vm(101, hastate="error"), ct(102, hastate="error"))
    connector = await connect()
    for machine, sid in (("101", "vm:101"), ("102", "ct:102")):
        with pytest.raises(RefusedError, match="HA state is error") as caught:
            await connector.start(machine, permit=allowed)
        assert f"ha-manager set {sid} --state disabled" in caught.value.hint
    assert fake.orders() == []


@pytest.mark.parametrize(
    ("hastate", "running", "power"),
    [
        ("started", True, Power.RUNNING),
        ("started", False, Power.STARTING),
        ("request_start", False, Power.STARTING),
        ("request_start", True, Power.STARTING),
        ("stopped", True, Power.STARTING),
        ("stopped", False, Power.OFF),
        ("migrate", True, Power.RUNNING),
        ("freeze", True, Power.RUNNING),
        ("error", True, Power.UNKNOWN),
        ("error", False, Power.OFF),
        ("ignored", True, Power.RUNNING),
        ("ignored", False, Power.OFF),
    ],
)
async def test_running_takes_both_ha_and_the_process(
    fake: FakeCluster, connect: Connect, hastate: str, running: bool, power: Power
) -> None:
    fake.reset(vm(101, hastate=hastate, running=running))
    connector = await connect()
    seen = (await connector.survey()).machines["101"]
    assert seen.power is power
    assert bool(seen.problem) == (hastate == "error")


async def test_ignored_by_ha_is_an_ordinary_machine(fake: FakeCluster, connect: Connect) -> None:
    fake.reset(vm(101, hastate="ignored"))
    connector = await connect()
    order = await connector.start("101", permit=allowed)
    assert ":qmstart:101:" in order.handle
    assert (await ending(connector, order, "101")).status is OrderStatus.DONE


async def test_a_stop_is_a_wish_too(fake: FakeCluster, connect: Connect) -> None:
    fake.reset(vm(101, hastate="started", running=True), ha_delay=0.3)
    connector = await connect()
    order = await connector.stop("101", permit=allowed)
    assert ":hastop:101:" in order.handle
    assert (await connector.outcome(order, "101")).status is OrderStatus.ACTIVE
    assert (await ending(connector, order, "101")).status is OrderStatus.DONE


async def test_what_ha_starts_by_itself_is_told(fake: FakeCluster, connect: Connect) -> None:
    fake.reset(vm(101, hastate="started"), vm(102, onboot=True), vm(103))
    connector = await connect()
    told = [f for f in await connector.examine(["101", "102", "103"]) if f.code == "autostart"]
    assert [f.machine for f in told] == ["101", "102"]
    assert {f.severity for f in told} == {Severity.WARNING}
    assert "ha-manager set vm:101" in told[0].hint
    assert "qm set 102 --onboot 0" in told[1].hint
    machines = (await connector.survey()).machines
    autostart = [machines[m].autostart for m in ("101", "102", "103")]
    assert autostart == ["HA started", "onboot", None]

"""The last look before an order leaves, and nodes that accept everything and stay silent."""

from __future__ import annotations

import asyncio

import pytest
from typing_extensions import override

from connectors.proxmox import inventory
from connectors.proxmox.connector import ProxmoxConnector
from connectors.proxmox.settings import read_settings
from drorch.errors import HostUnavailableError, OrderWithheldError, UnavailableError, Withheld
from drorch.ports.connector import Connector, Power
from tests.fakes.permit import CountedPermit, allowed
from tests.proxmox.cluster import FakeCluster, ct, vm
from tests.proxmox.conftest import Connect, becomes


class SecondThoughts(CountedPermit):
    """Lets the first request leave, and none after it."""

    @override
    def __call__(self) -> None:
        super().__call__()
        self.why = "held by anna"


async def arrive(fake: FakeCluster, path: str, count: int, method: str = "") -> None:
    """Wait until so many requests have arrived that nobody has answered."""
    async with asyncio.timeout(15):
        while len([e for e in fake.log(method, path) if e["status"] == 0]) < count:
            await asyncio.sleep(0.02)


async def test_a_hold_that_is_placed_while_the_order_waits_for_its_turn_counts(
    fake: FakeCluster, connect: Connect
) -> None:
    fake.reset(*(vm(number) for number in range(101, 106)))
    fake.do("fault", kind="hang", method="POST", seconds=2, times=3)
    connector = await connect(read_timeout=10)
    async with asyncio.TaskGroup() as group:
        for machine in ("101", "102", "103"):
            group.create_task(connector.start(machine, permit=allowed))
        await arrive(fake, "/status/start", 3, "POST")
        permit = CountedPermit()
        waiting = asyncio.create_task(connector.start("104", permit=permit))
        await connector.survey()  # by now it has looked, and stands behind the three
        await asyncio.sleep(0)
        assert not waiting.done()
        assert permit.asked == 0, "asked before its turn"
        permit.why = "held by anna"
        with pytest.raises(OrderWithheldError, match="held by anna"):
            await waiting
    assert permit.asked == 1
    assert fake.orders(104) == []
    permit.why = ""
    await connector.start("104", permit=permit)
    await becomes(connector, "104", Power.RUNNING)


async def test_a_hold_that_is_placed_while_the_order_waits_for_the_pacer_counts(
    fake: FakeCluster,
) -> None:
    fake.reset(vm(101))
    connector = ProxmoxConnector("pve", read_settings("pve", fake.table()), observing_calls=1)
    await connector.open()
    try:
        permit = CountedPermit()
        waiting = asyncio.create_task(connector.start("101", permit=permit))
        async with asyncio.timeout(15):
            while not fake.log("GET"):
                await asyncio.sleep(0.02)
        assert permit.asked == 0  # one call a second, and it has to make several
        permit.why = "held by anna"
        with pytest.raises(OrderWithheldError):
            await waiting
    finally:
        await connector.close()
    assert fake.orders() == []


async def test_a_permit_is_not_asked_for_an_endpoint_that_cannot_be_reached(
    fake: FakeCluster, connect: Connect
) -> None:
    fake.reset(vm(101))
    connector = await connect("pve1", "pve2")
    await connector.survey()
    fake.do("endpoint", node="pve1", up=False)
    permit = CountedPermit()
    await connector.start("101", permit=permit)
    assert permit.asked == 1
    assert [entry["contact"] for entry in fake.orders(101)] == ["pve2"]


async def test_a_permit_is_asked_again_before_the_order_goes_to_another_endpoint(
    fake: FakeCluster, connect: Connect
) -> None:
    fake.reset(vm(101))
    connector = await connect("pve1", "pve2")
    await connector.survey()
    reason = "No route to host"
    fake.do("fault", kind="status", method="POST", status=595, reason=reason)
    permit = SecondThoughts()
    with pytest.raises(OrderWithheldError) as caught:
        await connector.start("101", permit=permit)
    assert caught.value.scope is Withheld.HOLD
    assert permit.asked == 2
    assert [entry["contact"] for entry in fake.orders(101)] == ["pve1"], "it was not received there"


async def freeze(fake: FakeCluster, *nodes: str, method: str = "") -> None:
    for node in nodes:
        fake.do("fault", kind="hang", method=method, path=f"/nodes/{node}/", seconds=9, times=999)


async def test_frozen_nodes_do_not_starve_a_healthy_one(
    fake: FakeCluster, connect: Connect
) -> None:
    frozen = ("pve2", "pve3", "pve4", "pve5")
    guests = [
        vm(100 * n + k, node=node) for n, node in enumerate(frozen, start=2) for k in range(3)
    ]
    fake.reset(vm(101), ct(102), *guests, nodes=5)
    connector = await connect(read_timeout=9)
    await connector.survey()
    await freeze(fake, *frozen, method="POST")
    stuck = [
        asyncio.create_task(connector.start(str(guest["vmid"]), permit=allowed)) for guest in guests
    ]
    try:
        for node in frozen:
            await arrive(fake, f"/nodes/{node}/", 3, "POST")
        await freeze(fake, *frozen)
        survey = asyncio.create_task(connector.survey())
        for node in frozen:
            await arrive(fake, f"/nodes/{node}/qemu", 4)
        await connector.start("101", permit=allowed)
        await becomes(connector, "101", Power.RUNNING)
        assert not any(task.done() for task in stuck), "it answered only when the others gave up"
        assert not survey.done()
    finally:
        fake.do("endpoint", node="pve1", up=False)  # lets all that waits go
        await asyncio.gather(*stuck, survey, return_exceptions=True)


async def test_a_cancelled_order_keeps_its_place_until_its_thread_is_free(
    fake: FakeCluster, connect: Connect
) -> None:
    """Or a frozen node would take a thread more each time that somebody gives up."""
    fake.reset(*(vm(number) for number in range(101, 108)))
    connector = await connect(read_timeout=9)
    await connector.survey()
    await freeze(fake, "pve1", method="POST")
    given_up = [
        asyncio.create_task(connector.start(str(number), permit=allowed))
        for number in (101, 102, 103)
    ]
    await arrive(fake, "/status/start", 3, "POST")
    for task in given_up:
        task.cancel()
    await asyncio.gather(*given_up, return_exceptions=True)
    permit = CountedPermit()
    waiting = asyncio.create_task(connector.start("104", permit=permit))
    for _ in range(3):
        await connector.survey()
    assert permit.asked == 0
    fake.do("endpoint", node="pve1", up=False)  # lets the three go; nobody is there for the fourth
    with pytest.raises(UnavailableError):
        await waiting
    assert permit.asked == 0
    assert fake.orders(104) == []


async def raced(connector: Connector, seconds: float) -> bool:
    """Tell whether a survey was there before so many seconds were over."""
    survey, clock = (
        asyncio.create_task(connector.survey()),
        asyncio.create_task(asyncio.sleep(seconds)),
    )
    await asyncio.wait({survey, clock}, return_when=asyncio.FIRST_COMPLETED)
    clock.cancel()
    return survey.done() and bool(await survey)


async def test_a_silent_node_is_waited_for_once_and_not_in_every_survey(
    fake: FakeCluster, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inventory, "NODE_PATIENCE", 3.0)
    monkeypatch.setattr(inventory, "SILENT_PATIENCE", 0.1)
    fake.reset(vm(101), vm(201, node="pve2"))
    connector = await connect(read_timeout=20)
    await connector.survey()
    fake.do("fault", kind="hang", path="/nodes/pve2/qemu", seconds=5, times=1)
    first = await connector.survey()
    assert first.machines["101"].power is Power.OFF
    assert (first.machines["201"].power, first.hosts["pve2"].online) == (Power.UNKNOWN, False)
    for _ in range(3):
        assert await raced(connector, inventory.NODE_PATIENCE)
    with pytest.raises(HostUnavailableError):
        await connector.start("201", permit=allowed)
    assert (await becomes(connector, "201", Power.OFF)).host == "pve2"  # it answers at last
    assert (await connector.survey()).hosts["pve2"].online

"""Orders whose answer was lost: looked up in the node's tasks, never repeated blindly."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from drorch.errors import OutcomeUnknownError, UnreachableError
from drorch.ports.connector import OrderStatus, Power
from tests.fakes.permit import allowed
from tests.proxmox.cluster import FakeCluster, ct, vm
from tests.proxmox.conftest import Connect, becomes, ending


async def test_done_but_the_answer_is_lost(fake: FakeCluster, connect: Connect) -> None:
    fake.reset(vm(101))
    connector = await connect("pve1", "pve2")
    since = datetime.now(UTC)
    fake.do("fault", kind="lost", method="POST")
    with pytest.raises(OutcomeUnknownError, match="101"):
        await connector.start("101", permit=allowed)
    assert len(fake.orders()) == 1  # not tried at the other endpoint
    order = await connector.find_order("101", since)
    assert order is not None
    assert (await ending(connector, order, "101")).status is OrderStatus.DONE
    assert fake.guest(101)["starts"] == 1


async def test_not_done_and_the_answer_is_lost(fake: FakeCluster, connect: Connect) -> None:
    fake.reset(vm(101))
    connector = await connect("pve1", "pve2")
    since = datetime.now(UTC)
    fake.do("fault", kind="drop", method="POST")
    with pytest.raises(OutcomeUnknownError):
        await connector.start("101", permit=allowed)
    assert len(fake.orders()) == 1
    assert await connector.find_order("101", since) is None


@pytest.mark.parametrize("status", [596, 597, 599, 502, 504])
async def test_a_proxy_that_gave_up_proves_nothing(
    fake: FakeCluster, connect: Connect, status: int
) -> None:
    fake.reset(vm(101))
    connector = await connect("pve1", "pve2")
    fake.do("fault", kind="status", method="POST", status=status, reason="Connection timed out")
    with pytest.raises(OutcomeUnknownError, match="Connection timed out"):
        await connector.start("101", permit=allowed)
    assert len(fake.orders()) == 1


async def test_an_order_carried_out_after_its_596(fake: FakeCluster, connect: Connect) -> None:
    fake.reset(vm(101))
    connector = await connect()
    since = datetime.now(UTC)
    fake.do("fault", kind="late", method="POST", seconds=0.4)
    with pytest.raises(OutcomeUnknownError):
        await connector.start("101", permit=allowed)
    assert await connector.find_order("101", since) is None
    await becomes(connector, "101", Power.RUNNING)
    assert await connector.find_order("101", since) is not None
    assert (await connector.start("101", permit=allowed)).already
    assert fake.guest(101)["starts"] == 1


async def test_a_read_timeout_leaves_an_order_in_doubt(fake: FakeCluster, connect: Connect) -> None:
    fake.reset(vm(101))
    connector = await connect(read_timeout=0.4)
    fake.do("fault", kind="hang", method="POST", seconds=1.0)
    with pytest.raises(OutcomeUnknownError, match="no answer in time"):
        await connector.start("101", permit=allowed)
    await becomes(connector, "101", Power.RUNNING)
    assert fake.guest(101)["starts"] == 1


async def test_no_worker_upid_is_a_doubt(fake: FakeCluster, connect: Connect) -> None:
    """Genuine pvedaemon kills the worker it forked; its task is listed, its UPID not told."""
    fake.reset(vm(101))
    connector = await connect()
    since = datetime.now(UTC)
    fake.do("fault", kind="no-upid", method="POST")
    with pytest.raises(OutcomeUnknownError, match="got no worker upid"):
        await connector.start("101", permit=allowed)
    order = await connector.find_order("101", since)
    assert order is not None
    outcome = await connector.outcome(order, "101")
    assert outcome.status is OrderStatus.UNKNOWN
    assert (await connector.look("101")).power is Power.OFF


async def test_a_web_page_with_500_proves_nothing(fake: FakeCluster, connect: Connect) -> None:
    fake.reset(vm(101))
    connector = await connect()
    page = "<html>Internal Server Error</html>"
    fake.do("fault", kind="status", method="POST", status=500, reason="Oops", body=page)
    with pytest.raises(OutcomeUnknownError):
        await connector.start("101", permit=allowed)


async def test_a_plain_500_is_a_refusal(fake: FakeCluster, connect: Connect) -> None:
    fake.reset(vm(101))
    connector = await connect()
    fake.do("fault", kind="status", method="POST", status=500, reason="something died here")
    with pytest.raises(Exception, match="something died here") as caught:
        await connector.start("101", permit=allowed)
    assert type(caught.value).__name__ == "RefusedError"


@pytest.mark.parametrize("status", [596, 599])
async def test_a_read_is_asked_once_more(fake: FakeCluster, connect: Connect, status: int) -> None:
    fake.reset(vm(101))
    connector = await connect()
    fake.do("fault", kind="status", path="/qemu", status=status, reason="Connection timed out")
    assert (await connector.look("101")).power is Power.OFF
    fake.do("fault", kind="drop", path="/version")
    assert (await connector.identify()).version == "8.4.1"


async def test_a_read_that_stays_unanswered_is_unreachable(
    fake: FakeCluster, connect: Connect
) -> None:
    fake.reset(vm(101))
    connector = await connect()
    fake.do("fault", kind="drop", path="/version", times=99)
    with pytest.raises(UnreachableError):
        await connector.identify()
    assert len(fake.log("GET", "/version")) == 2


async def test_an_order_of_an_earlier_attempt_is_not_adopted(
    fake: FakeCluster, connect: Connect
) -> None:
    fake.reset(vm(101))
    connector = await connect()
    first = await connector.start("101", permit=allowed)
    await becomes(connector, "101", Power.RUNNING)
    assert await connector.find_order("101", datetime.now(UTC)) is not None
    later = datetime.now(UTC) + timedelta(seconds=5)
    assert await connector.find_order("101", later) is None
    before = datetime.now(UTC) - timedelta(minutes=5)
    found = await connector.find_order("101", before)
    assert found is not None
    assert found.handle == first.handle


@pytest.mark.parametrize("ahead", [-3600.0, -45.0, 45.0, 3600.0])
async def test_clocks_that_differ_do_not_matter(
    fake: FakeCluster, connect: Connect, ahead: float
) -> None:
    fake.reset(vm(101), clock_ahead=ahead)
    connector = await connect()
    since = datetime.now(UTC)
    order = await connector.start("101", permit=allowed)
    found = await connector.find_order("101", since)
    assert found is not None
    assert found.handle == order.handle
    assert await connector.find_order("101", since + timedelta(seconds=30)) is None


async def test_orders_of_others_and_other_orders_are_not_ours(
    fake: FakeCluster, connect: Connect
) -> None:
    rights = {"/": ["VM.Audit", "VM.PowerMgmt", "Sys.Audit"]}
    tokens = [
        {
            "id": name,
            "secret": "6f1c9a1e-5ec7-4b0b-9d53-2c77d1e5a0aa",
            "user_rights": rights,
            "token_rights": rights,
        }
        for name in ("drorch@pve!recovery", "drorch@pve!other")
    ]
    fake.reset(vm(101), vm(102), tokens=tokens)
    since = datetime.now(UTC) - timedelta(seconds=1)
    mine, other = await connect(), await connect(token_id="drorch@pve!other")
    await other.start("101", permit=allowed)
    await mine.start("102", permit=allowed)
    assert await mine.find_order("101", since) is None
    await becomes(mine, "102", Power.RUNNING)
    assert await mine.find_order("102", since) is not None


async def test_a_container_order_is_found(fake: FakeCluster, connect: Connect) -> None:
    fake.reset(ct(101, node="pve2"))
    connector = await connect()
    since = datetime.now(UTC)
    order = await connector.start("101", permit=allowed)
    found = await connector.find_order("101", since)
    assert found is not None
    assert found.handle == order.handle


async def test_an_idle_connection_is_not_used_for_an_order(
    fake: FakeCluster, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server ends idle connections after 5 s; an order into a closing one is in doubt."""
    monkeypatch.setattr("connectors.proxmox.wire.IDLE_LIMIT", 0.0)
    fake.reset(vm(101))
    connector = await connect()
    await connector.survey()
    await connector.start("101", permit=allowed)
    await becomes(connector, "101", Power.RUNNING)

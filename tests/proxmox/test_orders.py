"""Starts and stops as a genuine cluster answers them: accepted at once, judged in the task."""

from __future__ import annotations

import pytest

from connectors.proxmox import orders
from drorch.errors import (
    BusyError,
    HostUnavailableError,
    MachineNotFoundError,
    NoQuorumError,
    PermissionDeniedError,
    ProtocolError,
    RefusedError,
)
from drorch.ports.connector import KeepsLogs, Order, OrderStatus, Power
from tests.fakes.permit import allowed
from tests.proxmox.cluster import RIGHTS, SECRET, TOKEN, FakeCluster, ct, vm
from tests.proxmox.conftest import Connect, becomes, ending


async def test_a_start_is_followed_by_its_task_id(fake: FakeCluster, connect: Connect) -> None:
    fake.reset(vm(101, start_secs=0.5))
    connector = await connect()
    order = await connector.start("101", permit=allowed)
    assert order.handle.startswith("UPID:pve1:")
    assert ":qmstart:101:drorch@pve!recovery:" in order.handle
    assert (await connector.outcome(order, "101")).status is OrderStatus.ACTIVE
    assert (await ending(connector, order, "101")).status is OrderStatus.DONE
    assert (await connector.look("101")).power is Power.RUNNING


async def test_another_process_attaches_with_the_task_id_alone(
    fake: FakeCluster, connect: Connect
) -> None:
    fake.reset(vm(101))
    handle = (await (await connect()).start("101", permit=allowed)).handle
    other = await connect("pve2")
    assert (await ending(other, Order(handle=handle), "101")).status is OrderStatus.DONE


async def test_a_machine_whose_start_works_already_gets_no_second_one(
    fake: FakeCluster, connect: Connect
) -> None:
    fake.reset(vm(101, start_secs=30))
    connector = await connect()
    first = await connector.start("101", permit=allowed)
    second = await connector.start("101", permit=allowed)
    assert second.already
    assert second.handle == first.handle
    assert len(fake.orders(101)) == 1


async def test_started_by_somebody_else_meanwhile_is_success(
    fake: FakeCluster, connect: Connect
) -> None:
    fake.reset(vm(101, start_secs=0.3))
    connector = await connect()
    order = await connector.start("101", permit=allowed)
    fake.guest(101, running=True, since=1.0)
    outcome = await ending(connector, order, "101")
    assert outcome.status is OrderStatus.DONE
    assert outcome.detail == "VM 101 already running"


async def test_a_container_that_runs_already_is_refused_at_once_and_that_is_success(
    fake: FakeCluster, connect: Connect
) -> None:
    fake.reset(ct(101))
    connector = await connect()
    fake.do("fault", kind="status", method="POST", status=500, reason="CT 101 already running")
    assert (await connector.start("101", permit=allowed)).already


async def test_containers_start_and_stop(fake: FakeCluster, connect: Connect) -> None:
    fake.reset(ct(101), vm(102))
    connector = await connect()
    order = await connector.start("101", permit=allowed)
    assert ":vzstart:101:" in order.handle
    await becomes(connector, "101", Power.RUNNING)
    assert (await connector.start("101", permit=allowed)).already
    stop = await connector.stop("101", permit=allowed)
    assert (await ending(connector, stop, "101")).status is OrderStatus.DONE
    assert (await connector.stop("101", permit=allowed)).already
    assert [entry["path"] for entry in fake.orders()] == [
        "/nodes/pve1/lxc/101/status/start",
        "/nodes/pve1/lxc/101/status/stop",
    ]


async def test_warnings_are_success_and_are_told(fake: FakeCluster, connect: Connect) -> None:
    log = ["WARN: iothread is only valid with virtio-scsi-single"]
    fake.reset(vm(101, start_exit="WARNINGS: 1", start_log=log))
    connector = await connect()
    outcome = await ending(connector, await connector.start("101", permit=allowed), "101")
    assert outcome.status is OrderStatus.DONE
    assert outcome.detail == f"WARNINGS: 1: {log[0]}"


async def test_the_cause_of_a_failure_comes_from_the_log(
    fake: FakeCluster, connect: Connect
) -> None:
    told = "bridge 'vmbr7' does not exist"
    noise = [f"line {number}" for number in range(80)]
    error = "start failed: QEMU exited with code 1"
    fake.reset(vm(101, start_error=error, start_log=[*noise, told]))
    connector = await connect()
    outcome = await ending(connector, await connector.start("101", permit=allowed), "101")
    assert outcome.status is OrderStatus.FAILED
    assert outcome.retryable
    assert outcome.detail.startswith(f"{error}: ")
    assert told in outcome.detail
    assert "UPID:pve1:" in outcome.hint


async def test_the_log_of_an_order_is_told_as_it_is(fake: FakeCluster, connect: Connect) -> None:
    lines = [f"line {number}" for number in range(80)]
    fake.reset(vm(101, start_log=lines))
    connector = await connect()
    assert isinstance(connector, KeepsLogs)
    order = await connector.start("101", permit=allowed)
    await ending(connector, order, "101")
    told = list(await connector.order_log(order))
    assert [line for line in told if line.startswith("line ")] == lines
    gone = order.handle.replace(":101:", ":999:")
    assert list(await connector.order_log(Order(handle=gone))) == []


async def test_qemu_that_is_slow_to_detach_may_run(fake: FakeCluster, connect: Connect) -> None:
    line = "start failed: command '/usr/bin/kvm -id 101 " + "-device x,y='1' " * 90
    fake.reset(vm(101, start_error=line + "' failed: got timeout"))
    connector = await connect()
    outcome = await ending(connector, await connector.start("101", permit=allowed), "101")
    assert outcome.status is OrderStatus.UNKNOWN
    assert outcome.detail == "start failed: command '/usr/bin/kvm ...' failed: got timeout"
    assert (await connector.look("101")).power is Power.RUNNING


@pytest.mark.parametrize(
    "status",
    [
        "unexpected status",
        "unable to read tail (got 0 bytes)",
        "received interrupt",
        "interrupted by signal",
        "got signal (15) - abort",
    ],
)
async def test_a_killed_task_proves_nothing(
    fake: FakeCluster, connect: Connect, status: str
) -> None:
    fake.reset(vm(101, start_secs=30))
    connector = await connect()
    order = await connector.start("101", permit=allowed)
    fake.do("end_task", upid=order.handle, status=status)
    assert (await connector.outcome(order, "101")).status is OrderStatus.UNKNOWN


async def test_a_forgotten_task_proves_nothing(fake: FakeCluster, connect: Connect) -> None:
    fake.reset(vm(101))
    connector = await connect()
    order = await connector.start("101", permit=allowed)
    fake.do("forget_tasks")
    outcome = await connector.outcome(order, "101")
    assert outcome.status is OrderStatus.UNKNOWN
    assert "no longer knows" in outcome.detail


@pytest.mark.parametrize("kind", ["vm", "ct"])
@pytest.mark.parametrize("lock", ["backup", "migrate", "create", "snapshot"])
async def test_a_locked_machine_is_busy_and_the_cure_is_told(
    fake: FakeCluster, connect: Connect, kind: str, lock: str
) -> None:
    fake.reset(vm(101, lock=lock) if kind == "vm" else ct(101, lock=lock))
    connector = await connect()
    with pytest.raises(BusyError, match=rf"101 .* is locked \({lock}\)") as caught:
        await connector.start("101", permit=allowed)
    assert "qm unlock 101 on node pve1" in caught.value.hint
    assert "then retry" in caught.value.hint
    assert fake.orders() == []


async def test_a_lock_that_comes_after_the_look_is_told_the_same_way(
    fake: FakeCluster, connect: Connect
) -> None:
    fake.reset(vm(101, start_error="VM is locked (backup)"))
    connector = await connect()
    outcome = await ending(connector, await connector.start("101", permit=allowed), "101")
    assert (outcome.status, outcome.retryable) == (OrderStatus.FAILED, True)
    assert "wait for the backup to end" in outcome.hint
    assert "qm unlock 101 on node pve1" in outcome.hint


async def test_a_lock_timeout_is_worth_another_try(fake: FakeCluster, connect: Connect) -> None:
    text = "can't lock file '/var/lock/qemu-server/lock-101.conf' - got timeout"
    fake.reset(vm(101, start_error=text))
    connector = await connect()
    outcome = await ending(connector, await connector.start("101", permit=allowed), "101")
    assert (outcome.status, outcome.retryable) == (OrderStatus.FAILED, True)
    assert "another task works on this machine" in outcome.hint


async def test_suspended_to_disk_is_no_obstacle(fake: FakeCluster, connect: Connect) -> None:
    fake.reset(vm(101, lock="suspended"))
    connector = await connect()
    await connector.start("101", permit=allowed)
    await becomes(connector, "101", Power.RUNNING)


async def test_a_stopped_machine_in_backup_is_resumed(fake: FakeCluster, connect: Connect) -> None:
    """Its process is there for the backup only; saying "runs" would leave it off afterwards."""
    fake.reset(vm(101, running=True, qmp="prelaunch", lock="backup"), stats_every=0)
    connector = await connect()
    assert (await connector.look("101")).power is Power.OFF
    assert (await connector.survey()).machines["101"].power is Power.OFF
    order = await connector.start("101", permit=allowed)
    assert (await ending(connector, order, "101")).status is OrderStatus.DONE
    assert (await connector.look("101")).power is Power.RUNNING
    assert (await connector.start("101", permit=allowed)).already


async def test_a_running_machine_in_backup_runs(fake: FakeCluster, connect: Connect) -> None:
    fake.reset(vm(101, running=True, lock="backup"))
    connector = await connect()
    assert (await connector.start("101", permit=allowed)).already
    assert fake.orders() == []


@pytest.mark.parametrize("kind", ["vm", "ct"])
async def test_a_template_is_refused_with_what_to_do(
    fake: FakeCluster, connect: Connect, kind: str
) -> None:
    fake.reset(vm(101, template=True) if kind == "vm" else ct(101, template=True))
    connector = await connect()
    with pytest.raises(RefusedError, match="template") as caught:
        await connector.start("101", permit=allowed)
    assert "clone 101" in caught.value.hint
    assert fake.orders() == []


async def test_a_template_that_became_one_after_the_look(
    fake: FakeCluster, connect: Connect
) -> None:
    fake.reset(vm(101, start_error="you can't start a vm if it's a template"))
    connector = await connect()
    outcome = await ending(connector, await connector.start("101", permit=allowed), "101")
    assert (outcome.status, outcome.retryable) == (OrderStatus.FAILED, False)


@pytest.mark.parametrize(
    ("text", "retryable"),
    [
        ("storage 'nfs1' does not exist", False),
        ("storage 'nfs1' is disabled", False),
        ("storage 'nfs1' is not available on node 'pve1'", False),
        ("storage 'nfs1' is not online", True),
        ("volume 'local:170/vm-170-disk-0.raw' does not exist", True),
    ],
)
async def test_storage_trouble_is_retried_only_where_time_can_cure_it(
    fake: FakeCluster, connect: Connect, text: str, retryable: bool
) -> None:
    fake.reset(vm(101, start_error=text))
    connector = await connect()
    outcome = await ending(connector, await connector.start("101", permit=allowed), "101")
    assert (outcome.status, outcome.retryable) == (OrderStatus.FAILED, retryable)
    assert text in outcome.detail


@pytest.mark.parametrize("qmp", ["paused", "io-error", "guest-panicked"])
async def test_a_process_that_serves_nobody_needs_a_person(
    fake: FakeCluster, connect: Connect, qmp: str
) -> None:
    fake.reset(vm(101, running=True, qmp=qmp))
    connector = await connect()
    with pytest.raises(RefusedError) as caught:
        await connector.start("101", permit=allowed)
    assert "qm res" in caught.value.hint
    assert fake.orders() == []


async def test_without_quorum_nothing_is_ordered(fake: FakeCluster, connect: Connect) -> None:
    fake.reset(vm(101))
    fake.do("set", quorate=False)
    connector = await connect()
    with pytest.raises(NoQuorumError) as caught:
        await connector.start("101", permit=allowed)
    assert "pvecm status" in caught.value.hint
    assert fake.orders() == []


async def test_quorum_that_cannot_be_seen_is_told_by_the_refusal(
    fake: FakeCluster, connect: Connect
) -> None:
    blind = {"/vms": RIGHTS["/vms"]}
    fake.reset(
        vm(101),
        tokens=[{"id": TOKEN, "secret": SECRET, "user_rights": blind, "token_rights": blind}],
    )
    fake.do("set", quorate=False)
    connector = await connect()
    assert (await connector.survey()).quorate
    with pytest.raises(NoQuorumError, match="no quorum"):
        await connector.start("101", permit=allowed)


async def test_a_machine_that_moved_is_ordered_where_it_is(
    fake: FakeCluster, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake.reset(vm(101))
    connector = await connect()
    await connector.survey()
    monkeypatch.setattr(orders, "FRESH", 0.0)  # later than any reading
    fake.guest(101, node="pve2")
    order = await connector.start("101", permit=allowed)
    assert order.handle.startswith("UPID:pve2:")
    assert [entry["node"] for entry in fake.orders()] == ["pve2"]


async def test_a_refusal_by_the_wrong_node_is_resolved_once(
    fake: FakeCluster, connect: Connect
) -> None:
    fake.reset(vm(101))
    connector = await connect()
    reason = "Configuration file 'nodes/pve1/qemu-server/101.conf' does not exist"
    fake.do("fault", kind="status", method="POST", status=500, reason=reason, times=2)
    with pytest.raises(MachineNotFoundError, match="101"):
        await connector.start("101", permit=allowed)
    assert len(fake.orders()) == 1  # it is still there: asking the same node again is senseless


async def test_a_task_on_the_wrong_node_fails_and_may_be_retried(
    fake: FakeCluster, connect: Connect
) -> None:
    reason = "Configuration file 'nodes/pve1/qemu-server/101.conf' does not exist"
    fake.reset(vm(101, start_error=reason))
    connector = await connect()
    outcome = await ending(connector, await connector.start("101", permit=allowed), "101")
    assert (outcome.status, outcome.retryable) == (OrderStatus.FAILED, True)
    assert "moved or deleted" in outcome.hint


@pytest.mark.parametrize(
    "body",
    [
        '{"data": ""}',
        '{"data": null}',
        '{"data": [{"name": "log"}]}',
        '{"data": "UPID:../../x:1:2:3:qmstart:101:x:"}',
    ],
)
async def test_an_answer_without_a_task_id_is_rubbish(
    fake: FakeCluster, connect: Connect, body: str
) -> None:
    fake.reset(vm(101))
    connector = await connect()
    fake.do("fault", kind="raw", method="POST", body=body)
    with pytest.raises(ProtocolError, match="task id"):
        await connector.start("101", permit=allowed)


async def test_a_machine_on_a_dark_node_waits(fake: FakeCluster, connect: Connect) -> None:
    fake.reset(vm(101, node="pve3"), nodes=3)
    fake.do("node", name="pve3", online=False)
    connector = await connect()
    with pytest.raises(HostUnavailableError, match="pve3") as caught:
        await connector.start("101", permit=allowed)
    assert caught.value.host == "pve3"
    assert fake.orders() == []


async def test_a_node_that_goes_dark_at_the_order_did_not_receive_it(
    fake: FakeCluster, connect: Connect
) -> None:
    fake.reset(vm(101, node="pve3"), nodes=3)
    connector = await connect("pve1", "pve2")
    await connector.survey()
    fake.do("fault", kind="status", method="POST", status=595, reason="No route to host", times=2)
    with pytest.raises(HostUnavailableError, match="pve3") as caught:
        await connector.start("101", permit=allowed)
    assert caught.value.host == "pve3"
    assert [entry["contact"] for entry in fake.orders()] == ["pve1", "pve2"]


async def test_a_task_on_a_dark_node_is_waited_for(fake: FakeCluster, connect: Connect) -> None:
    fake.reset(vm(101, node="pve3", start_secs=30), nodes=3)
    connector = await connect()
    order = await connector.start("101", permit=allowed)
    fake.do("node", name="pve3", online=False)
    with pytest.raises(HostUnavailableError):
        await connector.outcome(order, "101")
    fake.guest(101, node="pve2", running=True)  # somebody brought it up elsewhere
    outcome = await connector.outcome(order, "101")
    assert outcome.status is OrderStatus.UNKNOWN
    assert "on pve2 now" in outcome.detail


async def test_the_right_that_is_missing_is_named(fake: FakeCluster, connect: Connect) -> None:
    sees = {"/vms": ["VM.Audit"]}
    fake.reset(
        vm(101), tokens=[{"id": TOKEN, "secret": SECRET, "user_rights": sees, "token_rights": sees}]
    )
    connector = await connect()
    with pytest.raises(PermissionDeniedError, match=r"VM\.PowerMgmt") as caught:
        await connector.start("101", permit=allowed)
    assert "VM.PowerMgmt on /vms/101" in caught.value.hint
    assert "pveum acl modify" in caught.value.hint

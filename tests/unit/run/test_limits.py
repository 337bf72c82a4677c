"""Rules 5 and 9: who takes a slot, how long, and who goes first where there is a choice."""

from __future__ import annotations

from datetime import timedelta

import pytest

from drorch.model.plan import Step
from drorch.ports.connector import Power
from drorch.run import commands as cmd
from drorch.run.seen import Seen
from drorch.run.status import StepStatus
from tests.fakes.plans import ONCE, callout, gate, group, question, service, vm, wait
from tests.fakes.script import Script


def machines(count: int, **more: object) -> list[Step]:
    return [vm(f"m{n}", **more) for n in range(count)]  # type: ignore[arg-type]


def test_no_more_than_parallel_act_at_once() -> None:
    run = Script(*machines(5), parallel=2)
    assert run.started == ["m0", "m1"]
    run.runs("m0")
    assert run.started == ["m0", "m1"], "verifying holds the slot too"
    run.verified("m0")
    assert run.started == ["m0", "m1", "m2"]


def test_gates_waits_and_questions_take_no_slot() -> None:
    steps = [gate("g"), wait("w", 60), question("q"), vm("m"), callout("c"), vm("late")]
    run = Script(*steps, parallel=2)
    assert run.acting == {"g", "m", "c"}, "the callout took the second slot"
    assert run.status("g", "w", "q") == ["verifying", "starting", "waiting"]
    assert run.status("late") is StepStatus.READY


def test_a_slot_is_free_while_a_step_backs_off() -> None:
    run = Script(*machines(2), parallel=1)
    run.fails("m0")
    assert run.status("m0", "m1") == ["ready", "starting"]
    run.later(5)
    assert run.status("m0") is StepStatus.READY, "its slot is taken now"
    run.heals("m1")
    assert run.status("m0") is StepStatus.STARTING


def test_a_slot_is_free_while_a_person_is_asked() -> None:
    run = Script(*machines(2, retry=ONCE), parallel=1)
    run.fails("m0")
    assert run.asks("m0")
    assert run.status("m1") is StepStatus.STARTING


def test_limits_of_connectors_count_each_for_itself() -> None:
    steps = [vm(f"{c}{n}", connector=c) for c in ("pve", "kvm") for n in range(3)]
    run = Script(*steps, per_connector={"pve": 1})
    assert sorted(run.started) == ["kvm0", "kvm1", "kvm2", "pve0"]


def test_limits_of_hosts_count_where_the_machines_are() -> None:
    run = Script(*machines(4), per_host=1, looked=False)
    where = {"m0": "h1", "m1": "h1", "m2": "h2", "m3": None}
    seen = {m: Seen(power=Power.OFF, host=h, machine=m) for m, h in where.items()}
    run.send(cmd.ReportMachines(connector="pve", machines=seen))
    assert run.started == ["m0", "m2", "m3"]
    run.sees("m1", Power.OFF, "h3")
    assert run.started[-1] == "m1", "it was moved by somebody to a host with room"


def test_groups_limit_their_members() -> None:
    steps = [vm(f"d{n}", group="dbs") for n in range(3)] + [vm("web")]
    run = Script(*steps, groups=[group("dbs", 1)])
    assert run.started == ["d0", "web"]
    run.heals("d0")
    assert run.started == ["d0", "web", "d1"]


def test_a_full_limit_does_not_hold_up_those_who_fall_under_another() -> None:
    first = [vm(f"a{n}", connector="a") for n in range(3)]
    run = Script(*first, vm("b0", connector="b"), parallel=2, per_connector={"a": 1})
    assert run.started == ["a0", "b0"]


def test_the_service_tier_goes_first() -> None:
    steps = [vm("low"), vm("high"), vm("none")]
    tiers = [service("s3", 3, "low"), service("s1", 1, "high")]
    run = Script(*steps, services=tiers, parallel=1)
    assert run.started == ["high"]
    run.heals("high")
    run.heals("low")
    assert run.started == ["high", "low", "none"]


def test_what_a_service_needs_inherits_its_tier() -> None:
    steps = [vm("other"), vm("db", group="dbs"), vm("web", "dbs")]
    tiers = [service("s3", 3, "other"), service("s1", 1, "web")]
    run = Script(*steps, services=tiers, groups=[group("dbs")], parallel=1)
    assert run.started == ["db"]


def test_within_a_tier_the_longest_remaining_chain_goes_first() -> None:
    slow = timedelta(minutes=9)
    run = Script(vm("alone"), vm("root"), vm("leaf", "root", expect=slow), parallel=1)
    assert run.started == ["root"]


def test_otherwise_the_order_of_the_plan_decides() -> None:
    run = Script(*machines(3), parallel=1)
    run.heals("m0")
    run.heals("m1")
    assert run.started == ["m0", "m1", "m2"]


def test_a_machine_started_outside_takes_no_slot() -> None:
    run = Script(*machines(3), parallel=1)
    run.sees("m1", Power.RUNNING)
    assert run.status("m1") is StepStatus.VERIFYING
    assert run.own("m1").slot is None
    run.heals("m0")
    assert run.started == ["m0", "m2"]


@pytest.mark.parametrize("end", ["skip", "accept"])
def test_a_decision_frees_the_slot(end: str) -> None:
    run = Script(*machines(2), parallel=1)
    run.runs("m0")
    getattr(run, end)("m0")
    assert run.started == ["m0", "m1"]

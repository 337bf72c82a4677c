"""Rule 1: nothing begins before everything that it depends on is satisfied."""

from __future__ import annotations

from datetime import timedelta

from drorch.model.plan import Dependency, OnFailure, When
from drorch.ports.connector import Power
from drorch.run import commands as cmd
from drorch.run import events as ev
from drorch.run.seen import Seen
from drorch.run.status import Mode, RunStatus, StepStatus
from tests.fakes.plans import ONCE, callout, finished, gate, group, question, started, vm, wait
from tests.fakes.script import Script


def test_a_chain_starts_one_after_the_other() -> None:
    run = Script(vm("db"), vm("app", "db"), vm("web", "app"))
    assert run.started == ["db"]
    assert run.status("db", "app", "web") == ["starting", "pending", "pending"]
    run.runs("db")
    assert run.status("db", "app") == ["verifying", "pending"], "running is not yet healthy"
    run.verified("db")
    assert run.started == ["db", "app"]
    run.heals("app")
    run.heals("web")
    assert run.verdict() is RunStatus.SUCCEEDED
    assert run.started == ["db", "app", "web"]


def test_a_diamond_waits_for_both_sides() -> None:
    run = Script(vm("a"), vm("b", "a"), vm("c", "a"), vm("d", "b", "c"))
    run.heals("a", "b")
    assert run.status("d") is StepStatus.PENDING
    run.heals("c")
    assert run.status("d") is StepStatus.STARTING


def test_nothing_is_started_before_its_hypervisor_was_looked_at() -> None:
    run = Script(vm("db"), gate("net"), looked=False)
    assert run.started == ["net"], "a gate needs no hypervisor"
    assert run.status("db") is StepStatus.READY
    run.send(cmd.ReportMachines(connector="pve", machines={}))
    assert run.started == ["net", "db"]


def test_a_group_is_satisfied_when_every_member_is() -> None:
    run = Script(
        vm("d1", group="dbs"), vm("d2", group="dbs"), vm("web", "dbs"), groups=[group("dbs")]
    )
    run.heals("d1")
    assert run.status("web") is StepStatus.PENDING
    run.heals("d2")
    assert run.status("web") is StepStatus.STARTING


def test_a_skipped_and_an_accepted_member_count_as_satisfied() -> None:
    run = Script(
        vm("d1", group="dbs", retry=ONCE),
        vm("d2", group="dbs"),
        vm("web", "dbs"),
        groups=[group("dbs")],
    )
    run.fails("d1")
    assert run.status("web") is StepStatus.BLOCKED
    run.accept("d1")
    assert run.status("web") is StepStatus.PENDING
    run.runs("d2")
    run.skip("d2")
    assert run.status("web") is StepStatus.STARTING


def test_a_group_without_members_holds_nobody_up() -> None:
    run = Script(vm("web", "none"), groups=[group("none")])
    assert run.started == ["web"]


def test_a_group_may_be_waited_for_as_started_or_finished() -> None:
    run = Script(
        vm("a", group="g", retry=ONCE, on_failure=OnFailure.STOP),
        vm("b", group="g"),
        vm("s", started("g")),
        gate("f", finished("g")),
        groups=[group("g")],
    )
    run.runs("a")
    assert run.status("s", "f") == ["pending", "pending"]
    run.runs("b")
    assert run.status("s", "f") == ["starting", "pending"]
    run.verified("a", "b")
    assert run.status("f") is StepStatus.VERIFYING


def test_started_means_seen_running_for_a_machine() -> None:
    run = Script(vm("mail"), vm("web", started("mail")))
    run.accepted("mail")
    assert run.status("web") is StepStatus.PENDING
    run.runs("mail")
    assert run.status("mail", "web") == ["verifying", "starting"]


def test_started_means_begun_for_anything_else() -> None:
    run = Script(
        question("san"),
        wait("pause", 60),
        gate("net"),
        callout("dns"),
        vm("w1", started("san")),
        vm("w2", started("pause")),
        vm("w3", started("net")),
        vm("w4", started("dns")),
    )
    assert run.started[-4:] == ["w1", "w2", "w3", "w4"]


def test_started_stays_true_when_the_machine_is_tried_again() -> None:
    run = Script(vm("mail"), vm("web", started("mail")), parallel=1)
    run.runs("mail")
    run.fails("mail")
    assert run.status("mail", "web") == ["ready", "starting"]


def test_finished_means_any_final_status() -> None:
    run = Script(
        vm("bad", retry=ONCE, on_failure=OnFailure.ASK),
        vm("late", "bad"),
        gate("tidy", finished("bad")),
        gate("after", finished("late")),
    )
    run.fails("bad")
    assert run.status("tidy") is StepStatus.PENDING, "a question is not an end"
    run.reject("bad")
    assert run.status("bad", "tidy") == ["failed", "verifying"]
    assert run.status("late", "after") == ["blocked", "verifying"], "blocked for good is final"


def test_a_mixed_step_needs_each_edge_in_its_own_way() -> None:
    needs = (Dependency(target="db"), Dependency(target="mail", when=When.STARTED))
    run = Script(vm("db"), vm("mail"), vm("web", *needs))
    run.heals("db")
    assert run.status("web") is StepStatus.PENDING
    run.runs("mail")
    assert run.status("web") is StepStatus.STARTING


def test_a_wait_takes_its_time_and_a_gate_only_its_checks() -> None:
    run = Script(gate("net"), wait("settle", 30, "net"), callout("zone", "settle"))
    run.verified("net")
    assert run.status("settle") is StepStatus.STARTING
    run.later(29.9)
    assert run.status("zone") is StepStatus.PENDING
    run.later(0.1)
    assert run.status("settle", "zone") == ["healthy", "starting"]
    run.send(cmd.ReportActionDone(step="zone", attempt=1, evidence="zone reset"))
    assert run.verdict() is RunStatus.SUCCEEDED
    assert run.own("zone").comment == "zone reset"


def test_a_gate_whose_checks_do_not_hold_in_time_fails() -> None:
    run = Script(gate("net", verify_timeout=timedelta(minutes=1), retry=ONCE))
    run.later(60)
    assert run.asks("net")
    assert "not every check held within 1m" in run.own("net").error


def test_rule_2_a_machine_that_runs_already_is_verified_and_never_started() -> None:
    run = Script(vm("db"), vm("web", "db"), looked=False)
    seen = {name: Seen(power=Power.RUNNING, host="h1", machine=name) for name in ("db", "web")}
    run.send(cmd.ReportMachines(connector="pve", machines=seen))
    assert run.status("db", "web") == ["verifying", "verifying"]
    assert not run.own("db").outside, "it ran before the run began"
    run.verified("web", "db")
    assert run.verdict() is RunStatus.SUCCEEDED
    assert run.started == []


def test_a_step_without_checks_is_healthy_when_its_machine_runs() -> None:
    run = Script(vm("db", verify=()), vm("web", "db"))
    run.runs("db")
    assert run.status("db", "web") == ["healthy", "starting"]


def test_a_gate_without_checks_is_passed_at_once() -> None:
    run = Script(gate("net", verify=()))
    assert run.verdict() is RunStatus.SUCCEEDED


def test_a_simulation_waits_where_people_and_callouts_would_act() -> None:
    run = Script(question("san"), callout("dns", "san"), mode=Mode.SIMULATE)
    assert run.status("san") is StepStatus.STARTING
    run.later(60)
    assert run.status("san", "dns") == ["healthy", "starting"]
    run.later(60)
    assert run.verdict() is RunStatus.SUCCEEDED
    assert not run.of(ev.StepAsked)


def test_a_dry_run_begins_nothing_whatever_is_due() -> None:
    run = Script(vm("db"), gate("net"), question("san"), mode=Mode.DRY_RUN)
    assert run.started == []
    run.send(cmd.ReportExamined(errors={"db": "there is no machine 101"}))
    assert run.started == []
    assert run.status("db", "net") == ["failed", "healthy"]
    assert run.verdict() is RunStatus.FAILED

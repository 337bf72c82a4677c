"""Rules 7 and 12: machines that others start, and machines that are lost after they were well."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from drorch.model.plan import OnFailure
from drorch.ports.connector import Power
from drorch.run import commands as cmd
from drorch.run import events as ev
from drorch.run.status import FailureKind, RunStatus, StepStatus
from tests.fakes.plans import ONCE, TWICE, question, vm
from tests.fakes.script import Script

FIRM: dict[str, Any] = {"retry": ONCE, "on_failure": OnFailure.CONTINUE}


def test_a_machine_started_by_hand_is_marked_and_verified_at_once() -> None:
    run = Script(vm("db"), vm("web", "db"))
    run.sees("web", Power.RUNNING, "h2")
    own = run.own("web")
    assert (own.status, own.outside, own.host) == ("verifying", True, "h2")
    run.verified("web")
    assert run.status("web") is StepStatus.HEALTHY
    run.heals("db")
    assert run.verdict() is RunStatus.SUCCEEDED
    assert run.started == ["db"]


def test_its_deadline_begins_when_its_dependencies_hold() -> None:
    run = Script(vm("db"), vm("web", "db", retry=ONCE, verify_timeout=timedelta(minutes=5)))
    run.sees("web", Power.RUNNING)
    run.later(170)
    assert run.own("web").timer is None
    run.heals("db")
    run.later(299)
    assert run.status("web") is StepStatus.VERIFYING
    run.later(1)
    assert run.status("web") is StepStatus.READY, "that look cost none of its own attempts"


def test_with_its_dependencies_met_the_deadline_begins_at_once() -> None:
    run = Script(question("q"), vm("db", "q"), parallel=1)
    run.approve("q")
    run.fails("db")
    run.sees("db", Power.RUNNING)
    assert run.own("db").timer == run.now + timedelta(minutes=10)


def test_a_machine_found_while_what_it_needs_has_failed_is_judged_all_the_same() -> None:
    """Its needs will never hold; without a deadline the run would never end."""
    run = Script(vm("db", retry=ONCE), vm("web", "db", retry=ONCE))
    run.fails("db")
    run.sees("web", Power.RUNNING)
    run.reject("db")
    assert run.status("db", "web") == ["failed", "verifying"]
    run.later(600)
    assert run.status("web") is StepStatus.BLOCKED
    assert run.verdict() is RunStatus.FAILED


def test_a_machine_that_asks_and_is_started_by_hand_is_verified() -> None:
    run = Script(vm("db", retry=ONCE), vm("web", "db"))
    run.fails("db")
    run.sees("db", Power.RUNNING)
    assert run.status("db", "web") == ["verifying", "pending"]
    run.verified("db")
    assert run.status("db", "web") == ["healthy", "starting"]


def test_a_machine_that_ran_all_along_is_not_taken_for_a_new_start() -> None:
    run = Script(vm("db", retry=ONCE))
    run.runs("db")
    run.sees("db", Power.RUNNING, "h1")
    run.later(600)
    assert run.asks("db")
    run.sees("db", Power.RUNNING, "h2")
    assert run.asks("db"), "it only moved"


def test_a_sighting_before_the_answer_to_the_order_is_not_outside() -> None:
    run = Script(vm("db"))
    run.sees("db", Power.RUNNING)
    assert run.status("db") is StepStatus.STARTING
    run.runs("db")
    assert not run.own("db").outside


def test_an_accepted_order_and_a_sighting_are_enough() -> None:
    run = Script(vm("db"))
    run.accepted("db")
    run.sees("db", Power.STARTING)
    run.sees("db", Power.RUNNING, "h1")
    assert run.status("db") is StepStatus.VERIFYING
    assert run.own("db").host == "h1"


def test_a_machine_that_stops_while_it_is_verified_spends_an_attempt() -> None:
    run = Script(vm("db", retry=TWICE))
    run.runs("db")
    run.sees("db", Power.RUNNING)
    run.sees("db", Power.OFF)
    assert run.own("db").failure is FailureKind.LOST
    run.later(5)
    assert run.own("db").attempt == 2
    assert run.status("db") is StepStatus.STARTING


def test_lost_after_healthy_follows_the_policy_and_who_has_started_goes_on() -> None:
    run = Script(vm("db"), vm("app", "db"), vm("web", "app"), vm("late", "db", "web"))
    run.heals("db")
    run.runs("app")
    run.sees("db", Power.OFF)
    assert run.asks("db")
    assert run.own("db").failure is FailureKind.LOST
    assert run.own("db").ended_at is None
    assert run.of(ev.MachineLost)[0].step == "db"
    assert run.status("app", "web", "late") == ["verifying", "pending", "blocked"]
    run.verified("app")
    assert run.status("web") is StepStatus.STARTING, "it needs app, and app is well"
    run.heals("web")
    assert run.verdict() is RunStatus.WAITING
    run.retry("db")
    run.heals("db", "late")
    assert run.verdict() is RunStatus.SUCCEEDED


def test_lost_with_continue_is_failed_and_not_started_again() -> None:
    run = Script(vm("db", **FIRM), vm("web", "db"))
    run.heals("db")
    run.sees("db", Power.CRASHED)
    assert run.status("db", "web") == ["failed", "starting"]


def test_lost_and_back_by_itself_is_verified_again() -> None:
    run = Script(vm("db"), vm("web", "db"), vm("late", "web", "db"))
    run.heals("db")
    run.sees("db", Power.OFF)
    run.sees("db", Power.RUNNING)
    assert run.status("db") is StepStatus.VERIFYING
    run.verified("db")
    assert run.status("db") is StepStatus.HEALTHY


def test_what_a_person_vouched_for_is_not_lost() -> None:
    run = Script(vm("db", retry=ONCE), vm("web", "db"))
    run.fails("db")
    run.accept("db")
    run.sees("db", Power.CRASHED)
    assert run.status("db") is StepStatus.HEALTHY


def test_a_dark_node_is_no_loss() -> None:
    run = Script(vm("db"), vm("web", "db"))
    run.heals("db")
    run.sees("db", Power.UNKNOWN)
    assert run.status("db") is StepStatus.HEALTHY


def test_only_changes_are_recorded() -> None:
    run = Script(vm("db"))
    run.sees("db", Power.STARTING, "h1")
    before = len(run.log)
    run.sees("db", Power.STARTING, "h1")
    run.send(cmd.ReportMachines(connector="pve", machines={}))
    assert len(run.log) == before


def test_a_failed_machine_that_a_person_starts_is_verified_and_lets_go_on() -> None:
    run = Script(vm("db", **FIRM), question("san"))
    run.accepted("db")
    run.fails("db")
    assert run.status("db") is StepStatus.FAILED
    run.sees("db", Power.RUNNING)
    assert run.status("db") is StepStatus.VERIFYING

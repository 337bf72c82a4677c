"""What is stuck, and what is only slow, waits its turn, or has its time still before it."""

from __future__ import annotations

from datetime import timedelta

import pytest

from drorch.run import commands as cmd
from drorch.run.status import Scope
from drorch.run.stuck import Why, stuck
from tests.fakes.plans import ONCE, question, vm, wait
from tests.fakes.script import Script

PATIENT = timedelta(hours=9)


def why(run: Script, step: str, usual: timedelta | None = None) -> Why | None:
    found = stuck(run.state, run.state.index(step), run.now, usual)
    return found.why if found else None


def test_a_question_and_a_failure_wait_for_people() -> None:
    run = Script(question("san"), vm("db", retry=ONCE))
    run.fails("db")
    assert why(run, "san") is Why.PERSON
    assert why(run, "db") is Why.EXHAUSTED
    run.reject("db")
    assert why(run, "db") is Why.EXHAUSTED


def test_what_waits_for_others_or_for_its_turn_is_not_stuck() -> None:
    run = Script(vm("a"), vm("b"), vm("c", "a"), parallel=1)
    assert [why(run, step) for step in ("a", "b", "c")] == [None, None, None]
    run.fails("a")
    assert why(run, "a") is None, "it is tried again by itself"


@pytest.mark.parametrize(
    ("expect", "usual", "silent", "is_stuck"),
    [
        (10, None, 119, False),
        (10, None, 121, True),
        (60, None, 179, False),
        (60, None, 181, True),
        (60, 10, 121, True),
        (10, 300, 899, False),
        (10, 300, 901, True),
    ],
)
def test_silence_is_measured_by_how_long_a_step_usually_takes(
    expect: float, usual: float | None, silent: float, *, is_stuck: bool
) -> None:
    run = Script(vm("db", expect=timedelta(seconds=expect), start_timeout=PATIENT))
    run.later(silent)
    known = None if usual is None else timedelta(seconds=usual)
    assert why(run, "db", known) is (Why.SILENT if is_stuck else None)


def test_whatever_shows_something_new_is_only_slow() -> None:
    run = Script(vm("db", expect=timedelta(seconds=10), verify_timeout=PATIENT))
    run.runs("db")
    run.later(100)
    run.send(cmd.ReportCheck(step="db", attempt=1, check="tcp", healthy=False, evidence="503"))
    run.later(100)
    assert why(run, "db") is None
    run.later(21)
    found = stuck(run.state, 0, run.now)
    assert found is not None
    assert found.why is Why.SILENT
    assert found.since == run.now - timedelta(seconds=121)


def test_a_long_pause_that_the_plan_asks_for_is_not_stuck() -> None:
    run = Script(wait("calm", 3600))
    run.later(3000)
    assert why(run, "calm") is None


def test_a_hypervisor_that_refuses_is_stuck_however_often_it_is_asked() -> None:
    run = Script(vm("db"))
    run.unavailable("db", Scope.CONNECTOR, "pve")
    assert why(run, "db") is Why.REFUSED
    run.cleared(Scope.CONNECTOR, "pve")
    assert why(run, "db") is None


def test_a_machine_that_is_held_back_waits_for_a_person() -> None:
    run = Script(vm("a"), vm("db", "a"))
    run.obstacle(Scope.MACHINE, "db")
    assert why(run, "db") is None, "its turn has not come"
    run.heals("a")
    assert why(run, "db") is Why.PERSON


def test_nothing_is_stuck_in_a_run_that_is_over() -> None:
    run = Script(vm("db", retry=ONCE))
    run.fails("db")
    run.reject("db")
    assert run.state.is_over
    assert why(run, "db") is None

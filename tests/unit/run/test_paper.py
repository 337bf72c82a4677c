"""Ticks of the printed runbook: what they make true, and that nothing is ordered twice by them."""

from __future__ import annotations

from datetime import timedelta

import pytest

from drorch.errors import CommandRejectedError
from drorch.model.plan import OnFailure, Step
from drorch.ports.connector import Power
from drorch.run import commands as cmd
from drorch.run import events as ev
from drorch.run.effects import EffectKind
from drorch.run.status import Ask, PaperResult, RunStatus, Scope, StepStatus
from drorch.run.views import step_json
from tests.fakes.plans import ONCE, callout, check, question, vm, wait
from tests.fakes.replay import assert_honest, assert_replays
from tests.fakes.script import T0, Script

DONE, SKIPPED, FAILED = PaperResult


def tick(
    run: Script, step: str, result: PaperResult = DONE, *, minutes: float = 0.0, by: str = "Maria"
) -> tuple[ev.Event, ...]:
    """Enter that *step* was ticked so many minutes after the run began."""
    at = T0 + timedelta(minutes=minutes)
    return run.send(
        cmd.Paper(by="anna", step=step, done_at=at, done_by=by, result=result, comment="by hand")
    )


def sound(run: Script) -> None:
    assert_replays(run.state, run.log)
    assert_honest(run.state)


def test_a_tick_counts_from_when_it_is_entered_and_keeps_what_was_told() -> None:
    run = Script(vm("db"), vm("web", "db"))
    run.later(600)
    tick(run, "db", minutes=3)
    own = run.own("db")
    assert (own.status, own.accepted_by, own.decided_by) == ("healthy", "Maria", "anna")
    assert own.healthy_at == run.now
    assert run.started == ["db", "web"]
    told = step_json(run.state, 0)["from_paper"]
    assert told == {
        "result": "done",
        "done_at": "2030-01-01T00:03:00.000Z",
        "by": "Maria",
        "entered_by": "anna",
        "entered_at": "2030-01-01T00:10:00.000Z",
    }
    sound(run)


@pytest.mark.parametrize("phase", ["pending", "ready", "starting", "verifying", "waiting"])
def test_a_step_is_done_on_paper_wherever_it_stands(phase: str) -> None:
    run = Script(
        vm("other"), vm("first"), vm("db", "first", retry=ONCE, verify=(check(),)), parallel=1
    )
    if phase != "pending":
        run.heals("other", "first") if phase != "ready" else run.heals("other")
    if phase in ("verifying", "waiting"):
        run.runs("db")
    if phase == "waiting":
        run.fails("db")
    run.later(60)
    tick(run, "db", minutes=1)
    assert run.status("db") is StepStatus.HEALTHY
    assert run.effect("db") is None
    sound(run)


def test_a_blocked_step_is_done_on_paper() -> None:
    run = Script(vm("db", on_failure=OnFailure.STOP, retry=ONCE), vm("web", "db"), wait("w", 60))
    run.fails("db")
    assert run.status("web") is StepStatus.BLOCKED
    tick(run, "web")
    assert run.status("web") is StepStatus.HEALTHY
    sound(run)


def test_a_machine_in_flight_gets_no_second_order() -> None:
    run = Script(vm("db", verify=(check(),)), vm("web", "db"))
    before = run.effect("db")
    assert before is not None
    assert before.kind is EffectKind.POWER_ON
    tick(run, "db")
    assert run.effect("db") is None
    # What was on its way reports afterwards, of an attempt that is over: nothing comes of it.
    run.accepted("db")
    run.sees("db", Power.RUNNING)
    assert run.status("db", "web") == ["healthy", "starting"]
    assert run.started == ["db", "web"]
    sound(run)


def test_a_ticked_machine_that_is_off_is_told_and_not_started() -> None:
    run = Script(vm("db", verify=(check(),)), vm("web", "db"))
    run.sees("db", Power.OFF)
    tick(run, "db")
    run.sees("db", Power.OFF)
    assert run.asks("db")
    assert "the paper says that it was done" in run.own("db").error
    assert not run.own("db").accepted_by
    assert step_json(run.state, 0)["from_paper"] is None
    assert run.started == ["db", "web"]
    sound(run)


def test_a_run_does_not_end_on_a_paper_before_its_machine_was_looked_at() -> None:
    run = Script(vm("db"))
    run.sees("db", Power.OFF)
    run.later(60)
    tick(run, "db", minutes=1)
    assert run.status("db") is StepStatus.HEALTHY
    assert not run.state.is_over, "what was seen last is older than the paper"
    run.sees("db", Power.OFF)  # the very same as before the paper
    assert run.status("db") is StepStatus.WAITING
    sound(run)
    run.sees("db", Power.RUNNING)
    run.verified("db")
    assert run.state.is_over
    sound(run)


def test_a_paper_alone_ends_a_run_whose_hypervisor_cannot_be_seen() -> None:
    run = Script(vm("db"))
    run.send(cmd.ReportObstacle(scope=Scope.CONNECTOR, key="pve", reason="no answer"))
    tick(run, "db")
    assert run.state.is_over
    assert run.state.ended is RunStatus.SUCCEEDED
    sound(run)


def test_a_machine_that_is_vouched_for_by_other_means_stays_so() -> None:
    run = Script(vm("db", retry=ONCE))
    run.fails("db")
    run.accept("db")
    assert run.own("db").from_paper is None


def test_the_same_tick_again_is_nothing_new() -> None:
    run = Script(vm("db"), wait("w", 6000))
    run.later(300)
    tick(run, "db", minutes=2)
    assert tick(run, "db", minutes=2) == ()
    assert tick(run, "db", minutes=2, by="MR") == ()
    assert len(run.of(ev.StepOnPaper)) == 1


@pytest.mark.parametrize(("result", "minutes"), [(DONE, 3.0), (SKIPPED, 2.0), (FAILED, 4.0)])
def test_a_tick_that_contradicts_is_refused_with_what_is_recorded(
    result: PaperResult, minutes: float
) -> None:
    run = Script(vm("db"), wait("w", 6000))
    run.later(300)
    tick(run, "db", minutes=2)
    told = r"already: done at 2030-01-01T00:02:00.000Z by Maria \(entered by anna\)"
    with pytest.raises(CommandRejectedError, match=told):
        tick(run, "db", result, minutes=minutes)


def test_what_drorch_has_verified_itself_needs_no_paper() -> None:
    run = Script(vm("db"), wait("w", 6000))
    run.heals("db")
    with pytest.raises(CommandRejectedError, match="db is healthy since"):
        tick(run, "db")


def test_a_tick_has_a_time_within_the_run() -> None:
    run = Script(vm("db"), wait("w", 600))
    run.later(90)
    with pytest.raises(CommandRejectedError, match="cannot have been done"):
        tick(run, "db", minutes=2)
    with pytest.raises(CommandRejectedError, match="before the run began"):
        tick(run, "db", minutes=-1)


def test_a_paper_has_minutes_and_the_run_began_within_one() -> None:
    run = Script(vm("db"), wait("w", 600))
    run.state.started_at = T0 + timedelta(seconds=40)
    run.later(90)
    assert tick(run, "db", minutes=0)


def test_a_step_is_skipped_on_paper() -> None:
    run = Script(vm("a"), vm("db", "a"), vm("web", "db"))
    tick(run, "db", SKIPPED)
    run.heals("a")
    assert run.status("db", "web") == ["skipped", "starting"]
    told = step_json(run.state, 1)["from_paper"]
    assert told is not None
    assert told["result"] == "skipped"
    sound(run)


@pytest.mark.parametrize(
    ("policy", "status", "next_one"),
    [
        (OnFailure.ASK, StepStatus.WAITING, StepStatus.BLOCKED),
        (OnFailure.CONTINUE, StepStatus.FAILED, StepStatus.STARTING),
        (OnFailure.STOP, StepStatus.FAILED, StepStatus.BLOCKED),
    ],
)
def test_a_failure_on_paper_follows_the_policy(
    policy: OnFailure, status: StepStatus, next_one: StepStatus
) -> None:
    run = Script(question("san", on_failure=policy), vm("db", "san"), wait("w", 600))
    tick(run, "san", FAILED)
    assert run.status("san", "db") == [status, next_one]
    assert "the paper says that it failed (Maria): by hand" in run.own("san").error
    sound(run)


def test_what_failed_on_paper_may_be_done_on_it_later() -> None:
    run = Script(vm("a"), vm("db", "a"))
    run.later(600)
    tick(run, "db", FAILED, minutes=2)
    assert run.own("db").ask is Ask.FAILURE
    tick(run, "db", DONE, minutes=7)
    assert run.status("db") is StepStatus.HEALTHY
    # The whole sheet once more: nothing of it is new.
    assert tick(run, "db", FAILED, minutes=2) == ()
    assert tick(run, "db", DONE, minutes=7) == ()
    sound(run)


@pytest.mark.parametrize("result", [SKIPPED, FAILED])
@pytest.mark.parametrize("step", [vm("db"), callout("db")], ids=["vm", "callout"])
def test_an_order_on_its_way_is_not_left_alone_by_a_paper(step: Step, result: PaperResult) -> None:
    run = Script(step)
    with pytest.raises(CommandRejectedError, match="an order for it is on its way"):
        tick(run, "db", result)


def test_an_ended_run_takes_no_paper() -> None:
    run = Script(vm("db"))
    run.heals("db")
    assert run.verdict() is RunStatus.SUCCEEDED
    with pytest.raises(CommandRejectedError, match="has ended"):
        tick(run, "db")


def test_an_unknown_step_is_refused() -> None:
    run = Script(vm("db"))
    with pytest.raises(CommandRejectedError, match="no step 'nothing'"):
        tick(run, "nothing")

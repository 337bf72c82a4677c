"""Rules 6, 11 and 13: questions to people, pause, resume, abort, and how a run ends."""

from __future__ import annotations

from datetime import timedelta

import pytest

from drorch.errors import CommandRejectedError
from drorch.model.plan import OnFailure
from drorch.ports.connector import Power
from drorch.run import commands as cmd
from drorch.run import events as ev
from drorch.run.effects import EffectKind, wanted
from drorch.run.status import Ask, RunStatus, Scope, StepStatus
from tests.fakes.plans import ONCE, callout, check, gate, question, vm, wait
from tests.fakes.script import Script


def test_a_question_waits_for_a_person_and_then_lets_go_on() -> None:
    run = Script(question("san"), vm("db", "san"))
    own = run.own("san")
    assert (own.status, own.ask, own.question) == ("waiting", Ask.MANUAL, "is san well?")
    assert run.verdict() is RunStatus.WAITING
    run.approve("san")
    assert run.status("san", "db") == ["healthy", "starting"]
    assert own.decided_by == "anna"
    assert run.verdict() is RunStatus.RUNNING


def test_an_approved_question_with_checks_is_verified() -> None:
    run = Script(question("san", verify=(check(),)))
    run.approve("san")
    assert run.status("san") is StepStatus.VERIFYING
    run.verified("san")
    assert run.verdict() is RunStatus.SUCCEEDED


@pytest.mark.parametrize(
    ("policy", "status", "next_one"),
    [
        (OnFailure.ASK, StepStatus.WAITING, StepStatus.BLOCKED),
        (OnFailure.CONTINUE, StepStatus.FAILED, StepStatus.STARTING),
        (OnFailure.STOP, StepStatus.FAILED, StepStatus.BLOCKED),
    ],
)
def test_a_rejected_question_fails_as_its_policy_says(
    policy: OnFailure, status: StepStatus, next_one: StepStatus
) -> None:
    run = Script(question("san", on_failure=policy), vm("db", "san"))
    run.reject("san")
    assert run.status("san", "db") == [status, next_one]
    assert "rejected by anna: no" in run.own("san").error


def test_a_rejected_question_is_asked_again_after_retry() -> None:
    run = Script(question("san"), vm("db", "san"))
    run.reject("san")
    run.retry("san")
    assert run.own("san").ask is Ask.MANUAL
    assert run.status("db") is StepStatus.PENDING
    run.approve("san")
    assert run.status("db") is StepStatus.STARTING


def test_an_overdue_question_is_told_again_and_again_and_never_fails() -> None:
    run = Script(question("san", timeout=1800.0))
    run.later(1799)
    assert not run.own("san").overdue
    run.later(1)
    assert run.own("san").overdue
    for _ in range(3):
        run.later(1800)
    assert len(run.of(ev.AnswerOverdue)) == 4
    assert run.status("san") is StepStatus.WAITING
    run.approve("san")
    assert not run.own("san").overdue
    assert run.verdict() is RunStatus.SUCCEEDED


def test_a_question_without_a_time_is_never_overdue() -> None:
    run = Script(question("san"))
    run.later(86400)
    assert not run.of(ev.AnswerOverdue)


def test_pause_starts_nothing_new_and_lets_what_acts_finish() -> None:
    run = Script(vm("a"), vm("b", "a"), question("q", "a"), gate("g", "a"))
    run.pause()
    run.heals("a")
    assert run.status("a", "b", "q", "g") == ["healthy", "ready", "ready", "ready"]
    assert run.verdict() is RunStatus.PAUSED
    run.resume()
    assert run.status("b", "q", "g") == ["starting", "waiting", "verifying"]


def test_paused_decisions_proceed_and_retries_wait() -> None:
    run = Script(vm("a"), vm("b", retry=ONCE))
    run.fails("b")
    run.pause()
    run.fails("a")
    run.retry("b")
    run.later(60)
    assert run.status("a", "b") == ["ready", "ready"]
    run.skip("b")
    assert run.status("b") is StepStatus.SKIPPED
    run.resume()
    assert run.status("a") is StepStatus.STARTING


def test_a_machine_started_outside_is_verified_even_while_paused() -> None:
    run = Script(vm("a"), vm("b", "a"))
    run.pause()
    run.sees("b", Power.RUNNING)
    assert run.status("b") is StepStatus.VERIFYING


def test_deadlines_of_what_acts_go_on_while_paused() -> None:
    run = Script(vm("a", retry=ONCE, start_timeout=timedelta(seconds=60)))
    run.accepted("a")
    run.pause()
    run.later(60)
    assert run.asks("a")


def test_abort_cancels_what_has_not_begun_and_stops_watching_what_runs() -> None:
    run = Script(vm("a"), vm("b", "a"), question("q"), wait("w", 60), gate("g"))
    run.runs("a")
    run.abort()
    assert run.status("a", "b", "q", "w", "g") == ["cancelled"] * 5
    assert run.verdict() is RunStatus.ABORTED
    assert not list(wanted(run.state))


def test_abort_never_cancels_an_order_that_was_sent() -> None:
    run = Script(vm("a"), vm("b", "a"))
    run.accepted("a")
    run.abort()
    assert run.status("a", "b") == ["starting", "cancelled"]
    assert run.verdict() is RunStatus.RUNNING, "it drains"
    effect = run.effect("a")
    assert effect is not None and effect.kind is EffectKind.AWAIT_RUNNING
    run.runs("a")
    assert run.status("a") is StepStatus.CANCELLED
    assert run.verdict() is RunStatus.ABORTED


def test_an_order_that_fails_while_aborting_is_not_repeated_and_nobody_is_asked() -> None:
    run = Script(vm("a"), callout("c"))
    run.abort()
    run.fails("a")
    run.fails("c")
    assert run.status("a", "c") == ["failed", "failed"]
    assert run.verdict() is RunStatus.ABORTED
    assert sorted(run.started) == ["a", "c"]


def test_an_abort_ends_although_the_hypervisor_never_comes_back() -> None:
    run = Script(vm("a"))
    run.accepted("a")
    run.obstacle(Scope.CONNECTOR, "pve")
    run.abort()
    run.later(3601)
    assert run.status("a") is StepStatus.FAILED
    assert run.verdict() is RunStatus.ABORTED


def test_a_run_waits_for_people_although_a_machine_started_outside_is_verified() -> None:
    run = Script(question("san"), vm("db", "san"))
    run.sees("db", Power.RUNNING)
    assert run.status("db") is StepStatus.VERIFYING
    assert run.verdict() is RunStatus.WAITING


def test_abort_ends_a_pause() -> None:
    run = Script(vm("a"), question("q"))
    run.pause()
    run.abort()
    run.runs("a")
    assert run.verdict() is RunStatus.ABORTED


def test_an_aborting_run_cannot_be_paused_retried_or_aborted_again() -> None:
    run = Script(vm("a"), vm("b", retry=ONCE, on_failure=OnFailure.CONTINUE))
    run.fails("b")
    run.abort()
    for press in (run.pause, run.abort, lambda: run.retry("b")):
        with pytest.raises(CommandRejectedError):
            press()


def test_pausing_twice_and_resuming_what_runs_is_refused() -> None:
    run = Script(vm("a"))
    with pytest.raises(CommandRejectedError, match="not paused"):
        run.resume()
    run.pause()
    with pytest.raises(CommandRejectedError, match="paused already"):
        run.pause()


def test_after_the_end_people_are_told_and_reports_change_nothing() -> None:
    run = Script(gate("g", verify=()))
    assert run.verdict() is RunStatus.SUCCEEDED
    before = len(run.log)
    for press in (run.pause, run.abort, lambda: run.retry("g"), lambda: run.skip("g")):
        with pytest.raises(CommandRejectedError, match="has ended"):
            press()
    run.verified("g")
    run.later(3600)
    run.send(cmd.Adopt(driver="late"))
    assert len(run.log) == before


def test_waiting_is_the_status_when_nothing_moves_until_a_person_acts() -> None:
    run = Script(vm("a", retry=ONCE), vm("b"))
    run.fails("a")
    assert run.verdict() is RunStatus.RUNNING, "b still moves"
    run.heals("b")
    assert run.verdict() is RunStatus.WAITING


def test_a_step_that_will_try_again_by_itself_is_not_waiting_for_people() -> None:
    run = Script(vm("a"), question("q"))
    run.fails("a")
    assert run.verdict() is RunStatus.RUNNING


def test_a_machine_on_hold_is_waiting_for_a_person() -> None:
    run = Script(vm("a"))
    run.unavailable("a", Scope.MACHINE, "a")
    assert run.status("a") is StepStatus.READY
    assert run.verdict() is RunStatus.WAITING
    run.cleared(Scope.MACHINE, "a")
    run.later(2)
    assert run.status("a") is StepStatus.STARTING


def test_a_run_ends_in_the_same_moment_as_its_last_step() -> None:
    run = Script(vm("a"))
    run.runs("a")
    run.later(7)
    run.verified("a")
    assert run.of(ev.RunEnded)[0].at == run.now
    assert len(run.of(ev.RunEnded)) == 1


def test_nothing_happens_before_the_start() -> None:
    run = Script(vm("a"))
    with pytest.raises(CommandRejectedError, match="started already"):
        run.send(cmd.Start(driver="again"))

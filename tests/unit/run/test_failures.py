"""Rules 4 and 10: attempts, policies, what a failure blocks, what a person may answer."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from drorch.errors import CommandRejectedError
from drorch.model.plan import OnFailure, OnUnhealthy
from drorch.ports.connector import Power
from drorch.run import commands as cmd
from drorch.run import events as ev
from drorch.run.effects import EffectKind
from drorch.run.status import FailureKind, Mode, OrderKind, RunStatus, StepStatus
from tests.fakes.plans import ONCE, TWICE, callout, gate, service, vm
from tests.fakes.script import Script

CONTINUE: dict[str, Any] = {"retry": ONCE, "on_failure": OnFailure.CONTINUE}
STOP: dict[str, Any] = {"retry": ONCE, "on_failure": OnFailure.STOP}


def test_attempts_back_off_longer_each_time_up_to_the_limit() -> None:
    run = Script(vm("db"))  # three attempts, 5 s, at most a minute
    run.fails("db")
    run.later(4.9)
    assert run.started == ["db"]
    run.later(0.1)
    assert run.own("db").attempt == 2
    run.fails("db")
    run.later(9.9)
    assert run.own("db").attempt == 2
    run.later(0.1)
    assert run.own("db").attempt == 3
    run.fails("db")
    assert run.asks("db")
    assert run.own("db").error == "it broke"
    assert run.own("db").hint == "mend it"


def test_what_will_fail_again_is_not_tried_again() -> None:
    run = Script(vm("db"))
    run.fails("db", retryable=False)
    assert run.asks("db")
    assert run.own("db").attempt == 1


def test_a_machine_that_does_not_run_in_time_has_failed() -> None:
    run = Script(vm("db", start_timeout=timedelta(minutes=3), retry=ONCE))
    run.accepted("db")
    run.later(179)
    assert run.status("db") is StepStatus.STARTING
    run.later(1)
    assert run.asks("db")
    assert run.own("db").failure is FailureKind.TIMEOUT
    assert "pve/db does not run 3m after the order" in run.own("db").error


def test_checks_that_do_not_hold_in_time_name_the_culprit() -> None:
    run = Script(vm("db", verify_timeout=timedelta(minutes=10), retry=ONCE))
    run.runs("db")
    run.send(cmd.ReportCheck(step="db", attempt=1, check="tcp", healthy=False, evidence="503"))
    run.later(600)
    assert run.asks("db")
    assert run.own("db").failure is FailureKind.UNHEALTHY
    assert "tcp: 503" in run.own("db").error


def test_the_next_attempt_verifies_again_where_the_machine_still_runs() -> None:
    run = Script(vm("db", retry=TWICE))
    run.runs("db")
    run.sees("db", Power.RUNNING)
    run.later(600)
    run.later(5)
    assert run.of(ev.StepStarted)[-1].order is OrderKind.VERIFY
    assert run.status("db") is StepStatus.VERIFYING
    assert run.own("db").attempt == 2


def test_on_unhealthy_restart_stops_first_and_starts_then() -> None:
    run = Script(vm("db", retry=TWICE, on_unhealthy=OnUnhealthy.RESTART))
    run.runs("db")
    run.sees("db", Power.RUNNING)
    run.later(600)
    run.later(5)
    effect = run.effect("db")
    assert effect is not None and effect.kind is EffectKind.POWER_OFF
    run.sees("db", Power.OFF)
    assert run.status("db") is StepStatus.STARTING, "off is what was wanted"
    run.send(cmd.ReportStopped(step="db", attempt=2))
    effect = run.effect("db")
    assert effect is not None and effect.kind is EffectKind.POWER_ON
    run.heals("db")
    assert run.verdict() is RunStatus.SUCCEEDED


def test_only_a_machine_whose_checks_failed_is_restarted() -> None:
    """Somebody else starts it while our order is refused: it has to be verified, not stopped."""
    run = Script(vm("db", on_unhealthy=OnUnhealthy.RESTART))
    run.sees("db", Power.RUNNING)
    run.fails("db")
    run.later(5)
    assert run.of(ev.StepStarted)[-1].order is OrderKind.VERIFY


def test_a_failed_step_blocks_what_needs_it_directly_or_not_and_nothing_else() -> None:
    run = Script(
        vm("db", retry=ONCE), vm("app", "db"), vm("web", "app"), vm("mail"), vm("ftp", "mail")
    )
    run.fails("db")
    assert run.status("app", "web") == ["blocked", "blocked"]
    assert run.status("mail") is StepStatus.STARTING
    run.heals("mail")
    run.heals("ftp")
    assert run.verdict() is RunStatus.WAITING
    run.reject("db")
    assert run.status("db", "app", "web") == ["failed", "blocked", "blocked"]
    assert run.verdict() is RunStatus.FAILED


def test_continue_lets_dependants_go_on_and_the_run_still_fails() -> None:
    run = Script(vm("db", **CONTINUE), vm("web", "db"))
    run.fails("db")
    assert run.status("db", "web") == ["failed", "starting"]
    run.heals("web")
    assert run.verdict() is RunStatus.FAILED


def test_stop_starts_nothing_more_in_the_whole_run() -> None:
    run = Script(vm("bad", **STOP), vm("near"), vm("far", "near"), vm("next", "bad"))
    run.runs("near")
    run.fails("bad")
    assert run.verdict() is RunStatus.RUNNING, "what runs is still verified"
    run.verified("near")
    assert run.status("bad", "near", "far", "next") == [
        "failed", "healthy", "cancelled", "blocked",
    ]  # fmt: skip
    assert run.verdict() is RunStatus.FAILED
    assert run.started == ["bad", "near"]


def test_retry_after_a_stop_lets_the_run_go_on() -> None:
    run = Script(vm("bad", **STOP), vm("near"), vm("far", "near"))
    run.fails("bad")
    run.retry("bad")
    run.heals("bad", "near")
    run.heals("far")
    assert run.verdict() is RunStatus.SUCCEEDED


def test_stop_does_not_wait_for_a_machine_that_will_never_be_judged() -> None:
    """Started outside, its needs never met: it has no deadline, so nobody would end the run."""
    tiers = [service("s1", 1, "bad"), service("s3", 3, "slow")]
    run = Script(vm("bad", **STOP), vm("slow"), vm("odd", "slow"), services=tiers, parallel=1)
    run.sees("odd", Power.RUNNING)
    run.fails("bad")
    assert run.verdict() is RunStatus.FAILED
    assert run.status("odd") is StepStatus.CANCELLED


def test_a_simulation_never_asks() -> None:
    run = Script(vm("db", retry=ONCE), vm("web", "db"), mode=Mode.SIMULATE)
    run.fails("db")
    assert run.status("db", "web") == ["failed", "blocked"]
    assert run.verdict() is RunStatus.FAILED


def test_retry_gives_a_fresh_budget_and_the_numbers_go_on_rising() -> None:
    run = Script(vm("db", retry=TWICE))
    run.fails("db")
    run.later(5)
    run.fails("db")
    run.retry("db")
    assert run.status("db") is StepStatus.STARTING, "at once, without a back-off"
    run.fails("db")
    run.later(5)
    run.fails("db")
    assert [event.attempt for event in run.of(ev.StepStarted)] == [1, 2, 3, 4]
    assert run.asks("db")


def test_retry_does_not_wait_for_a_back_off() -> None:
    run = Script(vm("db"))
    run.fails("db")
    run.retry("db")
    assert run.own("db").attempt == 2


def test_skip_lets_dependants_go_on() -> None:
    run = Script(vm("db", retry=ONCE), vm("web", "db"))
    run.fails("db")
    run.skip("db")
    assert run.status("db", "web") == ["skipped", "starting"]
    assert run.own("db").comment == "without it"
    run.heals("web")
    assert run.verdict() is RunStatus.SUCCEEDED


def test_accept_is_healthy_with_the_name_and_the_words_of_who_vouches() -> None:
    run = Script(vm("db", retry=ONCE), vm("web", "db"))
    run.fails("db")
    run.accept("db")
    own = run.own("db")
    assert (own.status, own.accepted_by, own.comment) == ("healthy", "anna", "I vouch")
    assert run.status("web") is StepStatus.STARTING


def test_a_step_that_failed_for_good_may_be_retried_while_the_run_lasts() -> None:
    run = Script(vm("db", retry=ONCE), vm("web", "db"), vm("mail"))
    run.fails("db")
    run.reject("db")
    assert run.status("web") is StepStatus.BLOCKED
    run.retry("db")
    assert run.status("db", "web") == ["starting", "pending"]
    run.heals("db", "web", "mail")
    assert run.verdict() is RunStatus.SUCCEEDED


def test_a_callout_and_a_gate_follow_the_same_policies() -> None:
    run = Script(callout("dns", retry=ONCE), gate("net", retry=ONCE))
    run.fails("dns")
    run.fails("net", retryable=False)
    assert run.asks("dns") and run.asks("net")
    assert run.verdict() is RunStatus.WAITING


def test_a_report_about_an_attempt_left_behind_changes_nothing() -> None:
    run = Script(vm("db"))
    run.fails("db")
    run.later(5)
    assert run.own("db").attempt == 2
    before = len(run.log)
    run.fails("db", attempt=1)
    run.send(cmd.ReportRunning(step="db", attempt=1))
    run.send(cmd.ReportVerified(step="db", attempt=1))
    assert len(run.log) == before


@pytest.mark.parametrize(
    ("press", "why"),
    [
        ("retry", "has not failed"),
        ("skip", "cannot be skipped now"),
        ("accept", "cannot be accepted now"),
        ("approve", "asks no question"),
        ("reject", "asks nothing"),
    ],
)
def test_decisions_that_do_not_fit_are_refused_with_the_reason(press: str, why: str) -> None:
    run = Script(vm("db"))
    with pytest.raises(CommandRejectedError, match=why):
        getattr(run, press)("db")


def test_a_step_that_does_not_exist_is_refused_with_help() -> None:
    run = Script(vm("db"))
    with pytest.raises(CommandRejectedError, match="no step 'nope'") as refused:
        run.retry("nope")
    assert "drorch status" in refused.value.hint

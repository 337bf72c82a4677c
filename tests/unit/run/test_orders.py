"""Rules 3, 14, 15 and 18: doubt, crashes, obstacles, holds: what costs an attempt and what not."""

from __future__ import annotations

from datetime import timedelta

import pytest

from drorch.model.plan import CheckSpec, OnUnhealthy
from drorch.ports.connector import Power
from drorch.run import commands as cmd
from drorch.run import events as ev
from drorch.run.effects import EffectKind
from drorch.run.seen import CheckSeen
from drorch.run.status import RunStatus, Scope, StepStatus
from tests.fakes.plans import ONCE, TWICE, callout, check, question, vm, wait
from tests.fakes.script import Script


def kind(run: Script, step: str) -> EffectKind | None:
    effect = run.effect(step)
    return effect.kind if effect else None


def adopt(run: Script) -> None:
    run.send(cmd.Adopt(driver="next"))


def test_the_intent_is_an_event_before_there_is_anything_to_do() -> None:
    run = Script(vm("db"))
    intent = run.of(ev.StepStarted)[0]
    assert (intent.attempt, intent.order) == (1, "start")
    assert kind(run, "db") is EffectKind.POWER_ON


def test_an_accepted_order_is_awaited_by_its_handle() -> None:
    run = Script(vm("db"))
    run.accepted("db", handle="UPID:1")
    effect = run.effect("db")
    assert effect is not None
    assert (effect.kind, effect.handle) == (EffectKind.AWAIT_RUNNING, "UPID:1")


def test_a_lost_reply_is_looked_up_and_never_repeated() -> None:
    run = Script(vm("db"))
    run.doubted("db")
    assert kind(run, "db") is EffectKind.RECONCILE
    run.doubted("db")
    assert len(run.of(ev.OrderInDoubt)) == 1
    run.accepted("db", handle="found")
    assert kind(run, "db") is EffectKind.AWAIT_RUNNING


def test_a_lost_reply_whose_order_left_no_trace_costs_an_attempt() -> None:
    run = Script(vm("db", retry=TWICE))
    run.doubted("db")
    run.void("db")
    assert run.status("db") is StepStatus.READY
    run.later(5)
    assert run.own("db").attempt == 2
    run.doubted("db")
    run.void("db")
    assert run.asks("db"), "a hypervisor that never answers is not asked for ever"


def test_a_crash_gives_the_attempt_back_but_never_its_number() -> None:
    run = Script(vm("db", retry=ONCE))
    adopt(run)
    assert kind(run, "db") is EffectKind.RECONCILE
    run.void("db")
    assert run.own("db").attempt == 2, "at once: our own death is not the machine's fault"
    assert run.own("db").spent == 1
    run.heals("db")
    assert run.verdict() is RunStatus.SUCCEEDED


def test_after_a_crash_an_accepted_order_is_only_awaited() -> None:
    run = Script(vm("db"))
    run.accepted("db", handle="UPID:1")
    adopt(run)
    effect = run.effect("db")
    assert effect is not None
    assert (effect.kind, effect.handle) == (EffectKind.AWAIT_RUNNING, "UPID:1")


def test_after_a_crash_checks_simply_go_on() -> None:
    run = Script(vm("db"))
    run.runs("db")
    adopt(run)
    assert kind(run, "db") is EffectKind.VERIFY


def test_after_a_crash_a_restart_goes_on_where_it_was() -> None:
    run = Script(vm("db", on_unhealthy=OnUnhealthy.RESTART))
    run.runs("db")
    run.sees("db", Power.RUNNING)
    run.later(600)
    run.later(5)
    adopt(run)
    assert kind(run, "db") is EffectKind.RECONCILE_STOP, "somebody may have started it since"
    run.send(cmd.ReportStopped(step="db", attempt=2))
    adopt(run)
    assert kind(run, "db") is EffectKind.RECONCILE, "starting twice might"


def test_a_callout_under_way_at_a_crash_is_in_doubt() -> None:
    run = Script(callout("dns"))
    adopt(run)
    assert kind(run, "dns") is EffectKind.CALLOUT_DOUBT


def test_an_adopted_run_has_its_deadlines_again_in_full() -> None:
    run = Script(vm("db", start_timeout=timedelta(minutes=3)), vm("web"), wait("w", 60))
    run.accepted("db")
    run.runs("web")
    run.now += timedelta(hours=2)
    adopt(run)
    assert run.status("db", "web", "w") == ["starting", "verifying", "healthy"]
    assert run.own("db").timer == run.now + timedelta(minutes=3)
    assert run.own("web").timer == run.now + timedelta(minutes=10)


def test_an_adopted_run_keeps_its_questions_and_its_pause() -> None:
    run = Script(question("q", timeout=60.0), vm("a"), vm("b", "a"))
    run.pause()
    adopt(run)
    run.heals("a")
    assert run.status("q", "b") == ["waiting", "ready"]
    run.later(60)
    assert run.own("q").overdue


@pytest.mark.parametrize(
    ("scope", "key"),
    [(Scope.CONNECTOR, "pve"), (Scope.HOST, "pve/h1"), (Scope.MACHINE, "db")],
)
def test_an_obstacle_costs_no_attempt_and_the_step_goes_on_by_itself(
    scope: Scope, key: str
) -> None:
    run = Script(vm("db", retry=ONCE))
    run.sees("db", Power.OFF, "h1")
    run.unavailable("db", scope, key)
    assert run.status("db") is StepStatus.READY
    assert run.own("db").spent == 0
    assert run.own("db").error == "away"
    run.later(3600)
    assert run.status("db") is StepStatus.READY, "nobody tries while it lasts"
    run.cleared(scope, key)
    assert run.status("db") is StepStatus.STARTING
    assert run.own("db").attempt == 2
    run.heals("db")
    assert run.verdict() is RunStatus.SUCCEEDED


def test_a_dark_host_holds_only_its_own_machines_until_they_turn_up_elsewhere() -> None:
    run = Script(vm("a"), vm("b"), vm("x", "a"), vm("y", "a"))
    run.sees("x", Power.OFF, "h1")
    run.sees("y", Power.OFF, "h2")
    run.obstacle(Scope.HOST, "pve/h1")
    run.heals("a")
    assert run.status("x", "y") == ["ready", "starting"]
    run.sees("x", Power.OFF, "h3")
    assert run.status("x") is StepStatus.STARTING


def test_a_connector_that_is_away_holds_only_its_own_machines() -> None:
    run = Script(vm("a"), vm("b", "a"), vm("k", "a", connector="kvm"))
    run.obstacle(Scope.CONNECTOR, "pve")
    run.heals("a")
    assert run.status("b", "k") == ["ready", "starting"]


def test_time_does_not_count_while_the_hypervisor_is_away() -> None:
    run = Script(vm("db", retry=ONCE))
    run.accepted("db")
    run.obstacle(Scope.CONNECTOR, "pve")
    run.later(180)
    assert run.status("db") is StepStatus.STARTING
    run.cleared(Scope.CONNECTOR, "pve")
    run.later(179)
    assert run.status("db") is StepStatus.STARTING
    run.later(1)
    assert run.asks("db")


def test_an_obstacle_is_recorded_once() -> None:
    run = Script(vm("a"), vm("b"))
    run.unavailable("a", Scope.CONNECTOR, "pve")
    run.unavailable("b", Scope.CONNECTOR, "pve")
    run.obstacle(Scope.CONNECTOR, "pve", "away")
    assert len(run.of(ev.ObstacleFound)) == 1
    run.cleared(Scope.CONNECTOR, "pve")
    run.cleared(Scope.CONNECTOR, "pve")
    assert len(run.of(ev.ObstacleGone)) == 1


def test_an_order_that_was_accepted_is_not_put_back() -> None:
    run = Script(vm("db"))
    run.accepted("db")
    run.unavailable("db", Scope.CONNECTOR, "pve")
    assert run.status("db") is StepStatus.STARTING
    assert not run.of(ev.StepPutBack)


def test_a_check_is_recorded_when_it_changes() -> None:
    run = Script(vm("db"))
    run.runs("db")
    for evidence in ("refused", "refused", "503"):
        report = cmd.ReportCheck(
            step="db", attempt=1, check="tcp", healthy=False, evidence=evidence
        )
        run.send(report)
    assert [event.evidence for event in run.of(ev.CheckChanged)] == ["refused", "503"]
    run.send(
        cmd.ReportVerified(
            step="db", attempt=1, checks={"tcp": CheckSeen(healthy=True, evidence="open")}
        )
    )
    assert run.own("db").checks["tcp"][0].healthy
    assert run.own("db").error == ""


def test_a_guest_agent_is_not_blamed_for_a_hypervisor_that_is_away() -> None:
    agent = CheckSpec(kind="agent", name="agent")
    run = Script(vm("a", verify=(agent,)))
    run.runs("a")
    run.obstacle(Scope.CONNECTOR, "pve")
    run.later(3600)
    assert run.status("a") is StepStatus.VERIFYING
    assert run.own("a").attempt == 1
    run.cleared(Scope.CONNECTOR, "pve")
    run.verified("a")
    assert run.status("a") is StepStatus.HEALTHY


def test_after_a_crash_what_runs_is_verified_and_not_stopped_again() -> None:
    run = Script(vm("db", verify=(check(),), on_unhealthy=OnUnhealthy.RESTART))
    run.runs("db")
    run.sees("db", Power.RUNNING)
    run.later(600)
    run.later(5)
    assert kind(run, "db") is EffectKind.POWER_OFF
    adopt(run)
    run.send(cmd.ReportRunning(step="db", attempt=2))
    assert kind(run, "db") is EffectKind.VERIFY


def test_an_order_that_nobody_answers_is_looked_for_before_its_attempt_is_spent() -> None:
    run = Script(vm("a", start_timeout=timedelta(seconds=60)))
    run.later(60)
    assert kind(run, "a") is EffectKind.RECONCILE
    assert run.status("a") is StepStatus.STARTING
    run.later(60)
    assert run.of(ev.AttemptFailed)


def test_an_order_that_is_never_received_is_sent_ever_more_rarely() -> None:
    run = Script(vm("a"))
    pauses = []
    for _ in range(8):
        run.unavailable("a", Scope.CONNECTOR, "pve")
        last = run.of(ev.StepPutBack)[-1]
        pauses.append((last.retry_at - last.at).total_seconds())
        run.cleared(Scope.CONNECTOR, "pve")
        run.later(61)
    assert pauses == [2, 4, 8, 16, 32, 60, 60, 60]
    assert run.own("a").spent == 1, "no attempt is spent"


def test_a_back_off_survives_a_clock_that_was_set_meanwhile() -> None:
    run = Script(vm("a"))
    run.fails("a")
    run.now -= timedelta(days=3650)
    adopt(run)
    run.later(61)
    assert run.status("a") is StepStatus.STARTING


def test_a_callout_that_was_carried_out_is_only_verified_again() -> None:
    run = Script(callout("dns", verify=(check(),)))
    run.send(cmd.ReportActionDone(step="dns", attempt=1))
    run.later(600)
    run.later(5)
    assert kind(run, "dns") is EffectKind.VERIFY
    assert run.own("dns").attempt == 2

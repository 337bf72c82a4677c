"""Rules that several commands share: what follows from a failure, a doubt, a success."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TypeAlias

from drorch.model.plan import OnFailure
from drorch.ports.connector import Power
from drorch.run import commands as cmd
from drorch.run import events as ev
from drorch.run.state import RunState, host_key, is_question
from drorch.run.status import Ask, FailureKind, Mode, Scope, StepStatus

Events: TypeAlias = tuple[ev.Event, ...]

NOT_RUNNING = frozenset({Power.OFF, Power.CRASHED, Power.PAUSED})
_CONTACT_LOST = timedelta(seconds=2)
"""How long a step rests after a hypervisor did not take its order; doubles while that goes on."""
_CONTACT_LOST_LONGEST = timedelta(minutes=1)


def running(state: RunState, number: int, host: str | None, now: datetime) -> Events:
    """The machine runs: its checks come next, or it is healthy if there are none."""
    step, own = state.step(number), state.steps[number]
    until = now + step.verify_timeout
    fact = ev.MachineRunning(at=now, step=step.id, attempt=own.attempt, until=until, host=host)
    return (fact, *healthy_without_checks(state, number, now))


def verified(
    state: RunState, number: int, now: datetime, *, evidence: str = "", by: str = ""
) -> Events:
    """The action is done (callout, wait, question): its checks come next."""
    step, own = state.step(number), state.steps[number]
    fact = ev.ActionDone(
        at=now,
        step=step.id,
        attempt=own.attempt,
        until=now + step.verify_timeout,
        evidence=evidence,
        by=by,
    )
    return (fact, *healthy_without_checks(state, number, now))


def healthy_without_checks(state: RunState, number: int, now: datetime) -> Events:
    step, own = state.step(number), state.steps[number]
    if step.verify:
        return ()
    return (ev.StepHealthy(at=now, step=step.id, attempt=own.attempt),)


def attempt_failed(
    state: RunState, number: int, report: cmd.ReportFailure, now: datetime
) -> Events:
    """Try again while the budget lasts; then the step's policy decides."""
    step, own = state.step(number), state.steps[number]
    again = report.retryable and own.spent < step.retry.attempts
    again = again and not state.aborting and not is_question(step)
    failed = ev.AttemptFailed(
        at=now,
        step=step.id,
        attempt=own.attempt,
        kind=report.kind,
        detail=report.detail,
        hint=report.hint,
        retry_at=now + step.retry.delay_after(own.spent) if again else None,
    )
    if again:
        return (failed,)
    return (failed, policy(state, number, report.kind, report.detail, now))


def policy(state: RunState, number: int, kind: FailureKind, detail: str, now: datetime) -> ev.Event:
    """Ask a person, or let the failure stand. A simulation never asks."""
    step = state.step(number)
    asks = step.on_failure is OnFailure.ASK and state.mode is not Mode.SIMULATE
    if asks and not state.aborting:
        return ev.StepAsked(at=now, step=step.id, ask=Ask.FAILURE, assign=step.contact)
    return ev.StepFailed(at=now, step=step.id, kind=kind, detail=detail)


def doubted(state: RunState, number: int, reason: str, now: datetime) -> Events:
    own = state.steps[number]
    if own.accepted or own.doubt is not None:
        return ()
    step = state.step(number).id
    return (ev.OrderInDoubt(at=now, step=step, attempt=own.attempt, reason=reason),)


def voided(state: RunState, number: int, reason: str, now: datetime) -> Events:
    """Nothing of the order is to be found: its number is given up, not reused.

    After our own crash the attempt is given back; an order that was lost while we lived has
    cost one, so that a hypervisor that never answers is not asked for ever.
    """
    own, step = state.steps[number], state.step(number)
    if own.doubt is None or own.accepted:
        return ()
    if not own.doubt.crash and own.spent >= step.retry.attempts:
        report = cmd.ReportFailure(
            step=step.id, attempt=own.attempt, kind=FailureKind.UNKNOWN, detail=reason
        )
        return attempt_failed(state, number, report, now)
    wait = timedelta(0) if own.doubt.crash else step.retry.delay_after(own.spent)
    return (
        ev.OrderVoided(
            at=now,
            step=step.id,
            attempt=own.attempt,
            reason=reason,
            retry_at=now + wait,
            spent=not own.doubt.crash,
        ),
    )


def lost_contact(
    state: RunState, number: int, report: cmd.ReportUnavailable, now: datetime
) -> Events:
    """The order was not received: the attempt is given back, and nobody tries until it ends."""
    own = state.steps[number]
    if own.accepted:
        return ()
    put_back = ev.StepPutBack(
        at=now,
        step=report.step,
        attempt=own.attempt,
        reason=report.reason,
        hint=report.hint,
        retry_at=now + min(_CONTACT_LOST * 2 ** min(own.put_back, 10), _CONTACT_LOST_LONGEST),
    )
    if (report.scope, report.key) in state.obstacles:
        return (put_back,)
    obstacle = ev.ObstacleFound(
        at=now, scope=report.scope, key=report.key, reason=report.reason, hint=report.hint
    )
    return (put_back, obstacle)


def is_away(state: RunState, number: int) -> bool:
    """Tell whether the step's hypervisor or node cannot be seen now."""
    step, own = state.step(number), state.steps[number]
    if step.machine is None:
        return False
    if (Scope.CONNECTOR, step.machine.connector) in state.obstacles:
        return True
    if own.host is None or own.status is not StepStatus.STARTING:
        return False
    return (Scope.HOST, host_key(step.machine.connector, own.host)) in state.obstacles

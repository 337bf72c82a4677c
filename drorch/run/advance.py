"""What time and free slots make due: deadlines, the next steps, the end."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from drorch.model.plan import Callout, Manual, OnUnhealthy, PowerOn, Step, Wait
from drorch.ports.connector import Power
from drorch.run import commands as cmd
from drorch.run import events as ev
from drorch.run.evolve import ending
from drorch.run.rules import (
    Events,
    attempt_failed,
    doubted,
    is_away,
    verified,
)
from drorch.run.schedule import ready_now
from drorch.run.state import NOT_LOOKED_AT, RunState, StepState, is_question
from drorch.run.status import Ask, FailureKind, Mode, OrderKind, Scope, StepStatus
from drorch.run.words import (
    CHECK_HINT,
    HANG_HINT,
    QUORUM_HINT,
    START_HINT,
    not_running,
    not_verified,
)

_TOLD_AGAIN = timedelta(minutes=15)
_RUNNING, _START = Power.RUNNING, OrderKind.START
_VERIFY, _WAIT = OrderKind.VERIFY, OrderKind.WAIT


def advance(state: RunState, now: datetime) -> Events:
    """Return the first kind of thing that is due; call again until there is none."""
    if state.is_over:
        return ()
    if state.approve_by is not None and now >= state.approve_by and not state.aborting:
        told = "nobody has approved it in time"
        return (ev.RunAbortRequested(at=now, by="drorch", comment=told),)
    if state.started_at is None and not state.aborting:
        return ()
    if due := tuple(_due(state, now)):
        return due
    if state.aborting or state.stopping:
        if leaving := _cancel(state, now):
            return leaving
    elif _may_begin(state) and (begun := tuple(_begin(state, now))):
        return begun
    if state.unfinished == 0 and state.in_flight == 0 and not _to_be_looked_at(state):
        return (ev.RunEnded(at=now, status=ending(state)),)
    return ()


def _to_be_looked_at(state: RunState) -> bool:
    """What a paper says is held to what is seen before the run ends, where anything is seen."""
    for number in state.unconfirmed:
        machine = state.step(number).machine
        if machine is None:
            continue
        obstacle = state.obstacles.get((Scope.CONNECTOR, machine.connector))
        if obstacle is None or obstacle.reason == NOT_LOOKED_AT or obstacle.hint == QUORUM_HINT:
            return True
    return False


def _may_begin(state: RunState) -> bool:
    return not state.paused and state.mode is not Mode.DRY_RUN


def _due(state: RunState, now: datetime) -> Iterator[ev.Event]:
    for at, number in state.timers:
        if at > now:
            return
        yield from _expired(state, number, now)


def _expired(state: RunState, number: int, now: datetime) -> Events:
    own, step = state.steps[number], state.step(number)
    match own.status:
        case StepStatus.STARTING if own.order is OrderKind.WAIT:
            return verified(state, number, now)
        case StepStatus.STARTING if _is_unanswered(own) and not state.aborting:
            # Nobody answered the order: looking gets as long again before the attempt is spent.
            moved = ev.DeadlineMoved(at=now, step=step.id, until=now + step.start_timeout)
            reason = "the order has not been answered in time"
            return (*doubted(state, number, reason, now), moved)
        case StepStatus.STARTING if is_away(state, number) and not state.aborting:
            return (ev.DeadlineMoved(at=now, step=step.id, until=now + step.start_timeout),)
        case StepStatus.VERIFYING if is_away(state, number) and _asks_hypervisor(step):
            return (ev.DeadlineMoved(at=now, step=step.id, until=now + step.verify_timeout),)
        case StepStatus.STARTING:
            detail = not_running(state, number)
            hint = HANG_HINT if own.power is Power.STARTING else START_HINT
            failure = _failure(state, number, FailureKind.TIMEOUT, detail, hint)
            return attempt_failed(state, number, failure, now)
        case StepStatus.VERIFYING:
            detail = not_verified(state, number)
            failure = _failure(state, number, FailureKind.UNHEALTHY, detail, CHECK_HINT)
            return attempt_failed(state, number, failure, now)
        case StepStatus.WAITING:
            again = step.action.timeout if isinstance(step.action, Manual) else None
            overdue_at = now + (again or _TOLD_AGAIN)
            return (ev.AnswerOverdue(at=now, step=step.id, overdue_at=overdue_at),)
        case _:
            return (ev.RetryDue(at=now, step=step.id),)


def _is_unanswered(own: StepState) -> bool:
    return own.order is OrderKind.START and not own.accepted and own.doubt is None


def _asks_hypervisor(step: Step) -> bool:
    return any(check.kind == "agent" for check in step.verify)


def _failure(
    state: RunState, number: int, kind: FailureKind, detail: str, hint: str
) -> cmd.ReportFailure:
    return cmd.ReportFailure(
        step=state.step(number).id,
        attempt=state.steps[number].attempt,
        kind=kind,
        detail=detail,
        hint=hint,
    )


def _begin(state: RunState, now: datetime) -> Iterator[ev.Event]:
    for number in ready_now(state):
        step = state.step(number)
        if is_question(step) and state.mode is not Mode.SIMULATE:
            yield _asked(step, now)
        else:
            yield from _started(state, number, now)


def _asked(step: Step, now: datetime) -> ev.StepAsked:
    assert isinstance(step.action, Manual)  # noqa: S101 (is_question has looked)
    timeout = step.action.timeout
    return ev.StepAsked(
        at=now,
        step=step.id,
        ask=Ask.MANUAL,
        question=step.action.ask,
        assign=step.action.assign or step.contact,
        overdue_at=now + timeout if timeout else None,
    )


def _started(state: RunState, number: int, now: datetime) -> Events:
    step, own = state.step(number), state.steps[number]
    order = _order(state, number)
    fact = ev.StepStarted(
        at=now,
        step=step.id,
        attempt=own.attempt + 1,
        order=order,
        until=now + _patience(step, order),
    )
    if order is _VERIFY and not step.verify:
        return (fact, ev.StepHealthy(at=now, step=step.id, attempt=fact.attempt))
    return (fact,)


def _order(state: RunState, number: int) -> OrderKind:
    step, own = state.step(number), state.steps[number]
    match step.action:
        case PowerOn():
            if own.power is not _RUNNING:
                return _START
            # Only what was verified in vain: a machine that somebody has just started is not.
            restart = step.on_unhealthy is OnUnhealthy.RESTART
            restart = restart and own.failure is FailureKind.UNHEALTHY
            return OrderKind.STOP if restart else OrderKind.VERIFY
        case Wait():
            return OrderKind.WAIT
        case Callout() if own.acted and own.failure is FailureKind.UNHEALTHY:
            return OrderKind.VERIFY
        case Callout():
            return OrderKind.WAIT if state.mode is Mode.SIMULATE else OrderKind.CALLOUT
        case Manual():
            return OrderKind.WAIT  # only a simulation comes here: people take a while
        case _:
            return OrderKind.VERIFY


def _patience(step: Step, order: OrderKind) -> timedelta:
    if isinstance(step.action, Wait):
        return step.action.duration
    if order is _WAIT:
        return step.expect
    return step.verify_timeout if order is _VERIFY else step.start_timeout


def _cancel(state: RunState, now: datetime) -> Events:
    """An abort, or a step whose policy is stop: nothing new begins.

    An order that was sent is never cancelled: such steps drain. A stop lets checks that run
    come to their end if they have one; an abort stops waiting for them.
    """
    if not state.aborting and any(own.in_flight and own.timer for own in state.steps):
        return ()
    leaving = [
        state.step(number).id
        for number, own in enumerate(state.steps)
        if not state.levels[number].finished and not _drains(state, number)
    ]
    return (ev.StepsCancelled(at=now, steps=tuple(leaving)),) if leaving else ()


def _drains(state: RunState, number: int) -> bool:
    own = state.steps[number]
    return own.status is StepStatus.STARTING and own.order is not OrderKind.WAIT

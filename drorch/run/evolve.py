"""State from events. Total, and unable to refuse: the fact already happened."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import assert_never

from drorch.model.collector import collector_paused
from drorch.model.plan import Manual, OnFailure, Step, Wait
from drorch.ports.connector import Power
from drorch.run import events as ev
from drorch.run.levels import prime, relevel, start_deadline
from drorch.run.noticed import observed, obstacle_found, obstacle_gone
from drorch.run.seen import CheckSeen
from drorch.run.state import (
    NOT_LOOKED_AT,
    Doubt,
    ExternalSeen,
    Obstacle,
    OnPaper,
    RunState,
    StepState,
)
from drorch.run.status import (
    Ask,
    FailureKind,
    OrderKind,
    PaperResult,
    RunStatus,
    Scope,
    StepStatus,
)
from drorch.run.waiting import free_slot, line_up, requeue, set_timer, take_slot
from drorch.run.words import paper_failure

_TOLD_AGAIN = timedelta(minutes=15)
_READY, _STARTING, _VERIFYING = StepStatus.READY, StepStatus.STARTING, StepStatus.VERIFYING
_HEALTHY, _FAILED, _VERIFY = StepStatus.HEALTHY, StepStatus.FAILED, OrderKind.VERIFY
"""Named once: until Python 3.12, to find a member in its class takes longer than a call."""
_ENDING = frozenset(
    {StepStatus.HEALTHY, StepStatus.FAILED, StepStatus.SKIPPED, StepStatus.CANCELLED}
)


def fold(events: Iterable[ev.Event]) -> RunState:
    """Rebuild a run from its journal; resuming, watching and reporting all begin here."""
    recorded = iter(events)
    first = next(recorded, None)
    if first is None:
        raise ValueError("a run has at least the event that requested it")
    with collector_paused():
        state = _born(first, folding=True)
        for event in recorded:
            evolve(state, event)
        line_up(state)
    return state


def evolve(state: RunState | None, event: ev.Event) -> RunState:
    """Return the state after *event*; an existing state is changed in place."""
    if state is None:
        return _born(event)
    state.seq += 1
    if isinstance(event, ev.StepFact):  # nearly all of them are
        _evolve_step(state, state.graph.index[event.step], event)
        return state
    match event:
        case ev.RunRequested():
            raise ValueError("a run is requested once")
        case ev.RunApproved():
            state.approve_by, state.approval = None, event
        case ev.RunStarted():
            state.started_at, state.driver = event.at, event.driver
        case ev.RunAdopted():
            _adopted(state, event)
        case ev.RunPaused():
            state.paused = True
        case ev.RunResumed():
            state.paused = False
        case ev.RunAbortRequested():
            state.aborting, state.paused = True, False
        case ev.RunEnded():
            state.ended, state.ended_at = event.status, event.at
        case ev.FindingsReported():
            state.findings = event.findings
        case ev.StepsExamined():
            _examined(state, event)
        case ev.MachinesObserved():
            observed(state, event)
        case ev.ObstacleFound():
            obstacle_found(state, event)
        case ev.ObstacleGone():
            obstacle_gone(state, event)
        case ev.ServiceSeen():
            changed = event.service in state.externals
            seen = ExternalSeen(event.healthy, event.evidence, event.at, changed)
            state.externals[event.service] = seen
        case ev.StepsCancelled():
            for step in event.steps:
                _settle(state, state.index(step), StepStatus.CANCELLED, event.at)
        case _:
            assert_never(event)
    return state


def _evolve_step(state: RunState, number: int, event: ev.StepEvent) -> None:
    own = state.steps[number]
    state.dirty.add(number)
    match event:
        case ev.StepStarted():
            _started(state, number, event)
        case ev.OrderAccepted():
            own.accepted, own.handle, own.doubt = True, event.handle, None
            own.put_back = 0
        case ev.MachineRunning():
            own.host = event.host or own.host
            own.running_at = event.at
            _verifying(state, number, event.until, event.at)
        case ev.StepHealthy():
            if event.checks:
                own.checks.update({k: (seen, event.at) for k, seen in event.checks.items()})
            own.error = own.hint = ""
            own.healthy_at = event.at
            _settle(state, number, _HEALTHY, event.at)
        case ev.StepPutBack():
            own.spent, own.put_back = own.spent - 1, own.put_back + 1
            if own.started_at == own.attempt_at:
                own.started_at = None  # nothing was received: it has not been ordered yet
            own.error, own.hint = event.reason, event.hint
            _back_off(state, number, event.retry_at, event.at)
        case ev.OrderInDoubt():
            own.doubt = Doubt(crash=False)
            own.error = event.reason
        case ev.OrderVoided():
            own.spent -= not event.spent
            own.error = event.reason
            _back_off(state, number, event.retry_at, event.at)
        case ev.MachineStopped():
            own.order, own.accepted, own.handle = OrderKind.START, False, ""
            own.attempt_at = event.at
            set_timer(state, number, event.until)
        case ev.MachineFound():
            _found(state, number, event)
        case ev.MachineLost():
            own.failure, own.error, own.hint = FailureKind.LOST, event.detail, ""
            own.accepted_by = ""
        case ev.ActionDone():
            own.ask, own.acted = None, True
            own.comment = event.evidence or own.comment
            own.decided_by = event.by or own.decided_by
            _verifying(state, number, event.until, event.at)
        case ev.CheckChanged():
            seen = CheckSeen(healthy=event.healthy, evidence=event.evidence)
            own.checks[event.check] = (seen, event.at)
            own.was_down = own.was_down or not event.healthy
        case ev.AttemptFailed():
            _attempt_failed(state, number, event)
        case ev.RetryDue():
            set_timer(state, number, None)
            requeue(state, number)
        case ev.DeadlineMoved():
            set_timer(state, number, event.until)
        case ev.StepAsked():
            _asked(state, number, event)
        case ev.AnswerOverdue():
            own.overdue = True
            set_timer(state, number, event.overdue_at)
        case ev.StepFailed():
            own.failure, own.error = event.kind, event.detail
            own.comment = event.comment or own.comment
            _settle(state, number, StepStatus.FAILED, event.at)
        case ev.StepRetried():
            own.comment = event.comment
            own.earlier, own.spent = own.earlier + own.spent, 0
            _again(state, number, event.at)
        case ev.StepSkipped():
            own.comment, own.decided_by = event.comment, event.by
            _settle(state, number, StepStatus.SKIPPED, event.at)
        case ev.StepAccepted():
            own.comment, own.accepted_by = event.comment, event.by
            own.decided_by = event.by
            own.healthy_at = event.at
            _settle(state, number, StepStatus.HEALTHY, event.at)
        case ev.StepOnPaper():
            _on_paper(state, number, event)
        case _:
            assert_never(event)


def _born(event: ev.Event, *, folding: bool = False) -> RunState:
    if not isinstance(event, ev.RunRequested):
        raise ValueError(f"a run cannot begin with {type(event).__name__}")  # noqa: TRY004
    state = RunState(event.plan)
    state.folding = folding
    state.run, state.mode, state.seq = event.run, event.mode, 1
    state.requested_at, state.requested_by, state.reason = event.at, event.by, event.reason
    state.revision, state.only = event.revision, event.only
    state.timezone = event.timezone
    state.requested_as, state.approve_by = event.identity, event.approve_by
    machines = {machine.connector for machine in state.machines if machine is not None}
    for connector in sorted(machines):
        key = (Scope.CONNECTOR, connector)
        state.obstacles[key] = Obstacle(NOT_LOOKED_AT, "", event.at)
    prime(state, event.at)
    return state


def _change(state: RunState, number: int, status: StepStatus, at: datetime) -> None:
    """Move a step to *status* and let everyone who depends on it know."""
    own = state.steps[number]
    was, own.status = own.status, status
    acts = status is _STARTING or status is _VERIFYING
    state.in_flight += acts - (was is _STARTING or was is _VERIFYING)
    if not acts:
        free_slot(state, number)
    state.dirty.add(number)
    if state.stopping or status is _FAILED:
        _note_stop(state, number)
    if own.queued is not None or status is _READY:
        requeue(state, number)
    relevel(state, number, at)


def _note_stop(state: RunState, number: int) -> None:
    if state.steps[number].status is not StepStatus.FAILED:
        state.stopping.discard(number)
    elif state.step(number).on_failure is OnFailure.STOP:
        state.stopping.add(number)


def _settle(state: RunState, number: int, status: StepStatus, at: datetime) -> None:
    own = state.steps[number]
    own.ask, own.doubt, own.overdue = None, None, False
    own.ended_at = at if status in _ENDING else None
    set_timer(state, number, None)
    _change(state, number, status, at)


def _started(state: RunState, number: int, event: ev.StepStarted) -> None:
    own = state.steps[number]
    own.attempt, own.spent, own.attempt_at = event.attempt, own.spent + 1, event.at
    own.order, own.accepted, own.handle, own.doubt = event.order, False, "", None
    own.started_at = own.started_at or event.at
    own.was_down = own.was_down or event.order in (OrderKind.START, OrderKind.STOP)
    if not own.begun:
        own.begun = not state.places[number].slot or event.order is OrderKind.CALLOUT
    set_timer(state, number, event.until)
    take_slot(state, number)
    verify = event.order is _VERIFY
    _change(state, number, _VERIFYING if verify else _STARTING, event.at)


def _verifying(state: RunState, number: int, until: datetime, at: datetime) -> None:
    own = state.steps[number]
    own.begun, own.doubt = True, None
    set_timer(state, number, until)
    _change(state, number, _VERIFYING, at)


def _found(state: RunState, number: int, event: ev.MachineFound) -> None:
    own = state.steps[number]
    own.begun, own.ask, own.doubt = True, None, None
    own.outside = event.outside
    own.was_down = own.was_down or event.outside
    own.started_at = own.started_at or event.at
    own.running_at = event.at
    set_timer(state, number, None)
    _change(state, number, StepStatus.VERIFYING, event.at)
    start_deadline(state, number, event.at)


def _attempt_failed(state: RunState, number: int, event: ev.AttemptFailed) -> None:
    own = state.steps[number]
    own.failure, own.error, own.hint = event.kind, event.detail, event.hint
    if event.retry_at is not None:
        _back_off(state, number, event.retry_at, event.at)


def _back_off(state: RunState, number: int, until: datetime, at: datetime) -> None:
    """Free the slot and wait; dependencies may have been lost meanwhile."""
    own = state.steps[number]
    own.doubt, own.accepted, own.handle = None, False, ""
    _again(state, number, at)
    if own.status is StepStatus.READY:
        set_timer(state, number, until)
        requeue(state, number)


def _again(state: RunState, number: int, at: datetime) -> None:
    """Back to the status that its needs imply, as if it had not begun."""
    own, counts = state.steps[number], state.needs[number]
    own.ask, own.overdue, own.ended_at = None, False, None
    set_timer(state, number, None)
    blocked = counts.soft or counts.hard
    status = StepStatus.PENDING if counts.unsatisfied else StepStatus.READY
    _change(state, number, StepStatus.BLOCKED if blocked else status, at)


def _asked(state: RunState, number: int, event: ev.StepAsked) -> None:
    own = state.steps[number]
    own.ask, own.question, own.assign = event.ask, event.question, event.assign
    own.asked_at, own.overdue, own.ended_at = event.at, False, None
    if event.ask is Ask.MANUAL:
        own.begun = True
        own.started_at = own.started_at or event.at
    set_timer(state, number, event.overdue_at)
    _change(state, number, StepStatus.WAITING, event.at)


def _on_paper(state: RunState, number: int, event: ev.StepOnPaper) -> None:
    """It counts from when it is entered; a failure's policy is the event after this one."""
    own, by, told = state.steps[number], event.done_by, event.comment
    own.ticks += (OnPaper(event.result, event.done_at, by, event.at, event.by),)
    own.comment, own.decided_by = told, event.by
    if event.result is PaperResult.FAILED:
        own.failure, own.error, own.hint = FailureKind.REJECTED, paper_failure(by, told), ""
        return
    own.error = own.hint = ""
    if event.result is PaperResult.SKIPPED:
        _settle(state, number, StepStatus.SKIPPED, event.at)
        return
    own.accepted_by, own.healthy_at = by, event.at
    if state.step(number).machine is not None:
        own.power = Power.UNKNOWN  # what was seen last is older than the paper: look again
        state.unconfirmed.add(number)
    _settle(state, number, StepStatus.HEALTHY, event.at)


def _examined(state: RunState, event: ev.StepsExamined) -> None:
    """A dry run ends here: nothing was ordered, so nothing spreads to dependants."""
    for number, own in enumerate(state.steps):
        step = state.step(number).id
        error, unseen = event.errors.get(step), event.unexamined.get(step)
        own.error = error or unseen or ""
        if unseen and not error:
            own.status = StepStatus.PENDING
            continue
        own.status = StepStatus.FAILED if error else StepStatus.HEALTHY
        own.ended_at = event.at
    state.unfinished = 0


def _adopted(state: RunState, event: ev.RunAdopted) -> None:
    """Deadlines begin again in full: our outage is not charged to healthy machines."""
    state.driver = event.driver
    for number, own in enumerate(state.steps):
        if own.in_flight:
            _adopt_step(state, number, own, event.at)
        elif own.timer is not None:
            # The clock that this was written by may have been set since.
            longest = _longest_pause(state.step(number), own)
            set_timer(state, number, min(own.timer, event.at + longest))


def _longest_pause(step: Step, own: StepState) -> timedelta:
    if own.status is StepStatus.READY:
        return step.retry.max_wait
    asked = step.action.timeout if isinstance(step.action, Manual) else None
    return asked or _TOLD_AGAIN


def _adopt_step(state: RunState, number: int, own: StepState, at: datetime) -> None:
    step = state.step(number)
    state.dirty.add(number)
    if isinstance(step.action, Wait) and own.order is OrderKind.WAIT:
        set_timer(state, number, min(own.timer or at, at + step.action.duration))
        return
    doubtful = (OrderKind.START, OrderKind.STOP, OrderKind.CALLOUT)
    if own.order in doubtful and not own.accepted:
        own.doubt = Doubt(crash=True) if own.status is StepStatus.STARTING else None
    if own.timer is not None:
        set_timer(state, number, at + _patience(own, step.start_timeout, step.verify_timeout))


def _patience(own: StepState, starting: timedelta, verifying: timedelta) -> timedelta:
    return starting if own.status is StepStatus.STARTING else verifying


def ending(state: RunState) -> RunStatus:
    """Return how a run whose steps are all final ends."""
    if state.aborting:
        return RunStatus.ABORTED
    bad = (StepStatus.FAILED, StepStatus.BLOCKED, StepStatus.CANCELLED)
    return (
        RunStatus.FAILED if any(own.status in bad for own in state.steps) else RunStatus.SUCCEEDED
    )

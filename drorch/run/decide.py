"""Events from a command: the only place where a run's rules are written down."""

from __future__ import annotations

from datetime import datetime
from typing import Any, assert_never, get_args

from drorch.errors import CommandRejectedError
from drorch.run import commands as cmd
from drorch.run import events as ev
from drorch.run.advance import advance
from drorch.run.decisions import approve_run, decide_step
from drorch.run.paper import on_paper
from drorch.run.rules import (
    Events,
    attempt_failed,
    doubted,
    lost_contact,
    running,
    verified,
    voided,
)
from drorch.run.sightings import machines_seen
from drorch.run.state import RunState
from drorch.run.status import OrderKind, StepStatus

_STARTING, _VERIFYING = StepStatus.STARTING, StepStatus.VERIFYING


def decide(state: RunState, command: cmd.Command, now: datetime) -> Events:
    """Return what *command* makes true, or raise `CommandRejectedError`."""
    if state.ended is not None:
        return _too_late(state, command)
    if isinstance(command, cmd.StepReport):  # nearly all of them are
        return _decide_report(state, command, now)
    match command:
        case cmd.Start():
            if state.started_at is not None:
                return _rejected("the run has started already")
            if state.approve_by is not None:
                return ()
            return (ev.RunStarted(at=now, driver=command.driver),)
        case cmd.Adopt():
            return (ev.RunAdopted(at=now, driver=command.driver),)
        case cmd.Advance():
            return advance(state, now)
        case cmd.ApproveRun():
            return approve_run(state, command, now)
        case cmd.Pause() if state.approve_by is not None:
            return _rejected("the run awaits its approval: nothing of it has begun")
        case cmd.Pause():
            if state.paused or state.aborting:
                return _rejected("the run is paused already" if state.paused else "it is aborting")
            return (ev.RunPaused(at=now, by=command.by, comment=command.comment),)
        case cmd.Resume():
            if not state.paused:
                return _rejected("the run is not paused")
            return (ev.RunResumed(at=now, by=command.by, comment=command.comment),)
        case cmd.Abort():
            if state.aborting:
                return _rejected("the run is aborting already")
            return (ev.RunAbortRequested(at=now, by=command.by, comment=command.comment),)
        case cmd.Approve() | cmd.Reject() | cmd.Retry() | cmd.Skip() | cmd.Accept():
            return decide_step(state, command, now)
        case cmd.Paper():
            return on_paper(state, command, now)
        case cmd.ReportFindings():
            return (ev.FindingsReported(at=now, findings=command.findings),)
        case cmd.ReportExamined():
            return (ev.StepsExamined(at=now, errors=command.errors, unexamined=command.unexamined),)
        case cmd.ReportMachines():
            return machines_seen(state, command, now)
        case cmd.ReportObstacle():
            return _obstacle(state, command, now)
        case cmd.ReportObstacleGone():
            if (command.scope, command.key) not in state.obstacles:
                return ()
            return (ev.ObstacleGone(at=now, scope=command.scope, key=command.key),)
        case cmd.ReportService():
            return _external(state, command, now)
        case _:
            assert_never(command)


_StepReport = (
    cmd.ReportAccepted
    | cmd.ReportInDoubt
    | cmd.ReportVoid
    | cmd.ReportUnavailable
    | cmd.ReportStopped
    | cmd.ReportRunning
    | cmd.ReportActionDone
    | cmd.ReportCheck
    | cmd.ReportVerified
    | cmd.ReportFailure
)


def _decide_report(state: RunState, report: _StepReport, now: datetime) -> Events:
    number = state.index(report.step)
    own, step = state.steps[number], report.step
    starting = own.status is _STARTING
    if report.attempt != own.attempt or not (starting or own.status is _VERIFYING):
        return ()  # about an attempt that the run has left behind
    match report:
        case cmd.ReportAccepted():
            if not starting or own.accepted:
                return ()
            return (
                ev.OrderAccepted(
                    at=now,
                    step=step,
                    attempt=own.attempt,
                    handle=report.handle,
                    already=report.already,
                ),
            )
        case cmd.ReportInDoubt():
            return doubted(state, number, report.reason, now) if starting else ()
        case cmd.ReportVoid():
            return voided(state, number, report.reason, now) if starting else ()
        case cmd.ReportUnavailable():
            return lost_contact(state, number, report, now) if starting else ()
        case cmd.ReportStopped():
            if not starting or own.order is not OrderKind.STOP:
                return ()
            until = now + state.step(number).start_timeout
            return (ev.MachineStopped(at=now, step=step, attempt=own.attempt, until=until),)
        case cmd.ReportRunning():
            return running(state, number, report.host, now) if starting else ()
        case cmd.ReportActionDone():
            if not starting or own.order is not OrderKind.CALLOUT:
                return ()
            return verified(state, number, now, evidence=report.evidence)
        case cmd.ReportCheck():
            return _check_changed(state, number, report, now)
        case cmd.ReportVerified():
            if starting:
                return ()
            return (ev.StepHealthy(at=now, step=step, attempt=own.attempt, checks=report.checks),)
        case cmd.ReportFailure():
            return attempt_failed(state, number, report, now)
        case _:
            assert_never(report)


def _check_changed(state: RunState, number: int, report: cmd.ReportCheck, now: datetime) -> Events:
    own = state.steps[number]
    known = own.checks.get(report.check)
    if own.status is not StepStatus.VERIFYING:
        return ()
    if known and (known[0].healthy, known[0].evidence) == (report.healthy, report.evidence):
        return ()
    return (
        ev.CheckChanged(
            at=now,
            step=report.step,
            attempt=own.attempt,
            check=report.check,
            healthy=report.healthy,
            evidence=report.evidence,
        ),
    )


def _obstacle(state: RunState, report: cmd.ReportObstacle, now: datetime) -> Events:
    known = state.obstacles.get((report.scope, report.key))
    if known is not None and (known.reason, known.hint) == (report.reason, report.hint):
        return ()
    return (
        ev.ObstacleFound(
            at=now, scope=report.scope, key=report.key, reason=report.reason, hint=report.hint
        ),
    )


def _external(state: RunState, report: cmd.ReportService, now: datetime) -> Events:
    """A changed verdict is news, the first one too; other words for the same are not."""
    known = state.externals.get(report.service)
    if known is not None and known.healthy is report.healthy:
        return ()
    return (
        ev.ServiceSeen(
            at=now, service=report.service, healthy=report.healthy, evidence=report.evidence
        ),
    )


_DECISIONS: tuple[type[Any], ...] = get_args(cmd.Decision)


def _too_late(state: RunState, command: cmd.Command) -> Events:
    """After the end, people are told so; reports of what was in flight change nothing."""
    if isinstance(command, _DECISIONS):
        return _rejected(f"the run has ended ({state.ended})")
    return ()


def _rejected(why: str) -> Events:
    raise CommandRejectedError(why)

"""What people may decide about a step, and when."""

from __future__ import annotations

import hashlib
from datetime import datetime
from typing import assert_never

from drorch.errors import CommandRejectedError
from drorch.run import commands as cmd
from drorch.run import events as ev
from drorch.run.rules import Events, attempt_failed, verified
from drorch.run.state import RunState
from drorch.run.status import Ask, FailureKind, StepStatus

_RETRYABLE = frozenset({StepStatus.FAILED})
_SKIPPABLE = frozenset(
    {
        StepStatus.PENDING,
        StepStatus.READY,
        StepStatus.BLOCKED,
        StepStatus.WAITING,
        StepStatus.FAILED,
        StepStatus.VERIFYING,
    }
)
_ACCEPTABLE = frozenset({StepStatus.WAITING, StepStatus.FAILED, StepStatus.VERIFYING})


def approval_digest(state: RunState) -> str:
    """Return what an approval is bound to: this run's mode, plan and selection, nothing else."""
    told = "\n".join((state.run, state.mode, state.plan.digest, *sorted(state.only)))
    return hashlib.sha256(told.encode()).hexdigest()


def approve_run(state: RunState, command: cmd.ApproveRun, now: datetime) -> Events:
    """Return what a second person's yes makes true, or refuse it with the reason."""
    if state.approve_by is None:
        by = f": {state.approval.by} has given it" if state.approval else ""
        raise CommandRejectedError(f"the run needs no approval now{by}")
    if now >= state.approve_by:
        raise CommandRejectedError(
            "the time for its approval is over", hint="ask for a new run, and approve that"
        )
    if command.digest != approval_digest(state):
        raise CommandRejectedError(
            "this approval is for another plan, or another part of it",
            hint=f"look at the run again: 'drorch status {state.run}'",
        )
    if command.identity == state.requested_as and not command.break_glass:
        raise CommandRejectedError(
            f"{command.by} has asked for this run: a second person has to approve it",
            hint=f"if there is nobody, break the glass: 'drorch approve {state.run} --break-glass "
            '"WHY"\'; --break-glass is recorded loudly',
        )
    return (
        ev.RunApproved(
            at=now,
            by=command.by,
            identity=command.identity,
            digest=command.digest,
            comment=command.comment,
            break_glass=command.break_glass,
        ),
    )


def decide_step(state: RunState, command: cmd.StepDecision, now: datetime) -> Events:
    """Return what a person's decision about a step makes true, or refuse it with the reason."""
    number = open_step(state, command.step)
    own = state.steps[number]
    match command:
        case cmd.Approve():
            _require(own.ask is Ask.MANUAL, command.step, own.status, "asks no question")
            return verified(state, number, now, evidence=command.comment, by=command.by)
        case cmd.Reject():
            return _reject(state, number, command, now)
        case cmd.Retry():
            waits = own.ask is Ask.FAILURE or own.status in _RETRYABLE
            backs_off = own.status is StepStatus.READY and own.timer is not None
            _require(waits or backs_off, command.step, own.status, "has not failed")
            _require(not state.aborting, command.step, own.status, "belongs to an aborting run")
            return (
                ev.StepRetried(at=now, step=command.step, by=command.by, comment=command.comment),
            )
        case cmd.Skip():
            _require(own.status in _SKIPPABLE, command.step, own.status, "cannot be skipped now")
            return (
                ev.StepSkipped(at=now, step=command.step, by=command.by, comment=command.comment),
            )
        case cmd.Accept():
            _require(own.status in _ACCEPTABLE, command.step, own.status, "cannot be accepted now")
            return (
                ev.StepAccepted(at=now, step=command.step, by=command.by, comment=command.comment),
            )
        case _:
            assert_never(command)


def _reject(state: RunState, number: int, command: cmd.Reject, now: datetime) -> Events:
    """No to a question: the step fails, as its policy says. No to a failure: it stands."""
    own = state.steps[number]
    told = f"rejected by {command.by}" + (f": {command.comment}" if command.comment else "")
    if own.ask is Ask.MANUAL:
        report = cmd.ReportFailure(
            step=command.step,
            attempt=own.attempt,
            kind=FailureKind.REJECTED,
            detail=told,
            retryable=False,
        )
        return attempt_failed(state, number, report, now)
    _require(own.ask is Ask.FAILURE, command.step, own.status, "asks nothing")
    failed = ev.StepFailed(
        at=now,
        step=command.step,
        kind=own.failure or FailureKind.REJECTED,
        detail=own.error or told,
        by=command.by,
        comment=command.comment,
    )
    return (failed,)


def open_step(state: RunState, step: str) -> int:
    """Return the number of a step that may be decided about, or refuse it with the reason."""
    try:
        number = state.index(step)
    except KeyError:
        raise CommandRejectedError(
            f"the run has no step {step!r}", hint="'drorch status RUN' lists its steps"
        ) from None
    if state.approve_by is not None:
        raise CommandRejectedError(
            "the run awaits its approval: nothing of it has begun",
            hint=f"approve it first: 'drorch approve {state.run}'",
        )
    return number


def _require(allowed: bool, step: str, status: StepStatus, why: str) -> None:
    if not allowed:
        raise CommandRejectedError(f"step {step} is {status} and {why}")

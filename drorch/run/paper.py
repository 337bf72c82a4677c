"""What people did by the printed runbook while drorch was away, entered afterwards.

The time on the paper is kept beside the time at which it is entered, and never instead of it.
"""

from __future__ import annotations

from datetime import datetime

from drorch.errors import CommandRejectedError
from drorch.run import commands as cmd
from drorch.run import events as ev
from drorch.run.decisions import open_step
from drorch.run.rules import Events, policy
from drorch.run.state import RunState, StepState
from drorch.run.status import FailureKind, OrderKind, PaperResult, StepStatus
from drorch.run.words import paper_failure, stamp

_SETTLED = frozenset({StepStatus.HEALTHY, StepStatus.SKIPPED, StepStatus.CANCELLED})
_SENT = frozenset({OrderKind.START, OrderKind.STOP, OrderKind.CALLOUT})


def on_paper(state: RunState, command: cmd.Paper, now: datetime) -> Events:
    """Return what a tick makes true: nothing if it is known already. Refuses what contradicts."""
    number = open_step(state, command.step)
    own = state.steps[number]
    told = (command.result, command.done_at)
    if any((tick.result, tick.done_at) == told for tick in own.ticks):
        return ()
    _refuse_time(state, command, now)
    _refuse_known(own, command)
    fact = ev.StepOnPaper(
        at=now,
        step=command.step,
        by=command.by,
        done_at=command.done_at,
        done_by=command.done_by,
        result=command.result,
        comment=command.comment,
    )
    if command.result is not PaperResult.FAILED:
        return (fact,)
    detail = paper_failure(command.done_by, command.comment)
    return (fact, policy(state, number, FailureKind.REJECTED, detail, now))


def _refuse_time(state: RunState, command: cmd.Paper, now: datetime) -> None:
    """A paper has minutes: one of the minute in which the run began is not before it."""
    if command.done_at > now:
        raise CommandRejectedError(
            f"step {command.step} cannot have been done at {stamp(command.done_at)}: "
            f"it is {stamp(now)} now",
            hint="look at the day and the time on the paper",
        )
    began = state.started_at or state.requested_at
    if began is not None and command.done_at < began.replace(second=0, microsecond=0):
        raise CommandRejectedError(
            f"step {command.step} was done at {stamp(command.done_at)}, before the run began "
            f"({stamp(began)})",
            hint="what ran before is found running and verified; it need not be entered",
        )


def _refuse_known(own: StepState, command: cmd.Paper) -> None:
    step, last = command.step, own.ticks[-1] if own.ticks else None
    if last is not None and (own.status in _SETTLED or command.done_at <= last.done_at):
        raise CommandRejectedError(
            f"step {step} is entered from paper already: {last.result} at {stamp(last.done_at)} "
            f"by {last.done_by} (entered by {last.by})",
            hint="what is recorded stays; 'drorch report RUN' has both times",
        )
    if own.status in _SETTLED:
        raise CommandRejectedError(
            f"step {step} is {own.status} since {stamp(own.ended_at)}: there is nothing to enter"
        )
    if command.result is PaperResult.DONE:
        return
    if own.status is StepStatus.STARTING and own.order in _SENT:
        raise CommandRejectedError(
            f"step {step} is starting: an order for it is on its way",
            hint="see what becomes of it; then enter what the paper says, or decide",
        )
    if own.status is StepStatus.FAILED and command.result is PaperResult.FAILED:
        raise CommandRejectedError(f"step {step} has failed already")

"""What is stuck: computed from what was last heard of a step, never felt."""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum
from typing import NamedTuple

from drorch.model.graph import expected
from drorch.run.state import RunState, StepState
from drorch.run.status import Ask, StepStatus

SILENT_AFTER = timedelta(seconds=120)
"""Less silence than this is never stuck, however fast the step usually is."""
_TIMES_USUAL = 3
_REFUSED_OFTEN = 3


class Why(StrEnum):
    """What keeps a step where it is."""

    PERSON = "person"
    """A question, or a hold that only a person lifts."""
    EXHAUSTED = "exhausted"
    """No attempt is left."""
    REFUSED = "refused"
    """Its hypervisor does not take the order, and asking again does not cure that."""
    SILENT = "silent"
    """It should have shown something long ago."""


class Stuck(NamedTuple):
    """``since`` is when it was last seen to move, as far as the journal tells."""

    why: Why
    since: datetime | None


def stuck(
    state: RunState, number: int, now: datetime, usual: timedelta | None = None
) -> Stuck | None:
    """Return why a step does not move, or None where it does, or where its turn has not come.

    *usual* is how long it usually takes; without it the plan's own expectation counts. What is
    slow but shows something new, such as another check that holds, is not stuck.
    """
    own = state.steps[number]
    if state.is_over:
        return None
    if own.status is StepStatus.WAITING:
        why = Why.EXHAUSTED if own.ask is Ask.FAILURE else Why.PERSON
        return Stuck(why, own.asked_at)
    if own.status is StepStatus.FAILED:
        return Stuck(Why.EXHAUSTED, own.ended_at)
    if own.status is StepStatus.READY:
        return _ready(state, number, own)
    return _silent(state, number, now, usual) if own.in_flight else None


def _ready(state: RunState, number: int, own: StepState) -> Stuck | None:
    obstacle = state.obstacle(number)
    if obstacle is not None and state.started_at is not None:
        why = Why.PERSON if state.held(number) else Why.REFUSED
        return Stuck(why, obstacle.since)
    if own.put_back >= _REFUSED_OFTEN:
        return Stuck(Why.REFUSED, own.ready_at)
    return None


def _silent(state: RunState, number: int, now: datetime, usual: timedelta | None) -> Stuck | None:
    heard = last_heard(state.steps[number])
    usual = usual or timedelta(seconds=expected(state.step(number)))
    if heard is None or now - heard <= max(usual * _TIMES_USUAL, SILENT_AFTER):
        return None
    return Stuck(Why.SILENT, heard)


def last_heard(own: StepState) -> datetime | None:
    """Return when something new was last seen of a step that acts."""
    times = [own.attempt_at, own.running_at, *(at for _, at in own.checks.values())]
    return max((at for at in times if at is not None), default=own.started_at)

"""What should be in flight in the world right now, given the state. Pure.

The same after a restart: that is why resuming needs no code of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime
from enum import StrEnum
from functools import partial
from typing import NamedTuple

from drorch.run.state import RunState
from drorch.run.status import OrderKind, StepStatus


class EffectKind(StrEnum):
    POWER_ON = "power-on"
    """Look, and order it on unless it is on."""
    RECONCILE = "reconcile"
    """An order is in doubt: look, search for it, and never repeat it."""
    RECONCILE_STOP = "reconcile-stop"
    """The stop of a restart is in doubt after a crash: look, and stop nothing again."""
    POWER_OFF = "power-off"
    """Of a restart: order it off and wait until it is."""
    AWAIT_RUNNING = "await-running"
    VERIFY = "verify"
    CALL_OUT = "call-out"
    CALLOUT_DOUBT = "callout-doubt"


class Effect(NamedTuple):
    """Identity is all four fields: another attempt is another effect."""

    kind: EffectKind
    number: int
    attempt: int
    handle: str = ""


_effect: Callable[[tuple[EffectKind, int, int, str]], Effect] = partial(tuple.__new__, Effect)
"""The type's own constructor takes four times as long."""
_STARTING, _VERIFYING = StepStatus.STARTING, StepStatus.VERIFYING
_WAIT, _CALLOUT, _STOP = OrderKind.WAIT, OrderKind.CALLOUT, OrderKind.STOP
_AWAIT_RUNNING, _POWER_ON, _VERIFY = (
    EffectKind.AWAIT_RUNNING,
    EffectKind.POWER_ON,
    EffectKind.VERIFY,
)
"""Named once: until Python 3.12, to find a member in its class takes longer than a call."""


def wanted(state: RunState) -> Iterator[Effect]:
    """Yield every effect that ought to be in flight."""
    for number in range(len(state.steps)):
        if (effect := effect_of(state, number)) is not None:
            yield effect


def effect_of(state: RunState, number: int) -> Effect | None:
    """Return what ought to be in flight for one step."""
    own = state.steps[number]
    if own.status is _VERIFYING:
        return _effect((_VERIFY, number, own.attempt, ""))
    if own.status is not _STARTING or own.order is _WAIT:
        return None
    kind = _kind(state, number)
    handle = own.handle if kind is _AWAIT_RUNNING else ""
    return _effect((kind, number, own.attempt, handle))


def _kind(state: RunState, number: int) -> EffectKind:
    own = state.steps[number]
    if own.order is _CALLOUT:
        return EffectKind.CALLOUT_DOUBT if own.doubt else EffectKind.CALL_OUT
    if own.order is _STOP:
        return EffectKind.RECONCILE_STOP if own.doubt else EffectKind.POWER_OFF
    if own.accepted:
        return _AWAIT_RUNNING
    return EffectKind.RECONCILE if own.doubt else _POWER_ON


def next_due(state: RunState) -> datetime | None:
    """Return when `Advance` is next worth sending, if time alone can change anything."""
    if state.is_over:
        return None
    if state.approve_by is not None:
        return state.approve_by
    return state.timers[0][0] if state.timers else None

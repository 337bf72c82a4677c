"""What earlier runs teach of durations: what a step took at its first, undisturbed attempt."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

from drorch.run import events as ev
from drorch.run.status import Ask, OrderKind

EARLIER_RUNS = 10
"""So many of the newest runs teach: an older one was of another fleet."""


class Took(NamedTuple):
    """What one step of one run took, in seconds: to its action's end, then to its health.

    The action of a machine ends when it runs, a callout's when it returns, a question's when a
    person answers. ``order`` is how it began; None for a question.
    """

    order: OrderKind | None
    action: float
    checks: float

    @property
    def whole(self) -> float:
        return self.action + self.checks


@dataclass(frozen=True, slots=True, kw_only=True)
class Lessons:
    """What ``runs`` earlier runs took, by step."""

    runs: int = 0
    steps: Mapping[str, Sequence[Took]] = field(default_factory=dict)


NOTHING = Lessons()

TELLING = (
    ev.RunAdopted,
    ev.StepStarted,
    ev.StepAsked,
    ev.StepPutBack,
    ev.OrderAccepted,
    ev.OrderInDoubt,
    ev.OrderVoided,
    ev.MachineRunning,
    ev.ActionDone,
    ev.DeadlineMoved,
    ev.AttemptFailed,
    ev.StepHealthy,
    ev.StepOnPaper,
)
"""The events that `taken` looks at; any others may be left out."""


def lessons(runs: Iterable[Mapping[str, Took]]) -> Lessons:
    """Return what several runs teach together, each as `taken` tells it."""
    steps: dict[str, list[Took]] = {}
    many = 0
    for run in runs:
        many += bool(run)
        for step, took in run.items():
            steps.setdefault(step, []).append(took)
    return Lessons(runs=many, steps=steps)


def taken(events: Iterable[ev.Event]) -> dict[str, Took]:
    """Return what the steps of one run took that were healthy at their first attempt.

    What was disturbed teaches nothing: an order in doubt, a hypervisor that was away, a machine
    that ran already, a driver that died meanwhile. An order that was not received is no attempt.
    """
    log = _Log()
    for event in events:
        log.hear(event)
    return log.done


@dataclass(slots=True)
class _Log:
    done: dict[str, Took] = field(default_factory=dict)
    _begun: dict[str, tuple[OrderKind | None, datetime]] = field(default_factory=dict)
    _acted: dict[str, datetime] = field(default_factory=dict)
    _spoilt: set[str] = field(default_factory=set)

    def hear(self, event: ev.Event) -> None:
        match event:
            case ev.RunAdopted():
                self._spoilt.update(self._begun)
            case ev.StepStarted():
                self._begins(event.step, event.order, event.at)
            case ev.StepAsked(ask=Ask.MANUAL):
                self._begins(event.step, None, event.at)
            case ev.StepPutBack():
                self._begun.pop(event.step, None)
            case ev.MachineRunning() | ev.ActionDone():
                self._acted[event.step] = event.at
            case ev.StepHealthy():
                self._healthy(event.step, event.at)
            case ev.OrderAccepted(already=True) | ev.StepAsked() | ev.StepOnPaper():
                self._spoilt.add(event.step)
            case ev.OrderInDoubt() | ev.OrderVoided() | ev.DeadlineMoved() | ev.AttemptFailed():
                self._spoilt.add(event.step)

    def _begins(self, step: str, order: OrderKind | None, at: datetime) -> None:
        if step in self._begun:
            self._spoilt.add(step)  # a second attempt
        else:
            self._begun[step] = (order, at)

    def _healthy(self, step: str, at: datetime) -> None:
        begun = self._begun.pop(step, None)
        if begun is None or step in self._spoilt or step in self.done:
            return
        order, since = begun
        acted = max(self._acted.get(step, since), since)
        action, checks = (acted - since).total_seconds(), (at - acted).total_seconds()
        self.done[step] = Took(order, max(0.0, action), max(0.0, checks))

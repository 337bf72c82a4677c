"""What each step's time went into, read off the journal in one pass."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import pairwise
from typing import NamedTuple

from drorch.ports.journal import Recorded
from drorch.run import events as ev
from drorch.run.state import RunState
from drorch.run.status import Ask, OrderKind

BOOT, CHECK, PEOPLE, VENDORS, RETRIES = "boot", "check", "people", "vendors", "retries"
MACHINES = "machines"
KINDS = (MACHINES, RETRIES, VENDORS, PEOPLE)
"""Where waiting goes, what moves by itself first; booting and checks are ``machines``."""


class Span(NamedTuple):
    """A step's time from *began* to *ended* went into *kind*; *contact* was waited for."""

    kind: str
    began: datetime
    ended: datetime
    contact: str = ""

    @property
    def seconds(self) -> float:
        """How long it was; nothing, where a clock was set back meanwhile."""
        return max(0.0, (self.ended - self.began).total_seconds())

    @property
    def waits_for(self) -> str:
        return MACHINES if self.kind in (BOOT, CHECK) else self.kind


class _Open(NamedTuple):
    kind: str
    began: datetime
    contact: str


@dataclass(slots=True)
class History:
    """The spans of each step by its number, in order; those of one step never overlap."""

    spans: list[list[Span]]
    began: datetime | None
    until: datetime
    """The end of the run, or the last that is recorded of one that goes on."""
    open: dict[int, _Open] = field(default_factory=dict)

    def change(self, step: int, at: datetime, kind: str, contact: str = "") -> None:
        """From *at* on the step's time goes into *kind*; empty: into nothing that counts."""
        before = self.open.pop(step, None)
        if before is not None:
            self.spans[step].append(Span(before.kind, before.began, at, before.contact))
        if kind:
            self.open[step] = _Open(kind, at, contact)

    def all(self) -> Iterator[tuple[int, Span]]:
        """Yield every span with the number of its step."""
        for number, spans in enumerate(self.spans):
            for span in spans:
                yield number, span


def read_history(recorded: Sequence[Recorded], state: RunState) -> History:
    """Return where the time of each step went; *state* is what *recorded* folds to."""
    until = state.ended_at or recorded[-1].at
    history = History([[] for _ in state.steps], state.started_at, until)
    for record in recorded:
        event = record.event
        if isinstance(event, ev.StepFact):
            _follow(history, state, state.index(event.step), event)
        elif isinstance(event, ev.StepsCancelled):
            for step in event.steps:
                history.change(state.index(step), event.at, "")
    for number in list(history.open):
        history.change(number, until, "")
    return history


def _follow(history: History, state: RunState, step: int, event: ev.StepFact) -> None:
    match event:
        case ev.StepAsked():
            contact = event.assign or state.step(step).contact or state.plan.owner or ""
            vendor = event.ask is Ask.FAILURE and is_vendor(state, step)
            history.change(step, event.at, VENDORS if vendor else PEOPLE, contact)
        case ev.StepStarted():
            history.change(step, event.at, CHECK if event.order is OrderKind.VERIFY else BOOT)
        case ev.MachineRunning() | ev.MachineFound() | ev.ActionDone():
            history.change(step, event.at, CHECK)
        case ev.AttemptFailed(retry_at=datetime()) | ev.OrderVoided():
            history.change(step, event.at, RETRIES)
        case (
            ev.StepHealthy()
            | ev.StepFailed()
            | ev.StepSkipped()
            | ev.StepAccepted()
            | ev.StepOnPaper()
            | ev.StepRetried()
            | ev.AttemptFailed()
            | ev.RetryDue()
            | ev.StepPutBack()
        ):
            history.change(step, event.at, "")


def is_vendor(state: RunState, step: int) -> bool:
    """Tell whether a failure of this step is somebody else's to answer than the plan's owner's."""
    return state.step(step).contact not in (None, state.plan.owner)


class Gap(NamedTuple):
    """The clock stepped back, or stood open while drorch was away, between two records."""

    seq: int
    at: datetime
    seconds: float
    kind: str
    """``back``: the clock was set back; ``away``: drorch itself was not there, or it was set on."""


_AWAY = 60.0
"""Seconds without a record before another process took over that are worth a word."""


def clock_gaps(recorded: Sequence[Recorded]) -> list[Gap]:
    """Return where durations across two neighbouring records are not to be relied on."""
    found = []
    for before, record in pairwise(recorded):
        seconds = (record.at - before.at).total_seconds()
        if seconds < 0:
            found.append(Gap(record.seq, record.at, -seconds, "back"))
        elif seconds >= _AWAY and isinstance(record.event, ev.RunAdopted):
            found.append(Gap(record.seq, record.at, seconds, "away"))
    return found

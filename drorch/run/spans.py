"""When each step acted, and when it waited for a person: what a picture of a run is drawn from."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from drorch.run import events as ev

_FAILURES = (ev.AttemptFailed, ev.StepPutBack, ev.OrderVoided, ev.MachineLost, ev.StepFailed)
_VERDICTS = (ev.StepHealthy, ev.StepAccepted, ev.StepSkipped, ev.StepOnPaper)
_ENDINGS = (*_FAILURES, *_VERDICTS, ev.StepRetried)


class SpanKind(StrEnum):
    """Whose time it was."""

    MACHINE = "machine"
    PERSON = "person"


@dataclass(slots=True)
class Span:
    """A stretch of a step's time. ``end`` None: it goes on. ``failed``: the attempt came to naught.

    ``attempt`` is 0 where a person was asked.
    """

    kind: SpanKind
    begin: datetime
    attempt: int = 0
    end: datetime | None = None
    failed: bool = False


class Spans:
    """The spans of all steps of one run, kept up to date event by event."""

    def __init__(self) -> None:
        self._spans: dict[str, list[Span]] = {}
        self._open: dict[str, Span] = {}

    def of(self, step: str) -> list[Span]:
        """Return the spans of *step*, oldest first."""
        return self._spans.get(step, [])

    def follow(self, events: Iterable[ev.Event]) -> None:
        """Take further events, in order."""
        for event in events:
            self._take(event)

    def _take(self, event: ev.Event) -> None:
        match event:
            case ev.StepStarted():
                self._begin(event.step, Span(SpanKind.MACHINE, event.at, event.attempt))
            case ev.MachineFound() if event.step not in self._open:
                self._begin(event.step, Span(SpanKind.MACHINE, event.at))
            case ev.StepAsked():
                self._begin(event.step, Span(SpanKind.PERSON, event.at))
            case ev.ActionDone():
                self._done(event)
            case ev.StepsCancelled():
                for step in event.steps:
                    self._end(step, event.at)
            case ev.RunEnded():
                for step in list(self._open):
                    self._end(step, event.at)
            case _ if isinstance(event, _ENDINGS):
                self._end(event.step, event.at, failed=isinstance(event, _FAILURES))
            case _:
                pass

    def _begin(self, step: str, span: Span) -> None:
        self._end(step, span.begin)
        self._spans.setdefault(step, []).append(span)
        self._open[step] = span

    def _end(self, step: str, at: datetime, *, failed: bool = False) -> None:
        span = self._open.pop(step, None)
        if span is not None:
            span.end, span.failed = at, failed and span.kind is SpanKind.MACHINE

    def _done(self, event: ev.ActionDone) -> None:
        """A person's yes ends their time, and that of the checks begins."""
        span = self._open.get(event.step)
        if span is not None and span.kind is SpanKind.PERSON:
            self._begin(event.step, Span(SpanKind.MACHINE, event.at, event.attempt))

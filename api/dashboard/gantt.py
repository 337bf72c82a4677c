"""The picture of time beside each step: where bars begin and end, in whole units of the drawing."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from drorch.run.spans import Span

WIDTH = 240
"""Units across; a page stretches them to its column."""
MOST_BARS = 12
_SPANS = (
    *(60, 120, 300, 600, 900, 1200, 1800, 2700, 3600, 5400),
    *(7200, 10800, 14400, 21600, 28800, 43200, 64800, 86400),
)
_FAR = 2.0


class Axis(NamedTuple):
    """From ``begin``, ``seconds`` long. It grows by steps, so that bars stay where they are."""

    begin: datetime
    seconds: float

    def x(self, at: datetime) -> int:
        """Return where a moment is, kept inside the drawing."""
        return self.x_after((at - self.begin).total_seconds())

    def x_after(self, seconds: float) -> int:
        """Return where a moment *seconds* after the beginning is, kept inside the drawing."""
        return round(min(max(seconds / self.seconds, 0.0), 1.0) * WIDTH)

    def at(self, part: float) -> datetime:
        """Return the moment at a *part* of the whole, from 0 to 1."""
        return self.begin + timedelta(seconds=self.seconds * part)


class Bar(NamedTuple):
    """``kind``: plan, machine or person, with ``-failed`` where an attempt came to naught."""

    kind: str
    x: int
    width: int


def axis(begin: datetime, until: datetime, planned: float, rto: float | None) -> Axis:
    """Return an axis that holds the run until now and what is planned, in seconds.

    The objective is on it unless it is so far away that everything else would be a dot.
    """
    needed = max((until - begin).total_seconds(), planned, 1.0)
    if rto is not None and rto <= needed * _FAR:
        needed = max(needed, rto)
    whole = next((s for s in _SPANS if s >= needed * 1.02), 0)
    if not whole:
        days = 1
        while days * 86400 < needed * 1.02:
            days *= 2
        whole = days * 86400
    return Axis(begin, float(whole))


def ghost(axis: Axis, begin: float, seconds: float) -> Bar:
    """Return the bar of what the plan expects: from *begin* after the start, for *seconds*."""
    left = axis.x_after(begin)
    return Bar("plan", left, max(1, axis.x_after(begin + seconds) - left))


def bars(axis: Axis, spans: Sequence[Span], now: datetime) -> tuple[Bar, ...]:
    """Return the bars of what happened, oldest first: the newest of them where they are many."""
    found: list[Bar] = []
    for span in spans[-MOST_BARS:]:
        left = axis.x(span.begin)
        right = axis.x(span.end or now)
        kind = f"{span.kind}-failed" if span.failed else str(span.kind)
        found.append(Bar(kind, min(left, WIDTH - 1), max(1, right - left)))
    return tuple(found)

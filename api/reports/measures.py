"""Seconds between two moments, and steps' spans cut to the time that counts."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime
from typing import Any, TypeAlias

from api.reports.history import Span
from drorch.run.state import StepState
from drorch.run.status import StepStatus

Json: TypeAlias = dict[str, Any]


def between(began: datetime | None, ended: datetime | None) -> float | None:
    """Return the seconds from one moment to another; None where either is not known."""
    if began is None or ended is None:
        return None
    return round((ended - began).total_seconds(), 3)


def done_at(own: StepState) -> datetime | None:
    """Return when a step was healthy, or over for another reason."""
    if own.status is StepStatus.HEALTHY:
        return own.healthy_at or own.ended_at
    return own.ended_at or own.healthy_at


def within(spans: Iterable[Span], began: datetime, ended: datetime) -> dict[str, float]:
    """Return the seconds of each kind of span between two moments."""
    found: dict[str, float] = defaultdict(float)
    for span in spans:
        first, last = max(span.began, began), min(span.ended, ended)
        if first < last:
            found[span.kind] += (last - first).total_seconds()
    return found

"""What the charts of a report show: rows of bars, and how much was back at which moment.

Both stay small however large the run is; `api.reports.drawing` makes pictures of them.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime, timedelta

from api.reports.history import History, Span
from api.reports.measures import Json, between, done_at
from drorch.run.services import service_up_at
from drorch.run.state import RunState
from drorch.run.status import StepStatus
from drorch.run.words import stamp

MOST_ROWS = 200
"""Above so many steps the chart has a row for each group, service or slice of the plan."""
_POINTS = 120
_TABLE = 12
_MOST_BARS = 40
"""Bars of one row: a step that was tried a hundred times is drawn with its first ones."""
_BACK = frozenset({StepStatus.HEALTHY, StepStatus.SKIPPED})


def gantt(state: RunState, history: History) -> Json:
    """Return the rows of the Gantt chart, in order of their beginning.

    ``by`` tells what a row is: ``step``, ``group`` or ``part`` (so many steps of the plan in a
    row, where it has no groups to speak of); ``bars`` are (kind, from, to) in seconds from
    the start of the run.
    """
    if history.began is None:
        return {"by": "step", "length_s": 0.0, "rows": []}
    touched = [n for n, own in enumerate(state.steps) if own.ready_at or own.started_at]
    length = max(0.0, (history.until - history.began).total_seconds())
    if len(touched) <= MOST_ROWS:
        rows = [_step_row(state, history, number) for number in touched]
        by = "step"
    else:
        by, bundles = _bundles(state, touched)
        rows = [_bundle_row(state, history, name, numbers) for name, numbers in bundles.items()]
    rows.sort(key=lambda row: (row["began_s"], row["ended_s"] or length))
    return {"by": by, "length_s": round(length, 3), "rows": rows}


def _step_row(state: RunState, history: History, number: int) -> Json:
    own, step = state.steps[number], state.step(number)
    return {
        "name": step.id,
        "steps": 1,
        "began_s": _offset(history, own.ready_at or own.started_at),
        "ended_s": _offset(history, done_at(own)) if done_at(own) else None,
        "status": own.status,
        "bars": _bars(history, number),
    }


def _bars(history: History, number: int) -> list[tuple[str, float, float]]:
    spans = history.spans[number][:_MOST_BARS]
    return [
        (span.kind, _offset(history, span.began), _offset(history, span.ended)) for span in spans
    ]


def _bundles(state: RunState, numbers: Sequence[int]) -> tuple[str, dict[str, list[int]]]:
    """Return the steps by group, or by parts of the plan where that makes fewer rows."""
    groups: dict[str, list[int]] = defaultdict(list)
    for number in numbers:
        groups[state.step(number).group or "-"].append(number)
    if 1 < len(groups) <= MOST_ROWS and "-" not in groups:
        return "group", dict(groups)
    size = -(-len(numbers) // MOST_ROWS)
    size = max(size, -(-len(numbers) // 50)) if size < 50 else size
    slices = [numbers[first : first + size] for first in range(0, len(numbers), size)]
    return "part", {f"{state.step(s[0]).id} … {state.step(s[-1]).id}": list(s) for s in slices}


def _bundle_row(state: RunState, history: History, name: str, numbers: Sequence[int]) -> Json:
    own = [state.steps[number] for number in numbers]
    began = min(b for one in own if (b := one.ready_at or one.started_at) is not None)
    ends = [done_at(one) for one in own]
    spans = [span for number in numbers for span in history.spans[number]]
    settled = all(one.status in _BACK for one in own)
    bad = any(one.status is StepStatus.FAILED for one in own)
    status = "healthy" if settled else "failed" if bad else "waiting"
    return {
        "name": name,
        "steps": len(numbers),
        "began_s": _offset(history, began),
        "ended_s": _offset(history, max(e for e in ends if e)) if any(ends) else None,
        "status": status,
        "bars": _merged(history, spans),
    }


def _merged(history: History, spans: Sequence[Span]) -> list[tuple[str, float, float]]:
    """Return one bar for each stretch in which any step of a bundle did the same."""
    by_kind: dict[str, list[Span]] = defaultdict(list)
    for span in spans:
        by_kind[span.kind].append(span)
    bars: list[tuple[str, float, float]] = []
    for kind, found in by_kind.items():
        own: list[tuple[str, float, float]] = []
        for span in sorted(found, key=lambda s: s.began):
            first, last = _offset(history, span.began), _offset(history, span.ended)
            if own and first <= own[-1][2]:
                own[-1] = (kind, own[-1][1], max(own[-1][2], last))
            else:
                own.append((kind, first, last))
        bars += own[:_MOST_BARS]
    return bars


def _offset(history: History, at: datetime | None) -> float:
    return max(0.0, between(history.began, at) or 0.0)


def burn_up(state: RunState, history: History) -> Json:
    """Return how many steps and services were back when: points for a curve, lines for a table.

    Each is (seconds from the start, steps, services); ``rto_s`` is the plan's objective.
    """
    goal = state.plan.rto.total_seconds() if state.plan.rto else None
    ours = [service for service in state.plan.services if not service.external]
    told = {"steps": len(state.steps), "services": len(ours), "rto_s": goal}
    if history.began is None:
        return told | {"length_s": 0.0, "points": [], "table": []}
    length = max(0.0, (history.until - history.began).total_seconds())
    back = [done_at(own) for own in state.steps if own.status in _BACK]
    steps = sorted(_offset(history, at) for at in back if at)
    up = (service_up_at(state, service) for service in ours)
    services = sorted(_offset(history, at) for at in up if at)
    moments = sorted({0.0, *_thinned(steps, _POINTS), *services[:_POINTS], length})
    return told | {
        "length_s": round(length, 3),
        "points": [_counted(moment, steps, services) for moment in moments],
        "table": [
            {
                "at": stamp(history.began + timedelta(seconds=moment)),
                "after_s": round(moment, 3),
                "steps": _counted(moment, steps, services)[1],
                "services": _counted(moment, steps, services)[2],
            }
            for moment in _marks(length)
        ],
    }


def _thinned(moments: Sequence[float], most: int) -> list[float]:
    """Return at most about *most* of the moments, the first and the last among them."""
    if len(moments) <= most:
        return list(moments)
    every = len(moments) / most
    return [moments[int(n * every)] for n in range(most)] + [moments[-1]]


def _counted(
    moment: float, steps: Sequence[float], services: Sequence[float]
) -> tuple[float, int, int]:
    return round(moment, 3), bisect_right(steps, moment), bisect_right(services, moment)


def _marks(length: float) -> list[float]:
    """Return even moments for a table, the end among them."""
    return [length * n / _TABLE for n in range(1, _TABLE + 1)] if length else [0.0]

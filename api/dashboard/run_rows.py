"""The rows of a run's table of steps: which are shown, and what each says."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Literal, NamedTuple, TypeAlias

from api.dashboard import gantt
from api.dashboard.waits import Waits, waits_of, word_of
from api.wording import tries
from drorch.model.graph import expected
from drorch.run.outlook import critical
from drorch.run.spans import Spans
from drorch.run.state import RunState
from drorch.run.status import StepStatus
from drorch.run.stuck import Why, stuck
from drorch.run.views import Json, step_json

MOST_ROWS = 200
MANY = 200
"""Above so many steps the page shows what moves; the rest is one link away."""
Show: TypeAlias = Literal["", "all", "open", "stuck", "failed", "mine", "critical"]
SHOWN: Sequence[Show] = ("all", "open", "stuck", "failed", "mine", "critical")

_SETTLED = frozenset({StepStatus.HEALTHY, StepStatus.SKIPPED, StepStatus.CANCELLED})
_FAILED = frozenset({StepStatus.FAILED, StepStatus.BLOCKED})


@dataclass(frozen=True, kw_only=True)
class View:
    """A run as somebody looks at it: *who* are the names that they go by."""

    state: RunState
    spans: Spans
    now: datetime
    show: Show = ""
    first: int = 0
    who: Collection[str] = ()

    @property
    def shown(self) -> Show:
        """The filter that is in force: the one asked for, else what helps most."""
        small = self.state.is_over and len(self.state.steps) <= MANY
        return self.show or ("all" if small else "open")

    @cached_property
    def path(self) -> Sequence[int]:
        """The steps that now decide when the run ends, the next first; empty when it is over."""
        return critical(self.state, self.now)


class Window(NamedTuple):
    """The steps on this page, in plan order, and where the pages before and behind begin."""

    numbers: Sequence[int]
    before: int
    after: int
    previous: int | None
    next: int | None


def window(view: View) -> Window:
    """Return the page of steps that *view* shows: those that its filter leaves, from its first."""
    found = _matching(view)
    start = bisect_left(found, view.first)
    end = start + MOST_ROWS
    return Window(
        numbers=found[start:end],
        before=start,
        after=max(0, len(found) - end),
        previous=found[max(0, start - MOST_ROWS)] if start else None,
        next=found[end] if end < len(found) else None,
    )


def _matching(view: View) -> list[int]:
    state, now = view.state, view.now
    everything = range(len(state.steps))
    match view.shown:
        case "open":
            return [n for n in everything if state.steps[n].status not in _SETTLED]
        case "stuck":
            return [n for n in everything if stuck(state, n, now) is not None]
        case "failed":
            return [n for n in everything if has_failed(state, n)]
        case "mine":
            return [n for n in everything if is_mine(state, n, view.who)]
        case "critical":
            return sorted(on_critical_path(view))
        case _:
            return list(everything)


def has_failed(state: RunState, number: int) -> bool:
    """Tell whether a step failed, asks because it failed, or cannot go on because of another."""
    own = state.steps[number]
    return own.status in _FAILED or (own.status is StepStatus.WAITING and own.failure is not None)


def is_mine(state: RunState, number: int, who: Collection[str]) -> bool:
    """Tell whether a step is somebody's: assigned to them, theirs to be called for, or decided.

    *who* are their names in lower case. Contacts count by id, name and address of mail.
    """
    if not who:
        return False
    own, step = state.steps[number], state.step(number)
    wanted = own.assign or getattr(step.action, "assign", None) or step.contact
    names = [own.decided_by, own.accepted_by, wanted or ""]
    if (contact := state.plan.contact(wanted)) is not None:
        names += [contact.name, contact.email]
    return any(name.lower() in who for name in names if name)


def on_critical_path(view: View) -> Collection[int]:
    """Return the steps that decide when the run ends, or decided it by the plan's own word."""
    if not view.state.is_over:
        return frozenset(view.path)
    graph = view.state.graph
    return frozenset(graph.index[step.id] for step in graph.critical_path())


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A step as its row shows it; two that are equal look the same."""

    number: int
    step: Json
    word: str
    waits: Waits
    stuck: Why | None
    critical: bool
    tries: str
    planned_s: float
    took_s: float | None
    bars: tuple[gantt.Bar, ...]
    due_x: int | None


def rows(view: View, numbers: Sequence[int], axis: gantt.Axis) -> list[Row]:
    """Return the rows of these steps."""
    earliest, path = view.state.graph.earliest, on_critical_path(view)
    return [_row(view, n, axis, earliest[n], critical=n in path) for n in numbers]


def _row(view: View, number: int, axis: gantt.Axis, earliest: float, *, critical: bool) -> Row:
    state, own = view.state, view.state.steps[number]
    step, shown = state.step(number), step_json(state, number)
    reason = stuck(state, number, view.now)
    planned = expected(step)
    past = gantt.bars(axis, view.spans.of(step.id), view.now)
    ended = own.healthy_at or own.ended_at
    took = (ended - own.started_at).total_seconds() if ended and own.started_at else None
    return Row(
        number=number,
        step=shown,
        word=shown["examined"] or word_of(state, number),
        waits=waits_of(state, number),
        stuck=reason.why if reason else None,
        critical=critical,
        tries=tries(shown),
        planned_s=planned,
        took_s=took,
        bars=(gantt.ghost(axis, earliest, planned), *past),
        due_x=_due_x(state, axis),
    )


def _due_x(state: RunState, axis: gantt.Axis) -> int | None:
    """Return where the line of the objective goes; None where it is not on the axis."""
    if state.plan.rto is None or state.started_at is None:
        return None
    x = axis.x(state.started_at + state.plan.rto)
    return x if x < gantt.WIDTH else None


def axis_of(state: RunState, now: datetime) -> gantt.Axis:
    """Return the axis of a run's bars."""
    begin = state.started_at or state.requested_at or now
    rto = state.plan.rto.total_seconds() if state.plan.rto else None
    planned = state.graph.expected_duration().total_seconds()
    return gantt.axis(begin, state.ended_at or now, planned, rto)

"""The critical path: the chain of steps that really determined when the run was over."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import NamedTuple

from api.reports.history import BOOT, CHECK, PEOPLE, RETRIES, VENDORS, History
from api.reports.measures import Json, between, done_at, within
from drorch.model.plan import When
from drorch.run.state import RunState, StepState
from drorch.run.status import Mode, StepStatus
from drorch.run.words import stamp

_SETTLED = frozenset({StepStatus.HEALTHY, StepStatus.FAILED, StepStatus.SKIPPED})


class Link(NamedTuple):
    """A step of the path; what follows it could go on at *met*."""

    number: int
    met: datetime


def critical_path(state: RunState, history: History) -> list[Json]:
    """Walk back from the step that was settled last, always to what was satisfied last.

    Of each link its seconds: from ready to done, and of those in the queue, booting (or acting),
    in checks, waiting for people and vendors, and backing off. They add up to ``took_s``.
    """
    if state.mode is Mode.DRY_RUN:
        return []
    last = (n for n, own in enumerate(state.steps) if own.status in _SETTLED and done_at(own))
    number = max(last, key=lambda n: _met(state, n), default=None)
    path: list[Json] = []
    seen: set[int] = set()
    link = Link(number, _met(state, number)) if number is not None else None
    while link is not None and link.number not in seen:
        seen.add(link.number)
        path.append(_told(state, history, link))
        link = max(_before(state, link.number), key=lambda found: found.met, default=None)
    return list(reversed(path))


def _met(state: RunState, number: int) -> datetime:
    found = done_at(state.steps[number]) or state.requested_at
    assert found is not None  # noqa: S101 (a run begins by being requested)
    return found


def _before(state: RunState, number: int) -> Iterator[Link]:
    """Yield the steps that *number* needs, with when each let it go on; of a group, its members."""
    for edge in state.graph.needs[number]:
        is_group = state.graph.is_group(edge.node)
        for member in state.graph.members[edge.node] if is_group else [edge.node]:
            if (at := _let_go(state.steps[member], edge.when)) is not None:
                yield Link(member, at)


def _let_go(own: StepState, when: When) -> datetime | None:
    if when is When.STARTED:
        return own.running_at or own.started_at or done_at(own)
    return done_at(own)


def _told(state: RunState, history: History, link: Link) -> Json:
    own, step = state.steps[link.number], state.step(link.number)
    began = own.ready_at or own.started_at
    took = between(began, link.met)
    parts = within(history.spans[link.number], began, link.met) if began else {}
    queued = max(0.0, (took or 0.0) - sum(parts.values()))
    return {
        "step": step.id,
        "took_s": took,
        "title": step.title,
        "ready_at": stamp(began),
        "done_at": stamp(link.met),
        "queued_s": round(queued, 3),
        "boot_s": round(parts.get(BOOT, 0.0), 3),
        "verify_s": round(parts.get(CHECK, 0.0), 3),
        "people_s": round(parts.get(PEOPLE, 0.0), 3),
        "vendors_s": round(parts.get(VENDORS, 0.0), 3),
        "retries_s": round(parts.get(RETRIES, 0.0), 3),
    }

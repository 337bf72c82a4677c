"""The first screen of a run: how far, will we make it, what is stuck and what comes next."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from api.dashboard.waits import Waits, waits_of, word_of
from api.expected import basis_words
from api.wording import Json, seen, used
from drorch.run.state import RunState
from drorch.run.status import NOT_BEGUN, Mode, StepStatus
from drorch.run.stuck import Stuck, last_heard, stuck
from drorch.run.views import counts, examined_words, step_json

MOST_NEXT = 12
_DONE = (StepStatus.HEALTHY, StepStatus.SKIPPED)
_UP = "up"


class Progress(NamedTuple):
    """How far the run is. ``of`` says of what: services, machines that were looked at, or steps."""

    done: int
    total: int
    up: int
    services: int
    first_up: int
    first: int
    """The services of the first tier: those up, and all."""
    steps_done: int
    steps: int
    acting: int
    examined: str


def progress(state: RunState, run: Json) -> Progress:
    """Return how far the run is: in services, those of the first tier, and in steps."""
    found = counts(state)
    steps_done, steps = sum(found[status] for status in _DONE), len(state.steps)
    own = [s for s in run["services"] if not s["external"]]
    tier = min((s["tier"] for s in own), default=0)
    first = [s for s in own if s["tier"] == tier]
    examined = run["examined"]
    return Progress(
        done=examined["seen"] if examined else steps_done,
        total=examined["machines"] if examined else steps,
        up=sum(is_back(run, s) for s in own),
        services=len(own),
        first_up=sum(is_back(run, s) for s in first),
        first=len(first),
        steps_done=steps_done,
        steps=steps,
        acting=found[StepStatus.STARTING] + found[StepStatus.VERIFYING],
        examined=seen(run) if examined else "",
    )


def is_back(run: Json, service: Json) -> bool:
    """Return whether it is up; a simulation knows nothing of the real one, and tells of its own."""
    return bool(service["up_at"]) if run["mode"] == Mode.SIMULATE else service["state"] == _UP


def tally(state: RunState, run: Json) -> list[tuple[str, int]]:
    """Return how many steps stand how, in a dry run's own words where it is one."""
    if run["examined"] is not None:
        words = (examined_words(state, n) or "" for n in range(len(state.steps)))
        return Counter(words).most_common()
    shown = Counter(word_of(state, n) for n in range(len(state.steps)))
    order = [*(status.value for status in StepStatus), "unknown"]
    return [(word, shown[word]) for word in order if shown[word]]


class Outlook(NamedTuple):
    """When the run ends, as far as anybody can tell, against its objective.

    ``verdict``: good, late (it is more likely missed than met), tight (it may be), over, unsure
    (what comes up by itself is in time, and ``is_partial``: that is not everything), or empty
    where there is no objective. ``early`` None: nothing is forecast. ``broken`` is the first
    service that breaks its objective, ``basis`` says on what the rest stands. ``margin_s`` is
    negative where the objective is broken.
    """

    early: str | None
    late: str | None
    due: datetime | None
    margin_s: float | None
    verdict: str
    broken: Json | None
    basis: str
    used_s: float
    goal_s: float | None
    met: bool | None
    is_partial: bool


def outlook_of(run: Json, now: datetime) -> Outlook:
    """Return the outlook of a run as the API shows it."""
    eta = run["eta"] or {}
    goal = run["rto"]["seconds"] if run["rto"] else None
    met = run["rto"]["met"] if run["rto"] else None
    began = _moment(run["started_at"])
    due = began + timedelta(seconds=goal) if began and goal is not None else None
    likely, late = _moment(eta.get("p50")), _moment(eta.get("p90"))
    is_open = not run["ended_at"] and run["mode"] == "live"
    margin = (due - late).total_seconds() if due and late and is_open else None
    is_partial = is_open and bool((run.get("eta_basis") or {}).get("incomplete"))
    return Outlook(
        early=eta.get("p50"),
        late=eta.get("p90"),
        due=due,
        margin_s=margin,
        verdict=_verdict(due, likely, late, now, is_partial=is_partial) if is_open else "",
        broken=_first_broken(run, now) if is_open else None,
        basis=basis_words(run),
        used_s=used(run, now),
        goal_s=goal,
        met=met,
        is_partial=is_partial,
    )


def _verdict(
    due: datetime | None,
    likely: datetime | None,
    late: datetime | None,
    now: datetime,
    *,
    is_partial: bool,
) -> str:
    if due is None:
        return ""
    if now > due:
        return "over"
    if likely is not None and likely > due:
        return "late"
    if late is not None and late > due:
        return "tight"
    return "unsure" if is_partial else "good"


def _first_broken(run: Json, now: datetime) -> Json | None:
    """Return the service whose objective is broken first, or will be by what is forecast."""
    began = _moment(run["started_at"])
    if began is None:
        return None
    found = []
    for service in run["services"]:
        if service["rto"] is None or service["external"] or service["rta"] is not None:
            continue
        due = began + timedelta(seconds=service["rto"])
        back = _service_back(service["eta"])
        if now > due or (back is not None and back > due):
            found.append((due, service))
    return min(found, key=lambda each: each[0])[1] if found else None


def _service_back(eta: object) -> datetime | None:
    if isinstance(eta, Mapping):
        return _moment(eta.get("p50"))
    return _moment(eta) if isinstance(eta, str) else None


def _moment(value: Any) -> datetime | None:
    return datetime.fromisoformat(value) if value else None


class Next(NamedTuple):
    """A step that is stuck, acts, or comes next."""

    step: Json
    word: str
    stuck: Stuck | None
    waits: Waits
    since: datetime | None
    critical: bool


class WhatNext(NamedTuple):
    """At most `MOST_NEXT` steps, the stuck first; how many of those have no place here."""

    rows: list[Next]
    left: int
    stuck: int


def what_next(state: RunState, now: datetime, path: Sequence[int]) -> WhatNext:
    """Return what is stuck, what acts and what comes next; what asks a person has its card.

    *path* are the steps that decide when the run ends, the next first.
    """
    if state.is_over:
        return WhatNext([], 0, 0)
    on_path = frozenset(path)
    found = {n: reason for n in range(len(state.steps)) if (reason := _stuck(state, n, now))}
    chain = state.graph.chain
    acting = [n for n, own in enumerate(state.steps) if own.in_flight and n not in found]
    still = [*sorted(found, key=lambda n: -chain[n]), *sorted(acting, key=lambda n: -chain[n])]
    numbers = still[:MOST_NEXT]
    if len(numbers) < MOST_NEXT:
        numbers += _coming(state, path, frozenset(numbers))[: MOST_NEXT - len(numbers)]
    rows = [_next(state, n, found.get(n), is_critical=n in on_path) for n in numbers]
    return WhatNext(rows, max(0, len(still) - MOST_NEXT), len(found))


def _stuck(state: RunState, number: int, now: datetime) -> Stuck | None:
    if state.steps[number].status is StepStatus.WAITING or state.held(number):
        return None
    return stuck(state, number, now)


def _coming(state: RunState, path: Sequence[int], shown: frozenset[int]) -> list[int]:
    """Return what comes next: the ready, then the critical path, then the rest by its chain."""
    begun = state.steps
    ready = [n for n, own in enumerate(begun) if own.status is StepStatus.READY]
    ready.sort(key=state.priorities.__getitem__)
    later = [n for n in path if begun[n].status in NOT_BEGUN]
    rest = [n for n, own in enumerate(begun) if own.status in NOT_BEGUN]
    rest.sort(key=lambda n: -state.graph.chain[n])
    asked = {n for n in ready if state.held(n)}
    order = dict.fromkeys([*ready, *later, *rest])
    return [n for n in order if n not in shown and n not in asked]


def _next(state: RunState, number: int, reason: Stuck | None, *, is_critical: bool) -> Next:
    own = state.steps[number]
    since = (reason.since if reason else None) or last_heard(own) or own.ready_at
    return Next(
        step=step_json(state, number),
        word=word_of(state, number),
        stuck=reason,
        waits=waits_of(state, number),
        since=since,
        critical=is_critical,
    )

"""Where the time went: summed over the steps, on the wall clock, and by whom was waited for."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import NamedTuple

from api.reports.history import KINDS, PEOPLE, VENDORS, History
from api.reports.measures import Json
from drorch.ports.journal import Recorded
from drorch.run import events as ev
from drorch.run.state import RunState
from drorch.run.status import Scope

HELD = "held"
"""Nothing could begin: the run was paused, drorch halted, or a hypervisor or host away."""
OTHER = "other"
_ORDER = (*KINDS, HELD)


class Stretch(NamedTuple):
    """From *began* to *ended* something of this *kind* was going on."""

    kind: str
    began: datetime
    ended: datetime


def summed(history: History) -> Json:
    """Return where time went, in seconds summed over the steps; they overlap each other.

    ``vendors_s`` are questions about a failure whose step names a contact other than the plan's
    owner, ``people_s`` all others; ``retries_s`` is back-off; ``machines_s`` booting and checks.
    """
    spent = dict.fromkeys(("people_s", "vendors_s", "machines_s", "retries_s"), 0.0)
    for _, span in history.all():
        spent[f"{span.waits_for}_s"] += span.seconds
    return {key: round(seconds, 3) for key, seconds in spent.items()}


def on_the_clock(recorded: Sequence[Recorded], history: History) -> Json:
    """Return the same on the wall clock, from the start of the run to its end, in seconds.

    ``at_least_one``: so long at least one step waited for this; kinds overlap each other.
    ``only``: so long this was the most that went on. Each moment counts once, for the first that
    applies: machines act, a retry is due by itself, a vendor is asked, a person is asked, the run
    is held up, anything else. These add up to the length of the run.
    """
    stretches = [Stretch(span.waits_for, span.began, span.ended) for _, span in history.all()]
    stretches += held_up(recorded, history.until)
    if history.began is None:
        stretches, whole = [], 0.0
    else:
        stretches = _cut(stretches, history.began, history.until)
        whole = max(0.0, (history.until - history.began).total_seconds())
    either, only = _swept(stretches)
    rest = max(0.0, whole - sum(only.values()))
    told = {f"{kind}_s": round(only.get(kind, 0.0), 3) for kind in _ORDER}
    return {
        "run_s": round(whole, 3),
        "at_least_one": {f"{kind}_s": round(either.get(kind, 0.0), 3) for kind in _ORDER},
        "only": told | {f"{OTHER}_s": round(rest, 3)},
    }


def _cut(stretches: Iterable[Stretch], began: datetime, ended: datetime) -> list[Stretch]:
    cut = (Stretch(s.kind, max(s.began, began), min(s.ended, ended)) for s in stretches)
    return [stretch for stretch in cut if stretch.began < stretch.ended]


def _swept(stretches: Iterable[Stretch]) -> tuple[dict[str, float], dict[str, float]]:
    """Return how long each kind went on, and how long it was the first of those that did."""
    edges = [(s.began, 1, s.kind) for s in stretches] + [(s.ended, -1, s.kind) for s in stretches]
    edges.sort(key=lambda edge: edge[0])
    active = dict.fromkeys(_ORDER, 0)
    either: dict[str, float] = defaultdict(float)
    only: dict[str, float] = defaultdict(float)
    last: datetime | None = None
    for at, step, kind in edges:
        if last is not None and last < at:
            _count(active, (at - last).total_seconds(), either, only)
        active[kind] += step
        last = at
    return either, only


def _count(
    active: dict[str, int], seconds: float, either: dict[str, float], only: dict[str, float]
) -> None:
    going = [kind for kind in _ORDER if active[kind]]
    for kind in going:
        either[kind] += seconds
    if going:
        only[going[0]] += seconds


def held_up(recorded: Sequence[Recorded], until: datetime) -> list[Stretch]:
    """Return when the run was paused, drorch halted, a connector or a host away."""
    found: list[Stretch] = []
    since: dict[str, datetime] = {}

    def end(key: str, at: datetime) -> None:
        if (began := since.pop(key, None)) is not None:
            found.append(Stretch(HELD, began, at))

    for record in recorded:
        match record.event:
            case ev.RunPaused():
                since.setdefault("paused", record.at)
            case ev.RunResumed() | ev.RunAbortRequested():
                end("paused", record.at)
            case ev.ObstacleFound(scope=scope, key=key) if scope is not Scope.MACHINE:
                since.setdefault(f"{scope} {key}", record.at)
            case ev.ObstacleGone(scope=scope, key=key):
                end(f"{scope} {key}", record.at)
    for key in list(since):
        end(key, until)
    return found


def by_contact(history: History, state: RunState) -> list[Json]:
    """Return who was waited for: how often, how long (summed, and on the clock), which steps.

    Who was waited for longest comes first.
    """
    asked: dict[tuple[str, str], list[tuple[int, Stretch]]] = defaultdict(list)
    for number, span in history.all():
        if span.kind in (PEOPLE, VENDORS):
            stretch = Stretch(span.kind, span.began, span.ended)
            asked[span.contact, span.kind].append((number, stretch))
    names = {contact.id: contact.name for contact in state.plan.contacts}
    lines = [
        {
            "contact": contact,
            "name": names.get(contact, contact),
            "kind": kind,
            "times": len(found),
            "summed_s": round(sum(_seconds(s) for _, s in found), 3),
            "clock_s": round(_swept([s for _, s in found])[0].get(kind, 0.0), 3),
            "longest_s": round(max(_seconds(s) for _, s in found), 3),
            "steps": sorted({state.step(number).id for number, _ in found}),
        }
        for (contact, kind), found in asked.items()
    ]
    return sorted(lines, key=lambda line: (-float(str(line["clock_s"])), str(line["contact"])))


def _seconds(stretch: Stretch) -> float:
    return max(0.0, (stretch.ended - stretch.began).total_seconds())

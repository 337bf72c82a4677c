"""What the pages of a run show, out of its state: words and numbers, no markup."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any, NamedTuple

from api.telling import used_types
from api.wording import duration, late, objective, seen, used
from drorch.run.state import RunState
from drorch.run.status import Ask, Mode, StepStatus
from drorch.run.views import (
    Json,
    counts,
    examined_words,
    needs_attention,
    shown_status,
    step_json,
)

MANY = 200
"""Above so many steps the page shows what moves; the rest is one link away."""
MOST_ROWS = 500
MOST_ACTING = 30

_SETTLED = frozenset({StepStatus.HEALTHY, StepStatus.SKIPPED, StepStatus.CANCELLED})
_DONE = (StepStatus.HEALTHY, StepStatus.SKIPPED)


class Band(NamedTuple):
    """The mode in words that cannot be mistaken; ``tone`` picks pattern and colour."""

    tone: str
    words: str
    short: str


def band_of(state: RunState, types: Mapping[str, str]) -> Band:
    """Return what this run does to real machines; *types* are those of its connectors."""
    if state.mode is Mode.SIMULATE:
        return Band("simulation", "SIMULATION: nothing is contacted, times are estimates", "SIM")
    if state.mode is Mode.DRY_RUN:
        return Band("dry", "DRY RUN: the fleet is looked at, never touched", "DRY RUN")
    used = used_types(state.plan, types)
    if used == {"simulated"}:
        words = "LIVE on a SIMULATED HYPERVISOR: no real machine is touched"
        return Band("imagined", words, "LIVE, SIMULATED")
    if "simulated" in used:
        return Band("live", "LIVE: real machines are powered on (some are SIMULATED)", "LIVE")
    return Band("live", "LIVE: real machines are powered on", "LIVE")


def run_view(
    state: RunState, run: Json, types: Mapping[str, str], show: str, now: datetime
) -> dict[str, Any]:
    """Return what the page of a run is made of. *show* is ``all``, ``open`` or empty."""
    shown = show or ("all" if state.is_over and len(state.steps) <= MANY else "open")
    numbers = [
        n for n, own in enumerate(state.steps) if shown == "all" or own.status not in _SETTLED
    ]
    cards = [card(state, number) for number in needs_attention(state)]
    return {
        "run": run,
        "facts": _facts(run, now),
        "over": state.is_over,
        "paused": state.paused,
        "aborting": state.aborting,
        "band": band_of(state, types),
        "seq": state.seq,
        "progress": _progress(state, run),
        "tally": _tally(state, run),
        "cards": cards,
        "in_the_way": _in_the_way(state, run, {card["id"] for card in cards}),
        "cards_title": "" if state.is_over else _cards_title(state, len(cards)),
        "acting": _acting(state),
        "rows": [step_json(state, number) for number in numbers[:MOST_ROWS]],
        "rows_left": max(0, len(numbers) - MOST_ROWS),
        "show": shown,
        "services": _services(state, run, now),
    }


def _in_the_way(state: RunState, run: Json, asked: Collection[str]) -> list[Json]:
    """Return what holds up an open run; a machine that is held back has its card already."""
    return [] if state.is_over else [o for o in run["obstacles"] if o["key"] not in asked]


def _facts(run: Json, now: datetime) -> list[str]:
    """Return how far the run is in time: what it used, its objective, what is left at least."""
    began = run["mode"] == "live" and run["started_at"] is not None
    took = f"{'took' if run['ended_at'] else 'for'} {duration(used(run, now))}" if began else ""
    goal = objective(run, now)
    return [told for told in ("" if "used)" in goal else took, goal) if told]


class Acting(NamedTuple):
    """The steps that act or are stuck, the stuck first, and how many have no place."""

    rows: list[Json]
    left: int


def _acting(state: RunState) -> Acting:
    """Return what somebody looks for first; what asks a person has its card."""
    if state.is_over:
        return Acting([], 0)
    found = [n for n, own in enumerate(state.steps) if own.in_flight or _is_stuck(state, n)]
    found.sort(key=lambda n: (not _is_stuck(state, n), -state.graph.chain[n], n))
    rows = [step_json(state, number) for number in found[:MOST_ACTING]]
    return Acting(rows, max(0, len(found) - MOST_ACTING))


def _is_stuck(state: RunState, number: int) -> bool:
    own = state.steps[number]
    if own.status is StepStatus.FAILED:
        return True
    if own.status is StepStatus.READY and not state.held(number):
        return bool(own.error) or state.obstacle(number) is not None
    return own.in_flight and bool(own.error)


def _cards_title(state: RunState, many: int) -> str:
    if state.approve_by is not None:
        return "A second person has to approve this run"
    if not many:
        return "Nobody has to act now"
    return "1 step needs a person" if many == 1 else f"{many} steps need a person"


def _progress(state: RunState, run: Json) -> Json:
    found = counts(state)
    if (examined := run["examined"]) is not None:
        words = f"{seen(run) or 'no machine in this plan'}"
        return {
            "done": examined["seen"],
            "total": examined["machines"],
            "asking": 0,
            "words": words,
        }
    done = sum(found[status] for status in _DONE)
    asking = found[StepStatus.WAITING]
    words = f"{done} of {len(state.steps)} steps are healthy or skipped"
    return {"done": done, "total": len(state.steps), "asking": asking, "words": words}


def _tally(state: RunState, run: Json) -> list[tuple[str, int]]:
    """Return how many steps stand how, in a dry run's own words where it is one."""
    if run["examined"] is None:
        return [(word, many) for word, many in run["counts"].items() if many]
    words = (examined_words(state, number) or "" for number in range(len(state.steps)))
    return Counter(words).most_common()


def _services(state: RunState, run: Json, now: datetime) -> list[Json]:
    """Return the services, first tier first, each with whom to call and how late it is."""
    contacts = {c.id: c for c in state.plan.contacts}
    shown = []
    for service in run["services"]:
        contact = contacts.get(service["contact"] or "")
        name, phone = (contact.name, contact.phone) if contact else ("", "")
        told = {"contact_name": name, "phone": phone, "late": late(service, run, now)}
        shown.append(service | told)
    return sorted(shown, key=lambda s: (s["tier"], s["id"]))


class Choice(NamedTuple):
    """A decision that a person may take here, in words."""

    verb: str
    words: str
    tone: str


_ANSWERS = (Choice("approve", "Yes, go on", "yes"), Choice("reject", "No, it fails", "no"))
_CURES = (
    Choice("retry", "Try again", "yes"),
    Choice("accept", "Accept: I vouch for it", "plain"),
    Choice("skip", "Skip: go on without it", "plain"),
    Choice("reject", "Leave it failed", "no"),
)


def card(state: RunState, number: int) -> Json:
    """Return what a person has to know to act on a step, and what they may decide.

    ``acts`` is whether anybody has to.
    """
    step, own = state.step(number), state.steps[number]
    obstacle = state.obstacle(number)
    shown = step_json(state, number)
    choices: tuple[Choice, ...] = ()
    if own.ask is Ask.MANUAL:
        choices, question = _ANSWERS, own.question
    elif own.ask is Ask.FAILURE:
        choices, question = _CURES, own.error or "It failed."
    else:
        question = obstacle.reason if obstacle else own.error
    return {
        **shown,
        "manual": own.ask is Ask.MANUAL,
        "acts": own.status is StepStatus.WAITING or state.held(number),
        "question": question,
        "hint": own.hint or (obstacle.hint if obstacle else ""),
        "choices": choices,
        "since": own.asked_at or (obstacle.since if obstacle else None),
        "behind": _behind(state, number),
        "bad_checks": _bad_checks(shown, question),
        "title": step.title or step.id,
    }


def _bad_checks(shown: Json, question: str) -> list[Json]:
    """Return the checks that do not hold, except those whose evidence is the error itself."""
    bad = [check for check in shown["checks"] if check["healthy"] is False]
    return [check for check in bad if not check["evidence"] or check["evidence"] not in question]


def _behind(state: RunState, number: int) -> int:
    """Return how many steps wait behind this one, directly or not."""
    graph = state.graph
    seen: set[int] = set()
    stack = [number]
    while stack:
        node = stack.pop()
        after = [edge.node for edge in graph.dependants[node]]
        if not graph.is_group(node) and (group := graph.group_of[node]) is not None:
            after.append(group)
        stack += (n for n in after if n not in seen)
        seen.update(after)
    steps = (node for node in seen if not graph.is_group(node))
    return sum(shown_status(state, node) not in _SETTLED for node in steps)

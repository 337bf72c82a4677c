"""What the pages of a run show, out of its state: words and numbers, no markup."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from drorch.run.state import RunState
from drorch.run.status import Ask, Mode, StepStatus
from drorch.run.views import Json, counts, needs_attention, run_json, shown_status, step_json

MANY = 200
"""Above so many steps the page shows what moves; the rest is one link away."""
MOST_ROWS = 500

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
    used = {types.get(s.machine.connector, "") for s in state.plan.steps if s.machine is not None}
    if used == {"simulated"}:
        return Band("live", "LIVE on a SIMULATED HYPERVISOR: no real machine is touched", "LIVE")
    if "simulated" in used:
        return Band("live", "LIVE: real machines are powered on (some are SIMULATED)", "LIVE")
    return Band("live", "LIVE: real machines are powered on", "LIVE")


def run_view(state: RunState, types: Mapping[str, str], show: str) -> dict[str, Any]:
    """Return what the page of a run is made of. *show* is ``all``, ``open`` or empty."""
    shown = show or ("open" if len(state.steps) > MANY else "all")
    numbers = [
        n for n, own in enumerate(state.steps) if shown == "all" or own.status not in _SETTLED
    ]
    cards = [card(state, number) for number in needs_attention(state)]
    return {
        "run": run_json(state),
        "over": state.is_over,
        "paused": state.paused,
        "aborting": state.aborting,
        "band": band_of(state, types),
        "seq": state.seq,
        "progress": _progress(state),
        "cards": cards,
        "cards_title": _cards_title(len(cards)),
        "rows": [step_json(state, number) for number in numbers[:MOST_ROWS]],
        "rows_left": max(0, len(numbers) - MOST_ROWS),
        "show": shown,
        "services": _services(state),
    }


def _cards_title(many: int) -> str:
    if not many:
        return "Nobody has to act now"
    return "1 step needs a person" if many == 1 else f"{many} steps need a person"


def _progress(state: RunState) -> Json:
    found = counts(state)
    done = sum(found[status] for status in _DONE)
    asking = found[StepStatus.WAITING]
    return {"done": done, "total": len(state.steps), "asking": asking}


def _services(state: RunState) -> Sequence[Json]:
    contacts = {contact.id: contact for contact in state.plan.contacts}
    shown = run_json(state)["services"]
    for service in shown:
        contact = contacts.get(service["contact"] or "")
        service["contact_name"] = contact.name if contact else ""
        service["phone"] = contact.phone if contact else ""
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
    """Return what a person has to know to act on a step, and what they may decide."""
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

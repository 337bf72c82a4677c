"""What a step waits for, taken apart: a page says it in its reader's language."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from api.locale import spelt
from drorch.model.plan import Callout, Wait
from drorch.run.schedule import full_limit, unmet_needs
from drorch.run.state import RunState, StepState
from drorch.run.status import Ask, Mode, OrderKind, StepStatus
from drorch.run.views import shown_status

_MOST_NAMED = 3


class Need(NamedTuple):
    """Something that has to come first: a step with its status, or a group with who is missing."""

    id: str
    status: str
    missing: int = 0
    members: int = 0


class Waits(NamedTuple):
    """``kind`` says which sentence, the rest what stands in it.

    Kinds: empty (nothing), obstacle, retry, paused, slot, turn, needs, answer, decision, outcome,
    span, callout, stop, run, check, checks.
    """

    kind: str = ""
    text: str = ""
    needs: tuple[Need, ...] = ()
    more: int = 0
    at: datetime | None = None
    limit: int = 0
    place: str = ""
    holding: int = 0
    checks: int = 0


NOTHING = Waits()


def waits_of(state: RunState, number: int) -> Waits:
    """Return what a step waits for; `NOTHING` where it has ended, or a dry run has looked."""
    own = state.steps[number]
    if state.mode is Mode.DRY_RUN and state.is_over:
        return NOTHING
    match own.status:
        case StepStatus.READY:
            return _ready(state, number, own)
        case StepStatus.PENDING | StepStatus.BLOCKED:
            return _unmet(state, number)
        case StepStatus.WAITING:
            return Waits(
                "answer" if own.ask is Ask.MANUAL else "decision", text=_who(state, number)
            )
        case StepStatus.STARTING:
            return _starting(state, number, own)
        case StepStatus.VERIFYING:
            return _verifying(state, number, own)
        case _:
            return NOTHING


def _ready(state: RunState, number: int, own: StepState) -> Waits:
    if (obstacle := state.obstacle(number)) is not None:
        return Waits("obstacle", text=obstacle.reason)
    if own.timer is not None:
        return Waits("retry", at=own.timer)
    if state.paused:
        return Waits("paused")
    return _full(state, number) or Waits("turn")


def _full(state: RunState, number: int) -> Waits | None:
    """Return the limit that keeps a ready step waiting, with how many slots it has."""
    full = full_limit(state, state.bucket(number))
    if full is None:
        return None
    (kind, name), limit = full
    return Waits("slot", text=name, place=kind, limit=limit)


def _unmet(state: RunState, number: int) -> Waits:
    """Name what is not satisfied yet: at most three."""
    nodes = unmet_needs(state, number)
    named = tuple(_need(state, node) for node in nodes[:_MOST_NAMED])
    return Waits("needs", needs=named, more=max(0, len(nodes) - _MOST_NAMED))


def _need(state: RunState, node: int) -> Need:
    if state.graph.is_group(node):
        group = state.plan.groups[node - len(state.steps)]
        members = len(state.graph.members[node])
        return Need(group.id, "", state.needs[node].unsatisfied, members)
    return Need(state.step(node).id, word_of(state, node))


def word_of(state: RunState, number: int) -> str:
    """Return the status that a page shows: one whose order may or may not be out is unknown."""
    own = state.steps[number]
    if own.doubt is not None and own.in_flight:
        return "unknown"
    return shown_status(state, number).value


def _who(state: RunState, number: int) -> str:
    own, step = state.steps[number], state.step(number)
    contact = state.plan.contact(own.assign or step.contact or state.plan.owner)
    return contact.name if contact else ""


def _starting(state: RunState, number: int, own: StepState) -> Waits:
    action = state.step(number).action
    if own.doubt:
        return Waits("outcome")
    if own.order is OrderKind.WAIT and isinstance(action, Wait):
        return Waits("span", text=spelt(action.duration.total_seconds()), at=own.timer)
    if isinstance(action, Callout):
        return Waits("callout", text=action.name)
    return Waits("stop" if own.order is OrderKind.STOP else "run", at=own.timer)


def _verifying(state: RunState, number: int, own: StepState) -> Waits:
    verify = state.step(number).verify
    holding = sum(c.name in own.checks and own.checks[c.name][0].healthy for c in verify)
    bad = (c.name for c in verify if c.name in own.checks and not own.checks[c.name][0].healthy)
    name = next(bad, "")
    return Waits("check" if name else "checks", text=name, holding=holding, checks=len(verify))

"""A run as a forecast needs it: what is left, how long each of it takes, what was seen so far."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from drorch.forecast.lengths import SHORTEST, Cell, Known, Length
from drorch.forecast.outline import Outline, outline
from drorch.forecast.pace import Ratio
from drorch.model.plan import Callout, Gate, PowerOn
from drorch.ports.connector import Power
from drorch.run.services import service_up_at
from drorch.run.state import NOT_LOOKED_AT, RunState, StepState, is_question
from drorch.run.status import FailureKind, OrderKind, Scope, StepStatus

_HEALTHY, _VERIFYING, _STARTING = StepStatus.HEALTHY, StepStatus.VERIFYING, StepStatus.STARTING
_FIRST_TRIES = frozenset({OrderKind.START, OrderKind.CALLOUT})
_UNSETTLED = frozenset({StepStatus.BLOCKED, StepStatus.WAITING, StepStatus.FAILED})


class Flight(NamedTuple):
    """A step under way that has taken ``used`` seconds of its length."""

    rank: int
    used: float


@dataclass(slots=True, kw_only=True)
class Draft:
    """Lists are by rank. ``names`` are step ids; ``stuck`` those of open steps without a rank.

    ``services`` has the ranks that a service which is not up still waits for; None where
    something that it needs is not to come. ``assumes`` names what is in the way.
    """

    at: datetime
    runs: int
    left: Outline
    names: Sequence[str]
    lengths: list[Length]
    flights: list[Flight]
    questions: Sequence[int]
    seen: Sequence[tuple[Cell, Ratio]]
    services: Mapping[str, Sequence[int] | None]
    stuck: Sequence[str]
    assumes: tuple[str, ...]


def drafted(state: RunState, now: datetime, known: Known) -> Draft:
    """Return all that a forecast needs of *state*: quickly, as others wait to change it."""
    left = outline(state, now)
    lengths, flights = _under_way(state, left, now, known)
    ranks = {number: rank for rank, number in enumerate(left.steps)}
    return Draft(
        at=now,
        runs=known.runs,
        left=left,
        names=[state.step(number).id for number in left.steps],
        lengths=lengths,
        flights=flights,
        questions=[rank for number, rank in ranks.items() if is_question(state.step(number))],
        seen=list(_seen(state, now, known)),
        services=_services(state, ranks),
        stuck=[state.step(n).id for n in range(len(state.steps)) if _stuck(state, n, ranks)],
        assumes=tuple(_in_the_way(state)),
    )


def _under_way(
    state: RunState, left: Outline, now: datetime, known: Known
) -> tuple[list[Length], list[Flight]]:
    lengths: list[Length] = []
    flights: list[Flight] = []
    flying = frozenset(left.flying)
    for rank, number in enumerate(left.steps):
        own = state.steps[number]
        if rank not in flying:
            runs = _runs_already(state, number, own)
            lengths.append((known.checks if runs else known.whole)[number])
            continue
        length, since = _flying(state, number, now, known)
        lengths.append(length)
        flights.append(Flight(rank, max(0.0, (now - since).total_seconds())))
    return lengths, flights


def _runs_already(state: RunState, number: int, own: StepState) -> bool:
    """Only its checks are ahead of it."""
    action = state.step(number).action
    if isinstance(action, PowerOn):
        return own.power is Power.RUNNING
    return isinstance(action, Callout) and own.acted and own.failure is FailureKind.UNHEALTHY


def _flying(state: RunState, number: int, now: datetime, known: Known) -> tuple[Length, datetime]:
    """Return the length of a step under way, and from when it counts."""
    own, step = state.steps[number], state.step(number)
    whole, ordered = known.whole[number], own.attempt_at or now
    if own.status is StepStatus.WAITING:
        return whole, own.asked_at or now
    if own.status is _STARTING and own.order is OrderKind.WAIT:
        rest = (own.timer - now).total_seconds() if own.timer else 0.0
        return whole._replace(median=max(0.0, rest) + known.checks[number].median), now
    if own.status is _STARTING or isinstance(step.action, Gate):
        return whole, ordered
    if own.order is OrderKind.START and not whole.learned and own.attempt_at is not None:
        return whole, ordered  # the plan has one word for both
    since = own.timer - step.verify_timeout if own.timer else (own.running_at or now)
    return known.checks[number], since


def _seen(state: RunState, now: datetime, known: Known) -> Iterator[tuple[Cell, Ratio]]:
    """Yield what the first attempts of this run took, measured by what was known."""
    for number, own in enumerate(state.steps):
        if own.spent + own.earlier != 1 or own.order not in _FIRST_TRIES or own.outside:
            continue
        under_way = own.status is _STARTING or own.status is _VERIFYING
        until = now if under_way else own.healthy_at
        if own.attempt_at is None or until is None or own.accepted_by:
            continue
        median, sigma, _, _, cell = known.whole[number]
        took = (until - own.attempt_at).total_seconds()
        if cell is not None and (took >= SHORTEST or not under_way):
            value = math.log(max(took, SHORTEST) / median)
            yield cell, Ratio(value, sigma, open=under_way)


def _services(state: RunState, ranks: Mapping[int, int]) -> Mapping[str, Sequence[int] | None]:
    found: dict[str, Sequence[int] | None] = {}
    for service in state.plan.services:
        if service.external or service_up_at(state, service) is not None:
            continue
        numbers = [state.index(step) for step in service.steps]
        missing = [n for n in numbers if state.steps[n].status is not _HEALTHY]
        comes = all(number in ranks for number in missing)
        found[service.id] = [ranks[number] for number in missing] if comes else None
    return found


def _stuck(state: RunState, number: int, ranks: Mapping[int, int]) -> bool:
    unsettled = state.steps[number].status in _UNSETTLED and not state.levels[number].satisfied
    return unsettled and number not in ranks


def _in_the_way(state: RunState) -> Iterator[str]:
    if state.paused:
        yield "the pause"
    for (scope, key), obstacle in state.obstacles.items():
        if scope is Scope.SITE:
            yield "the halt"
        elif scope is not Scope.MACHINE and obstacle.reason != NOT_LOOKED_AT:
            yield f"{scope} {key} being away"

"""What is left of a run, as a scheduler wants it: numbers in order of priority, and nothing else.

It is made in one go from a state that goes on changing; the rest of a forecast needs the state no
more, so it may take place in another thread.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple, TypeAlias

from drorch.model.plan import When
from drorch.run.state import RunState
from drorch.run.status import Ask, StepStatus
from drorch.run.waiting import limit_keys, limit_of

Key: TypeAlias = tuple[str, str]
_Gate: TypeAlias = tuple[int, When]
"""A group as somebody depends on it."""

NEVER = 1 << 30
"""More needs than can ever be met: such a step does not begin."""
_STARTED = When.STARTED
_TO_COME = frozenset({StepStatus.PENDING, StepStatus.READY})


class Later(NamedTuple):
    """A step that rests before its next attempt, for so many seconds."""

    seconds: float
    rank: int


@dataclass(slots=True)
class Outline:
    """The steps that are not settled; ``steps`` has their numbers in the plan, first to go first.

    A place in that order is a *rank*. Nodes behind the ranks are groups. ``takes`` has, by rank,
    the limits that a step counts against, ``free`` how many places each limit has left. Limits
    that cannot bind any more are left out.
    """

    steps: list[int]
    unmet: list[int] = field(default_factory=list)
    at_start: dict[int, tuple[int, ...]] = field(default_factory=dict)
    at_end: list[tuple[int, ...]] = field(default_factory=list)
    takes: list[tuple[int, ...]] = field(default_factory=list)
    free: list[int] = field(default_factory=list)
    flying: list[int] = field(default_factory=list)
    ready: list[int] = field(default_factory=list)
    later: list[Later] = field(default_factory=list)


def outline(state: RunState, now: datetime) -> Outline:
    """Return what is left of *state* at *now*, with nothing in its way but limits and needs.

    A pause, a halt, a hypervisor that is away are taken to end now. What waits for a person to
    decide about a failure or to release a hold, and what can't begin any more, never begins.
    """
    open_steps = [number for number in range(len(state.steps)) if _open(state, number)]
    open_steps.sort(key=state.priorities.__getitem__)
    out = Outline(steps=open_steps)
    _sort_out(state, out, now)
    _connect(state, out)
    _limit(state, out)
    return out


def _open(state: RunState, number: int) -> bool:
    """Tell whether a step is under way or may come: not whether it will."""
    own = state.steps[number]
    if own.status is StepStatus.WAITING:
        return own.ask is Ask.MANUAL
    return own.in_flight or own.status in _TO_COME


def _sort_out(state: RunState, out: Outline, now: datetime) -> None:
    stopping = bool(state.stopping)
    for rank, number in enumerate(out.steps):
        own = state.steps[number]
        unmet = NEVER
        if own.in_flight or own.status is StepStatus.WAITING:
            out.flying.append(rank)
        elif not stopping and not state.held(number):
            unmet = state.needs[number].unsatisfied
            if own.timer is not None and own.timer > now:
                out.later.append(Later((own.timer - now).total_seconds(), rank))
            elif own.status is StepStatus.READY:
                out.ready.append(rank)
        out.unmet.append(unmet)


def _connect(state: RunState, out: Outline) -> None:
    """Tell each step whom its start and its end bring nearer, directly or through its group."""
    many, graph = len(out.steps), state.graph
    place = [-1] * graph.size
    for rank, number in enumerate(out.steps):
        place[number] = rank
    gates = _gates(state, out, first=many)
    of_group: dict[int, list[_Gate]] = {}
    for gate in gates:
        of_group.setdefault(gate[0], []).append(gate)
    for rank, number in enumerate(out.steps):
        edges = graph.dependants[number]
        ends = [place[n] for n, when in edges if when is not _STARTED and place[n] >= 0]
        starts = [place[n] for n, when in edges if when is _STARTED and place[n] >= 0]
        group = graph.group_of[number]
        for gate in of_group.get(group, ()) if group is not None else ():
            (starts if gate[1] is _STARTED else ends).append(gates[gate])
        if starts and not state.levels[number].started:
            out.at_start[rank] = tuple(starts)
        out.at_end.append(tuple(ends))
    for group, wanted in gates:  # behind the ranks: whom each group lets go on
        edges = graph.dependants[group]
        out.at_end.append(tuple(place[n] for n, w in edges if w is wanted and place[n] >= 0))


def _gates(state: RunState, out: Outline, first: int) -> dict[_Gate, int]:
    """Number the groups that somebody waits for; their members' ends, or starts, open them."""
    gates: dict[_Gate, int] = {}
    for group in range(len(state.steps), state.graph.size):
        counts = state.needs[group]
        missing = {
            When.STARTED: counts.unstarted,
            When.HEALTHY: counts.unsatisfied,
            When.FINISHED: counts.unfinished,
        }
        for when in dict.fromkeys(edge.when for edge in state.graph.dependants[group]):
            if missing[when]:
                gates[group, when] = first + len(gates)
                out.unmet.append(missing[when])
    return gates


def _limit(state: RunState, out: Outline) -> None:
    """Count places only where there may be too few."""
    wanted = [_keys(state, number) for number in out.steps]
    number_of = _binding(state, wanted)
    out.free = [(limit_of(state, key) or 0) - state.slots.get(key, 0) for key in number_of]
    known: dict[tuple[Key, ...], tuple[int, ...]] = {}
    for keys in wanted:
        if keys not in known:
            known[keys] = tuple(number_of[key] for key in keys if key in number_of)
        out.takes.append(known[keys])


def _keys(state: RunState, number: int) -> tuple[Key, ...]:
    own = state.steps[number]
    bucket = own.slot if own.in_flight else state.bucket(number)
    return limit_keys(bucket) if bucket is not None and bucket.slot else ()


def _binding(state: RunState, wanted: Sequence[Iterable[Key]]) -> dict[Key, int]:
    """Return a number for each limit that is lower than what may want it."""
    many = Counter(key for keys in wanted for key in keys)
    limits = {key: limit_of(state, key) for key in many}
    binding = (key for key, limit in limits.items() if limit is not None and limit < many[key])
    return {key: number for number, key in enumerate(binding)}

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
    open_steps = [n for n, level in enumerate(state.levels[: len(state.steps)]) if _open(state, n)]
    open_steps.sort(key=lambda n: state.priorities[n])
    out = Outline(steps=open_steps)
    ranks = {number: rank for rank, number in enumerate(open_steps)}
    _sort_out(state, out, now)
    _connect(state, out, ranks)
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


def _connect(state: RunState, out: Outline, ranks: dict[int, int]) -> None:
    """Tell each step whom its start and its end bring nearer, directly or through its group."""
    gates = _gates(state, out, first=len(out.steps))
    for rank, number in enumerate(out.steps):
        begun = state.levels[number].started
        starts: list[int] = []
        ends: list[int] = []
        for after, when in state.graph.dependants[number]:
            if after in ranks:
                (starts if when is When.STARTED else ends).append(ranks[after])
        if (group := state.graph.group_of[number]) is not None:
            for when in When:
                if (gate := gates.get((group, when))) is not None:
                    (starts if when is When.STARTED else ends).append(gate)
        if starts and not begun:
            out.at_start[rank] = tuple(starts)
        out.at_end.append(tuple(ends))
    _open_gates(state, out, gates, ranks)


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


def _open_gates(
    state: RunState, out: Outline, gates: dict[_Gate, int], ranks: dict[int, int]
) -> None:
    """Tell each group, behind the ranks, whom it lets go on."""
    for group, when in gates:
        behind = state.graph.dependants[group]
        out.at_end.append(
            tuple(ranks[e.node] for e in behind if e.when is when and e.node in ranks)
        )


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

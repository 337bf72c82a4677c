"""What a run's state must be whatever happened: equal to its replay, with honest counters."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from drorch.journal import codec
from drorch.model.plan import When
from drorch.run import events as ev
from drorch.run.evolve import fold
from drorch.run.levels import _group_level, _step_level
from drorch.run.state import Level, NodeCounts, RunState
from drorch.run.status import Mode, Scope, StepStatus
from drorch.run.waiting import limit_keys

_SCRATCH = frozenset({"plan", "graph", "dirty", "priorities", "places", "group_limit"})
"""Not part of the comparison: given by the plan, or only told to the executor."""


def recoded(log: Sequence[ev.Event]) -> list[ev.Event]:
    """Return *log* as it comes back from a journal."""
    return [codec.decode(e.type, codec.encode(e), codec.version(e)) for e in log]


def facts(state: RunState) -> dict[str, Any]:
    return {key: value for key, value in vars(state).items() if key not in _SCRATCH}


def assert_replays(state: RunState, log: Sequence[ev.Event]) -> None:
    """Replay equals live, field by field."""
    again = facts(fold(recoded(log)))
    for key, value in facts(state).items():
        if key == "steps":
            for number, (live, folded) in enumerate(zip(value, again[key], strict=True)):
                assert live == folded, f"step {number}\n{live}\n{folded}"
        assert value == again[key], f"{key}: {value!r} is replayed as {again[key]!r}"
    assert state.seq == len(log)


def assert_honest(state: RunState) -> None:
    """Every counter that is kept along the way equals the same thing counted from scratch."""
    if state.mode is Mode.DRY_RUN:
        return
    levels = [_level(state, node) for node in range(state.graph.size)]
    assert state.levels == levels
    assert state.needs == [_counted(state, node, levels) for node in range(state.graph.size)]
    steps = range(len(state.steps))
    assert state.in_flight == sum(own.in_flight for own in state.steps)
    assert state.unfinished == sum(not levels[number].finished for number in steps)
    assert state.timers == sorted((s.timer, n) for n, s in enumerate(state.steps) if s.timer)
    _assert_slots(state)
    _assert_queues(state)


def _level(state: RunState, node: int) -> Level:
    if node < len(state.steps):
        return _step_level(state, node)
    return _group_level(state.needs[node])


def _counted(state: RunState, node: int, levels: Sequence[Level]) -> NodeCounts:
    counts = NodeCounts()
    for edge in state.graph.needs[node]:
        level = levels[edge.node]
        met = _met(edge.when, level)
        counts.unsatisfied += not met
        if not met and edge.when is not When.FINISHED:
            counts.soft += level.obstruct == 1
            counts.hard += level.obstruct == 2
    for member in state.graph.members[node]:
        level = levels[member]
        counts.unstarted += not level.started
        counts.unsatisfied += not level.satisfied
        counts.unfinished += not level.finished
        counts.soft += level.obstruct == 1
        counts.hard += level.obstruct == 2
    return counts


def _met(when: When, level: Level) -> bool:
    if when is When.HEALTHY:
        return level.satisfied
    return level.started if when is When.STARTED else level.finished


def _assert_slots(state: RunState) -> None:
    used: Counter[tuple[str, str]] = Counter()
    for own in state.steps:
        if own.slot is not None:
            assert own.in_flight
            used.update(limit_keys(own.slot))
    assert {key: count for key, count in state.slots.items() if count} == dict(used)


def _assert_queues(state: RunState) -> None:
    queued = {p.step: bucket for bucket, queue in state.buckets.items() for p in queue}
    for queue in state.buckets.values():
        assert queue == sorted(queue) and queue
    for number, own in enumerate(state.steps):
        held = (Scope.MACHINE, state.step(number).id) in state.obstacles
        waits = own.status is StepStatus.READY and own.timer is None and not held
        assert queued.get(number) == own.queued == (state.bucket(number) if waits else None)

"""How one step's change reaches those that depend on it: counters, never a scan.

Each edge contributes to its dependant's counters: unmet, and how much it obstructs. When a
node's level changes, only its own edges are touched, and so on for those that changed by it.
"""

from __future__ import annotations

from datetime import datetime
from functools import cache

from drorch.model.plan import When
from drorch.run.state import Level, NodeCounts, RunState, StepState, goes_on_failed
from drorch.run.status import Ask, StepStatus
from drorch.run.waiting import requeue, set_timer

_PENDING, _READY, _BLOCKED = StepStatus.PENDING, StepStatus.READY, StepStatus.BLOCKED
_STARTING, _VERIFYING = StepStatus.STARTING, StepStatus.VERIFYING
_HEALTHY = StepStatus.HEALTHY
"""Named once: until Python 3.12, to find a member in its class takes longer than a call."""
_FINAL = frozenset(
    {StepStatus.HEALTHY, StepStatus.FAILED, StepStatus.SKIPPED, StepStatus.CANCELLED}
)
_UNDECIDED = frozenset(
    {StepStatus.PENDING, StepStatus.READY, StepStatus.STARTING, StepStatus.VERIFYING}
)
_NOT_BEGUN, _BEGUN = Level(), Level(started=True)
_UP = Level(started=True, satisfied=True, finished=True)
_UNMOVED = (0, 0, 0)
_DEPENDENT = frozenset({StepStatus.PENDING, StepStatus.READY, StepStatus.BLOCKED})


def prime(state: RunState, at: datetime) -> None:
    """Fill the counters of a run that has just been requested."""
    graph = state.graph
    for counts, needs, members in zip(state.needs, graph.needs, graph.members, strict=True):
        counts.unsatisfied = len(needs) + len(members)
        counts.unstarted = counts.unfinished = len(members)
    steps = len(state.steps)
    for node in range(steps, graph.size):
        relevel(state, node, at)
    for node, counts in enumerate(state.needs[:steps]):
        if not counts.unsatisfied:  # nothing has happened yet that could obstruct the others
            _reconsider(state, node, at)


def relevel(state: RunState, node: int, at: datetime) -> None:
    """Recompute the level of *node* and carry every change to those who depend on it."""
    steps, levels = len(state.steps), state.levels
    if node < steps and _step_level(state, node) == levels[node]:
        return  # its status is new, but it means the same to others
    work = [node]
    while work:
        current = work.pop()
        old = levels[current]
        is_step = current < steps
        new = _step_level(state, current) if is_step else _group_level(state.needs[current])
        if new == old:
            continue
        levels[current] = new
        if is_step and old.finished is not new.finished:
            state.unfinished += old.finished - new.finished
        touched = _spread(state, current, old, new)
        if touched:
            work += [n for n in touched if n >= steps or _reconsider(state, n, at)]


def _group_level(counts: NodeCounts) -> Level:
    satisfied = counts.unsatisfied == 0
    obstruct = 0 if satisfied else 2 if counts.hard else 1 if counts.soft else 0
    return Level(counts.unstarted == 0, satisfied, counts.unfinished == 0, obstruct)


def _step_level(state: RunState, node: int) -> Level:
    own = state.steps[node]
    status = own.status
    if status is _HEALTHY:
        return _UP
    if status is _STARTING or status is _VERIFYING or status in _UNDECIDED:
        return _BEGUN if own.begun else _NOT_BEGUN
    failed_on = status is StepStatus.FAILED and goes_on_failed(state.step(node))
    satisfied = failed_on or status is StepStatus.SKIPPED
    doomed = status is _BLOCKED and state.needs[node].hard > 0
    return Level(
        started=own.begun or satisfied,
        satisfied=satisfied,
        finished=doomed or status in _FINAL,
        obstruct=0 if satisfied else _obstruct(own, doomed=doomed),
    )


def _obstruct(own: StepState, *, doomed: bool) -> int:
    if doomed or own.status in (StepStatus.FAILED, StepStatus.CANCELLED):
        return 2
    asks = own.status is StepStatus.WAITING and own.ask is Ask.FAILURE
    return 1 if asks or own.status is StepStatus.BLOCKED else 0


def _spread(state: RunState, node: int, old: Level, new: Level) -> list[int]:
    """Adjust the counters of everyone who depends on *node*; return those that have changed."""
    touched: list[int] = []
    needs, graph = state.needs, state.graph
    if node in graph.watched_early or old[1:] != new[1:]:
        # Who needs it healthy does not care that it has begun.
        known, shift = None, _UNMOVED
        unmet, soft, hard = shift
        for after, when in graph.dependants[node]:
            if when is not known:
                known, shift = when, _shift(when, old, new)
                unmet, soft, hard = shift
            if shift is _UNMOVED:
                continue
            counts = needs[after]
            counts.unsatisfied += unmet
            if soft or hard:
                counts.soft += soft
                counts.hard += hard
            touched.append(after)
    if node < len(state.steps) and (group := graph.group_of[node]) is not None:
        _shift_member(needs[group], old, new)
        touched.append(group)
    return touched


@cache
def _shift(when: When, old: Level, new: Level) -> tuple[int, int, int]:
    """Return what the change adds to the unmet, soft and hard needs of each dependant."""
    met_before, met_now = _met(when, old), _met(when, new)
    # Who waits for the end of a step is never obstructed by how it ends.
    before = 0 if met_before or when is When.FINISHED else old.obstruct
    now = 0 if met_now or when is When.FINISHED else new.obstruct
    if met_before == met_now and before == now:
        return _UNMOVED
    return met_before - met_now, (now == 1) - (before == 1), (now == 2) - (before == 2)


def _shift_member(counts: NodeCounts, old: Level, new: Level) -> None:
    counts.unstarted += old.started - new.started
    counts.unsatisfied += old.satisfied - new.satisfied
    counts.unfinished += old.finished - new.finished
    counts.soft += (new.obstruct == 1) - (old.obstruct == 1)
    counts.hard += (new.obstruct == 2) - (old.obstruct == 2)


def _met(when: When, level: Level) -> bool:
    if when is When.HEALTHY:
        return level.satisfied
    return level.started if when is When.STARTED else level.finished


def _reconsider(state: RunState, node: int, at: datetime) -> bool:
    """Give a step that has not begun the status that its needs imply; tell if it changed."""
    own, counts = state.steps[node], state.needs[node]
    status = own.status
    if status is _PENDING and counts.unsatisfied and not (counts.soft or counts.hard):
        return False  # as before: by far the most frequent answer
    if status not in _DEPENDENT:
        start_deadline(state, node, at)
        return False
    implied = _implied(counts)
    # A blocked step is looked at again: a soft obstacle may have become a hard one.
    changed = implied is _BLOCKED or status is not implied
    own.status = implied
    if implied is _READY and own.ready_at is None:
        own.ready_at = at
    if implied is not _READY:
        set_timer(state, node, None)
    requeue(state, node)
    return changed


def _implied(counts: NodeCounts) -> StepStatus:
    if counts.soft or counts.hard:
        return _BLOCKED
    return _PENDING if counts.unsatisfied else _READY


def start_deadline(state: RunState, node: int, at: datetime) -> None:
    """A machine that was started outside has a deadline from when its needs are met.

    Or from when they never will be: somebody has to hear of it, and the run has to end.
    """
    own, counts = state.steps[node], state.needs[node]
    waits = own.status is _VERIFYING and own.timer is None
    if waits and (counts.unsatisfied == 0 or counts.hard):
        set_timer(state, node, at + state.step(node).verify_timeout)

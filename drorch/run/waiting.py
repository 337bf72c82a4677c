"""What waits: ready steps in queues by limit, and deadlines in order of time."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import Counter
from datetime import datetime
from functools import lru_cache

from drorch.run.state import Bucket, RunState
from drorch.run.status import Scope, StepStatus

_READY = StepStatus.READY  # named once: to find it in its class takes longer than a call


def set_timer(state: RunState, number: int, at: datetime | None) -> None:
    """Give a step the one moment at which time alone changes something for it."""
    own = state.steps[number]
    if own.timer == at:
        return
    if state.folding:
        own.timer = at
        return
    if own.timer is not None:
        entry = (own.timer, number)
        del state.timers[bisect_left(state.timers, entry)]
    own.timer = at
    if at is not None:
        insort(state.timers, (at, number))


def requeue(state: RunState, number: int) -> None:
    """Put a step into the queue that it belongs to now, or take it out of any."""
    if state.folding:
        return
    own = state.steps[number]
    if own.queued is None and own.status is not _READY:
        return  # it waits nowhere and need not: by far the most frequent answer
    wanted = _queue_of(state, number)
    if own.queued == wanted:
        return
    if own.queued is not None:
        _remove(state, own.queued, number)
    if wanted is not None:
        insort(state.buckets.setdefault(wanted, []), state.priorities[number])
    own.queued = wanted


def line_up(state: RunState) -> None:
    """Make all queues, timers and counts of slots at once, as each event would have left them."""
    state.folding = False
    taken = (own.slot for own in state.steps if own.slot is not None)
    for bucket, number in Counter(taken).items():
        _count(state, bucket, number)
    state.timers = sorted((own.timer, n) for n, own in enumerate(state.steps) if own.timer)
    state.buckets = {}
    priorities, steps = state.priorities, state.steps
    ready = [priorities[n] for n, own in enumerate(steps) if own.status is _READY]
    for priority in sorted(ready):
        wanted = _queue_of(state, priority.step)
        state.steps[priority.step].queued = wanted
        if wanted is not None:
            state.buckets.setdefault(wanted, []).append(priority)


def _queue_of(state: RunState, number: int) -> Bucket | None:
    own = state.steps[number]
    if own.status is not _READY or own.timer is not None:
        return None
    if state.obstacles and (Scope.MACHINE, state.step(number).id) in state.obstacles:
        return None
    return state.bucket(number)


def _remove(state: RunState, bucket: Bucket, number: int) -> None:
    queue, priority = state.buckets[bucket], state.priorities[number]
    # Whoever begins stands at the head.
    del queue[0 if queue[0] is priority else bisect_left(queue, priority)]
    if not queue:
        del state.buckets[bucket]


def take_slot(state: RunState, number: int) -> None:
    """Count a step against every limit that it falls under."""
    own = state.steps[number]
    bucket = state.bucket(number)
    if own.slot is None and bucket.slot:
        own.slot = bucket
        if not state.folding:
            _count(state, bucket, 1)


def free_slot(state: RunState, number: int) -> None:
    own = state.steps[number]
    if own.slot is not None:
        if not state.folding:
            _count(state, own.slot, -1)
        own.slot = None


def _count(state: RunState, bucket: Bucket, by: int) -> None:
    slots = state.slots
    for key in limit_keys(bucket):
        slots[key] = slots.get(key, 0) + by
        if not slots[key]:
            del slots[key]


@lru_cache(maxsize=4096)
def limit_keys(bucket: Bucket) -> tuple[tuple[str, str], ...]:
    """Return the counters that a step of this bucket moves."""
    keys = [("plan", "")]
    if bucket.connector is not None:
        keys.append(("connector", bucket.connector))
    if bucket.host is not None:
        keys.append(("host", f"{bucket.connector}/{bucket.host}"))
    if bucket.group is not None:
        keys.append(("group", bucket.group))
    return tuple(keys)


def limit_of(state: RunState, key: tuple[str, str]) -> int | None:
    """Return the limit behind a counter; None is no limit."""
    kind, name = key
    limits = state.plan.limits
    if kind == "plan":
        return limits.parallel
    if kind == "connector":
        return limits.per_connector.get(name)
    return limits.per_host if kind == "host" else state.group_limit.get(name)

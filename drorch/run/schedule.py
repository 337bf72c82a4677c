"""Who goes next: the best of the ready steps that every limit admits."""

from __future__ import annotations

import heapq
from collections.abc import Iterator

from drorch.run.state import HALT, Bucket, Priority, RunState, host_key
from drorch.run.status import Scope
from drorch.run.waiting import limit_keys, limit_of


def ready_now(state: RunState) -> Iterator[int]:
    """Yield, in order of priority, the steps that may begin; counts each against the limits.

    A queue holds the steps that share all limits, so only the heads of queues are compared.
    """
    used, limits = dict(state.slots), _Limits(state)
    heads = [
        (queue[0], 0, bucket)
        for bucket, queue in state.buckets.items()
        if not _is_barred(state, bucket)
    ]
    heapq.heapify(heads)
    while heads:
        head, position, bucket = heapq.heappop(heads)
        if bucket.slot and not _admit(limits[bucket], used):
            continue  # limits only tighten while we choose: this queue is done
        yield head.step
        _push_next(state, heads, position + 1, bucket)


def _push_next(
    state: RunState, heads: list[tuple[Priority, int, Bucket]], position: int, bucket: Bucket
) -> None:
    queue = state.buckets[bucket]
    if position < len(queue):
        heapq.heappush(heads, (queue[position], position, bucket))


def _is_barred(state: RunState, bucket: Bucket) -> bool:
    if not state.obstacles or not bucket.slot:
        return False
    if HALT in state.obstacles:
        return True
    if bucket.connector is None:
        return False
    if (Scope.CONNECTOR, bucket.connector) in state.obstacles:
        return True
    if bucket.host is None:
        return False
    return (Scope.HOST, host_key(bucket.connector, bucket.host)) in state.obstacles


class _Limits(dict[Bucket, list[tuple[tuple[str, str], int]]]):
    """The counters with a limit that a step of a bucket moves, looked up once for each bucket."""

    def __init__(self, state: RunState) -> None:
        super().__init__()
        self._state = state

    def __missing__(self, bucket: Bucket) -> list[tuple[tuple[str, str], int]]:
        found = ((key, limit_of(self._state, key)) for key in limit_keys(bucket))
        self[bucket] = limits = [(key, limit) for key, limit in found if limit is not None]
        return limits


def _admit(limits: list[tuple[tuple[str, str], int]], used: dict[tuple[str, str], int]) -> bool:
    for key, limit in limits:
        if used.get(key, 0) >= limit:
            return False
    for key, _ in limits:
        used[key] = used.get(key, 0) + 1
    return True


def what_is_full(state: RunState, bucket: Bucket) -> str:
    """Return which limit keeps a ready step waiting, in words; empty if none does."""
    full = full_limit(state, bucket)
    if full is None:
        return ""
    (kind, name), limit = full
    where = f" of {kind} {name}" if name else ""
    return f"all {limit} slots{where} are taken"


def full_limit(state: RunState, bucket: Bucket) -> tuple[tuple[str, str], int] | None:
    """Return the first limit that keeps a ready step waiting, and how many slots it has."""
    for key in limit_keys(bucket) if bucket.slot else ():
        limit = limit_of(state, key)
        if limit is not None and state.slots.get(key, 0) >= limit:
            return key, limit
    return None


def unmet_needs(state: RunState, number: int) -> list[int]:
    """Return what a step needs that is not satisfied yet, the obstructed first."""
    found: list[tuple[int, int]] = []
    for edge in state.graph.needs[number]:
        level = state.levels[edge.node]
        met = {"healthy": level.satisfied, "started": level.started, "finished": level.finished}
        if not met[edge.when]:
            found.append((-level.obstruct, edge.node))
    return [node for _, node in sorted(found, key=lambda entry: entry[0])]

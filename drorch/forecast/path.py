"""The remaining critical path of a schedule: what the end has waited for, step by step."""

from __future__ import annotations

from math import inf

from drorch.forecast.outline import Outline
from drorch.forecast.scheduler import Schedule

_SAME = 1e-5
"""Seconds: a step begins at the end of what it has waited for, and rounding is all between."""


def critical_path(left: Outline, seen: Schedule, starts: dict[int, float]) -> list[int]:
    """Return the ranks on the longest chain of *seen*, the first to go first.

    Each has waited for the one before: it needed it, or the place that it took.
    """
    done = [rank for rank, end in enumerate(seen.ends) if end < inf]
    last = max(done, key=lambda rank: (seen.ends[rank], -rank), default=None)
    needed = _needed(left)
    path: list[int] = []
    while last is not None:
        path.append(last)
        last = _before(left, seen, starts, needed[last], last)
    return path[::-1]


def _needed(left: Outline) -> list[list[tuple[int, bool]]]:
    """Return for each rank whom it needs, and whether their start is enough."""
    needed: list[list[tuple[int, bool]]] = [[] for _ in left.steps]
    for rank in range(len(left.steps)):
        for nodes, at_start in ((left.at_start.get(rank, ()), True), (left.at_end[rank], False)):
            for node in nodes:
                behind = (node,) if node < len(left.steps) else left.at_end[node]
                for after in behind:
                    needed[after].append((rank, at_start))
    return needed


def _before(
    left: Outline,
    seen: Schedule,
    starts: dict[int, float],
    needed: list[tuple[int, bool]],
    rank: int,
) -> int | None:
    began = seen.began[rank]
    if began <= _SAME:
        return None
    for before, at_start in needed:
        met = seen.began[before] + starts.get(before, 0.0) if at_start else seen.ends[before]
        if abs(met - began) <= _SAME:
            return before
    shared = set(left.takes[rank])
    places = (
        other
        for other, end in enumerate(seen.ends)
        if abs(end - began) <= _SAME and shared.intersection(left.takes[other])
    )
    return min(places, default=None)

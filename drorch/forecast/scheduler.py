"""A compact list scheduler: the engine's order and limits, with every duration given beforehand.

The same rules as `drorch.run.schedule` and `drorch.run.levels`, for a run in which nothing fails:
of the ready steps the best that every limit admits, at each moment at which something has ended.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from heapq import heappop, heappush
from math import inf, nextafter
from typing import NamedTuple

from drorch.forecast.outline import Outline

_TOGETHER = 1e-6
"""Seconds within which the engine takes things for simultaneous: places go to the best of all."""


class Schedule(NamedTuple):
    """When each step begins and ends, by rank, in seconds from now; infinity for never."""

    began: list[float]
    ends: list[float]


def schedule(left: Outline, lengths: Sequence[float], starts: Mapping[int, float]) -> Schedule:
    """Return when everything begins and ends if each step takes its length, in seconds.

    For what is under way a length is what is left of it. *starts* has, for the ranks whose start
    others wait for, how long after its beginning that is.
    """
    line = _Line(left, lengths, starts)
    line.run()
    return Schedule(line.began, line.ends)


class _Line:
    """One pass. Moments are a heap of floats, each with what happens then in a dictionary.

    What happens is a number: a rank has ended, its complement has started, a rank beyond the last
    has rested long enough. Written out in one place, as it runs hundreds of thousands of times.
    """

    __slots__ = ("_at", "_left", "_lengths", "_moments", "_starts", "began", "ends")

    def __init__(
        self, left: Outline, lengths: Sequence[float], starts: Mapping[int, float]
    ) -> None:
        self._left, self._lengths, self._starts = left, lengths, starts
        self._at: dict[float, int] = {}
        self._moments: list[float] = []
        self.began = [inf] * len(left.steps)
        self.ends = [inf] * len(left.steps)
        for rank in left.flying:
            self.began[rank] = 0.0
            self._plan(lengths[rank], rank)
            if rank in starts:
                self._plan(starts[rank], ~rank)
        for seconds, rank in left.later:
            self._plan(seconds, rank + len(left.steps))

    def _plan(self, moment: float, what: int) -> None:
        while moment in self._at:
            moment = nextafter(moment, inf)
        self._at[moment] = what
        heappush(self._moments, moment)

    def run(self) -> None:
        left, lengths, starts = self._left, self._lengths, self._starts
        takes, at_end, at_start, many = left.takes, left.at_end, left.at_start, len(left.steps)
        began, ends, at, moments = self.began, self.ends, self._at, self._moments
        unmet, free, ready = left.unmet.copy(), left.free.copy(), sorted(left.ready)
        parked: list[list[int]] = [[] for _ in free]
        now = 0.0
        while True:
            while ready:
                rank = heappop(ready)
                own = takes[rank]
                for limit in own:
                    if free[limit] < 1:
                        heappush(parked[limit], rank)
                        for other in own:  # the next in line there may have a place
                            if free[other] > 0 and parked[other]:
                                heappush(ready, heappop(parked[other]))
                        break
                else:
                    for limit in own:
                        free[limit] -= 1
                    began[rank] = now
                    moment = now + lengths[rank]
                    while moment in at:
                        moment = nextafter(moment, inf)
                    at[moment] = rank
                    heappush(moments, moment)
                    if rank in starts:
                        self._plan(now + starts[rank], ~rank)
            if not moments:
                return
            now = moment = heappop(moments)
            while True:
                rank = at.pop(moment)
                if 0 <= rank < many:
                    ends[rank] = moment
                    for limit in takes[rank]:
                        free[limit] += 1
                        if parked[limit]:
                            heappush(ready, heappop(parked[limit]))
                    reached = at_end[rank]
                elif rank < 0:
                    reached = at_start[~rank]
                else:
                    heappush(ready, rank - many)
                    reached = ()
                for node in reached:
                    unmet[node] -= 1
                    if not unmet[node]:
                        if node < many:
                            heappush(ready, node)
                        else:
                            for behind in at_end[node]:
                                unmet[behind] -= 1
                                if not unmet[behind]:
                                    heappush(ready, behind)
                if moments and moments[0] - now <= _TOGETHER:
                    moment = heappop(moments)
                else:
                    break

"""In which order the boxes of each layer stand, so that few lines cross.

A line that passes layers goes through a *bend* in each of them: an invisible node with a place of
its own, so that no line runs under a box. All lines from one box share their bends.
"""

from __future__ import annotations

from bisect import bisect_right, insort
from collections.abc import Collection, Sequence
from itertools import pairwise
from typing import NamedTuple

SWEEPS = 12
_COUNTED = 6_000
"""Up to so many pieces of lines the crossings are counted after each sweep; then at the end."""

Line = tuple[int, int]


class Web:
    """Boxes ``0 .. count-1`` and, after them, bends; every piece of a line joins two neighbours."""

    def __init__(self, layers: Sequence[int], lines: Sequence[Line]) -> None:
        self.boxes = len(layers)
        self.layer = list(layers)
        self.rows: list[list[int]] = [[] for _ in range(max(layers, default=-1) + 1)]
        self.before: list[list[int]] = [[] for _ in layers]
        self.after: list[list[int]] = [[] for _ in layers]
        for box, layer in enumerate(layers):
            self.rows[layer].append(box)
        self._bends: dict[int, list[int]] = {}
        for source, target in lines:
            self._join(source, target)

    def _join(self, source: int, target: int) -> None:
        bends = self._bends.setdefault(source, [])
        passed = self.layer[target] - self.layer[source] - 1
        while len(bends) < passed:
            last = bends[-1] if bends else source
            bends.append(self._bend(last))
        last = bends[passed - 1] if passed else source
        self.after[last].append(target)
        self.before[target].append(last)

    def _bend(self, last: int) -> int:
        bend = len(self.layer)
        self.layer.append(self.layer[last] + 1)
        self.rows[self.layer[bend]].append(bend)
        self.after[last].append(bend)
        self.before.append([last])
        self.after.append([])
        return bend

    def route(self, line: Line) -> list[int]:
        """Return what a line goes through, both its ends included."""
        source, target = line
        passed = self.layer[target] - self.layer[source] - 1
        return [source, *self._bends.get(source, [])[:passed], target]

    def keep(self, lines: Collection[Line]) -> None:
        """Forget the bends that none of *lines* needs; the order of the rest stays."""
        kept = set(range(self.boxes))
        pieces: set[Line] = set()
        for line in lines:
            route = self.route(line)
            kept.update(route)
            pieces.update(pairwise(route))
        self.rows = [[item for item in row if item in kept] for row in self.rows]
        self.before = [[b for b in it if (b, n) in pieces] for n, it in enumerate(self.before)]
        self.after = [[a for a in it if (n, a) in pieces] for n, it in enumerate(self.after)]


class _Best(NamedTuple):
    crossings: int
    rows: list[list[int]]


def uncross(web: Web) -> None:
    """Order each layer of *web* by the barycentres of its neighbours, down and up in turn."""
    best = _Best(crossings(web), [list(row) for row in web.rows])
    place = [0] * len(web.layer)
    for row in web.rows:
        _number(row, place)
    is_small = sum(map(len, web.after)) <= _COUNTED
    for sweep in range(SWEEPS):
        if best.crossings == 0:
            break
        down = sweep % 2 == 0
        beside = web.before if down else web.after
        for row in web.rows if down else reversed(web.rows):
            _by_barycentre(row, beside, place)
        if is_small or sweep >= SWEEPS - 2:
            found = crossings(web)
            if found < best.crossings:
                best = _Best(found, [list(row) for row in web.rows])
    web.rows = best.rows


def _by_barycentre(row: list[int], beside: Sequence[Sequence[int]], place: list[int]) -> None:
    centre: dict[int, float] = {}
    for item in row:
        near = beside[item]
        if not near:
            centre[item] = place[item]
        elif len(near) == 1:
            centre[item] = place[near[0]]
        else:
            centre[item] = sum([place[n] for n in near]) / len(near)
    row.sort(key=centre.__getitem__)  # stable: who has no reason to move does not
    _number(row, place)


def _number(row: Sequence[int], place: list[int]) -> None:
    for number, item in enumerate(row):
        place[item] = number


def crossings(web: Web) -> int:
    """Return how many pairs of lines cross."""
    place = [0] * len(web.layer)
    for row in web.rows:
        _number(row, place)
    total = 0
    for row in web.rows:
        ends: list[int] = []
        for item in row:
            after = sorted([place[target] for target in web.after[item]])
            total += sum([len(ends) - bisect_right(ends, end) for end in after])
            for end in after:
                insort(ends, end)
    return total

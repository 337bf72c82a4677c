"""The graph that every contestant gets: seeded, layered, about two parents a node."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass
from functools import cached_property

SLOTS = 32
"""How many nodes may be at work at once, for every contestant."""
MEDIAN = 0.2
"""Seconds: the median boot time of a node; lognormal, sigma 0.5."""
_SIGMA = 0.5
_FAR = 0.3
"""How often a second or third parent is of any earlier layer and not of the one before."""


@dataclass(frozen=True)
class Dag:
    """Nodes are numbers, and parents have smaller ones; ``boots`` are seconds by node."""

    parents: tuple[tuple[int, ...], ...]
    boots: tuple[float, ...]

    @property
    def size(self) -> int:
        return len(self.parents)

    @cached_property
    def children(self) -> list[list[int]]:
        out: list[list[int]] = [[] for _ in self.parents]
        for node, parents in enumerate(self.parents):
            for parent in parents:
                out[parent].append(node)
        return out

    @cached_property
    def chains(self) -> list[float]:
        """The priority: seconds from the start of a node to the end of its longest chain."""
        chains = [0.0] * self.size
        for node in reversed(range(self.size)):
            after = max((chains[child] for child in self.children[node]), default=0.0)
            chains[node] = self.boots[node] + after
        return chains

    def lower_bound(self, slots: int = SLOTS) -> float:
        """Return the seconds below which no schedule can come: longest chain, or work by slots."""
        return max(max(self.chains, default=0.0), sum(self.boots) / slots)


def layered(count: int, *, median: float = MEDIAN, seed: int = 42) -> Dag:
    """Return the graph of *count* nodes: the same one whenever the arguments are the same."""
    chance = random.Random(seed + count)
    layers = max(10, count // 100) if count > 1000 else max(1, min(20, count // 10))
    width = max(1, count // layers)
    parents = []
    boots = []
    for node in range(count):
        layer = min(node // width, layers - 1)
        parents.append(_parents(chance, layer, width) if layer else ())
        boots.append(round(median * math.exp(chance.gauss(0, _SIGMA)), 4))
    return Dag(tuple(parents), tuple(boots))


def _parents(chance: random.Random, layer: int, width: int) -> tuple[int, ...]:
    before = range((layer - 1) * width, layer * width)
    found = {chance.choice(before)}
    for _ in range(chance.choice((0, 1, 2))):
        far = chance.random() < _FAR
        found.add(chance.randrange(layer * width) if far else chance.choice(before))
    return tuple(sorted(found))

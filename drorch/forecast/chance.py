"""Draws durations: in each sample one for every step that is left, at one pace of the run."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from functools import cache
from math import exp, log
from operator import mul, neg
from statistics import NormalDist
from typing import TypeAlias

from drorch.forecast.draft import Draft
from drorch.forecast.lengths import SHORTEST, Cell
from drorch.forecast.pace import Pace, survival

Drawn: TypeAlias = tuple[Sequence[float], dict[int, float]]
"""Lengths by rank, and for the starts that others wait for how long after its beginning each is."""

_NORMAL = NormalDist()
_DEVIATES = 1024
_FAR = 8.0
"""Standard deviations beyond which the tail is taken to be exponential."""


class Chance:
    """The durations of a draft: the usual ones, or as many draws as are wanted."""

    def __init__(self, draft: Draft, seed: int) -> None:
        self._draft = draft
        self._random = random.Random(seed)  # noqa: S311 (a forecast is no secret)
        self._pace = Pace(draft.seen)
        cells = {length.cell for length in draft.lengths if length.cell is not None}
        self._cells: list[Cell] = sorted(cells)
        places = {cell: place for place, cell in enumerate(self._cells)}
        self._place = [places[x.cell] if x.cell else -1 for x in draft.lengths]
        self._medians = [length.median for length in draft.lengths]
        spread = self._pace.spread
        self._sigmas = [length.sigma * spread(length.cell) for length in draft.lengths]
        self._shares = {r: self._share(r) for r in draft.left.at_start}
        self._used = dict(draft.flights)

    def _share(self, rank: int) -> float:
        length = self._draft.lengths[rank]
        return length.action / length.median if length.median else 0.0

    def usual(self) -> Drawn:
        """Return the medians at the pace that this run has most likely."""
        return self._lengths(self._pace.factors(self._cells, 0.0, [0.0] * len(self._cells)), None)

    def draws(self, many: int) -> Iterator[Drawn]:
        """Yield *many* samples. Each second one mirrors the one before: it takes fewer of them."""
        strata = [_NORMAL.inv_cdf((k + 0.5) / many) for k in range(many // 2, many)]
        self._random.shuffle(strata)
        for quantile in strata:
            noise = self._random.choices(_deviates(), k=len(self._cells))
            deviates = self._random.choices(_deviates(), k=len(self._medians))
            for sign in (1, -1)[:many]:
                factors = self._pace.factors(
                    self._cells, sign * quantile, [sign * value for value in noise]
                )
                yield self._lengths(factors, deviates if sign > 0 else list(map(neg, deviates)))

    def _lengths(self, factors: list[float], deviates: Sequence[float] | None) -> Drawn:
        factors.append(1.0)  # for those who are slow with nobody: place -1
        medians = list(map(mul, self._medians, map(factors.__getitem__, self._place)))
        lengths = medians
        if deviates is not None:
            lengths = list(map(mul, medians, map(exp, map(mul, self._sigmas, deviates))))
        for rank, used in self._draft.flights:
            deviate = 0.0 if deviates is None else deviates[rank]
            lengths[rank] = _rest(used, medians[rank], self._sigmas[rank], deviate)
        return lengths, {rank: self._start(rank, lengths[rank]) for rank in self._shares}

    def _start(self, rank: int, length: float) -> float:
        used = self._used.get(rank, 0.0)
        return max(0.0, self._shares[rank] * (length + used) - used)


def _rest(used: float, median: float, sigma: float, deviate: float) -> float:
    """Return what is left of a length after *used* seconds, given that it has lasted so long."""
    if sigma == 0 or median <= 0:
        return max(0.0, median - used)
    if used < SHORTEST:
        return max(0.0, median * exp(sigma * deviate) - used)
    above = survival(deviate)  # uniform between 0 and 1
    z = log(used / median) / sigma
    if z < _FAR:
        z = -_NORMAL.inv_cdf(max(survival(z) * above, 1e-300))
    else:
        z += -log(max(above, 1e-9)) / z
    return max(0.0, median * exp(sigma * z) - used)


@cache
def _deviates() -> Sequence[float]:
    """Return standard normal deviates, evenly likely: to pick one is quicker than to draw one."""
    return [_NORMAL.inv_cdf((k + 0.5) / _DEVIATES) for k in range(_DEVIATES)]

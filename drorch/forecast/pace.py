"""What this run has taught so far: how much slower or faster it is than what was known before.

Two levels, as far as they were seen: the whole run, and within it each cell of steps that share a
connector and a group. What is seen of few steps is drawn towards what holds for all (the posterior
of a normal model on logarithms). A step that is still under way counts with what it has taken: if
only those counted that are done, the slow ones would be missing.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from drorch.forecast.lengths import Cell

_RUN_GUESSED, _RUN_LEARNED = 0.4, 0.2
"""How far a whole run strays from the plan's word, and from earlier runs."""
_CELL = 0.2
_ROUNDS = 3
"""Of weighing anew what is still under way; more change nothing that can be seen."""
_LEAST = 1e-3
_USUAL = 6
"""So many steps of this run weigh as much as what was known of how far single steps stray."""


class Ratio(NamedTuple):
    """The logarithm of what a step took over what was known. ``open``: at least so much."""

    value: float
    sigma: float
    open: bool


class _Mean(NamedTuple):
    value: float
    variance: float


class Pace:
    """The factor on the durations of each cell, as a distribution."""

    def __init__(self, seen: Iterable[tuple[Cell, Ratio]]) -> None:
        self._runs: dict[bool, _Mean] = {}
        self._cells: dict[Cell, _Mean] = {}
        self._spreads: dict[bool, float] = {}
        ratios: dict[Cell, list[Ratio]] = {}
        for cell, ratio in seen:
            ratios.setdefault(cell, []).append(ratio)
        for learned in (False, True):
            own = {cell: found for cell, found in ratios.items() if cell[0] is learned}
            self._learn(learned, own)

    def _learn(self, learned: bool, ratios: Mapping[Cell, Sequence[Ratio]]) -> None:
        prior = (_RUN_LEARNED if learned else _RUN_GUESSED) ** 2
        run, cells = _Mean(0.0, prior), dict.fromkeys(ratios, _Mean(0.0, math.inf))
        middle = dict.fromkeys(ratios, 0.0)
        for _ in range(_ROUNDS):
            cells = {cell: _weighed(found, middle[cell]) for cell, found in ratios.items()}
            run = _shrunk(prior, cells.values())
            middle = {cell: _within(run.value, mean).value for cell, mean in cells.items()}
        self._runs[learned] = run
        self._cells |= cells
        self._spreads[learned] = _spread(ratios, middle)

    def spread(self, cell: Cell | None) -> float:
        """Return by what factor single steps stray more, or less, than was known."""
        return 1.0 if cell is None else self._spreads[cell[0]]

    def factors(
        self, cells: Sequence[Cell], quantile: float, noise: Sequence[float]
    ) -> list[float]:
        """Return one draw for each of *cells*.

        *quantile* is a standard normal deviate for the whole run, *noise* one for each cell.
        """
        run = {k: m.value + quantile * math.sqrt(m.variance) for k, m in self._runs.items()}
        out = []
        for cell, deviate in zip(cells, noise, strict=True):
            mean = _within(run[cell[0]], self._cells.get(cell, _Mean(0.0, math.inf)))
            out.append(math.exp(mean.value + deviate * math.sqrt(mean.variance)))
        return out


def _weighed(ratios: Sequence[Ratio], middle: float) -> _Mean:
    """Return the weighted mean of what was seen, about a first idea of its *middle*."""
    weight = total = 0.0
    for value, sigma, is_open in ratios:
        if is_open:
            seen, precision = _survived(value, sigma, middle)
        else:
            seen, precision = value, 1 / sigma**2
        weight += precision
        total += precision * seen
    return _Mean(total / weight, 1 / weight) if weight else _Mean(0.0, math.inf)


def _spread(ratios: Mapping[Cell, Sequence[Ratio]], middle: Mapping[Cell, float]) -> float:
    seen = [
        ((ratio.value - middle[cell]) / ratio.sigma) ** 2
        for cell, found in ratios.items()
        for ratio in found
        if not ratio.open
    ]
    own = max(0, len(seen) - len(ratios))  # each cell's middle has been fitted to them
    return math.sqrt((_USUAL + sum(seen)) / (_USUAL + own))


def _survived(value: float, sigma: float, middle: float) -> tuple[float, float]:
    """Return what "more than *value*" says: a value and its weight (one Newton step)."""
    z = (value - middle) / sigma
    tail = survival(z)
    hazard = math.exp(-z * z / 2) / math.sqrt(2 * math.pi) / tail if tail > 1e-12 else z + 1 / z
    certainty = min(1.0, hazard * (hazard - z))
    if certainty < _LEAST:
        return 0.0, 0.0
    return middle + sigma * hazard / certainty, certainty / sigma**2


def _shrunk(prior: float, cells: Iterable[_Mean]) -> _Mean:
    weight, total = 1 / prior, 0.0
    for value, variance in cells:
        precision = 1 / (variance + _CELL**2)
        weight += precision
        total += precision * value
    return _Mean(total / weight, 1 / weight)


def _within(run: float, cell: _Mean) -> _Mean:
    """Return a cell's factor when the run's is *run*."""
    weight = 1 / _CELL**2 + 1 / cell.variance
    return _Mean((run / _CELL**2 + cell.value / cell.variance) / weight, 1 / weight)


def survival(z: float) -> float:
    """Return how likely a standard normal deviate is above *z*."""
    return math.erfc(z / math.sqrt(2)) / 2

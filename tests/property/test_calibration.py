"""How good a forecast is: random runs of the real engine, looked at on their way.

The worlds are harder than the forecast's own idea of them: whole runs, hypervisors and groups are
slow or fast, and people answer late.
"""

from __future__ import annotations

import os
import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, NamedTuple

import pytest

from drorch.forecast.forecast import forecast
from drorch.forecast.lengths import Known
from drorch.forecast.lessons import NOTHING, Lessons, lessons, taken
from drorch.model.plan import Plan, Step
from drorch.run.evolve import fold
from tests.fakes.exact import Exact, Happened, happens
from tests.fakes.plans import check, group, plan, question, vm

_RUNS = 20 * int(os.environ.get("DRORCH_SEEDS", "1"))
_HOURS = timedelta(hours=9)
_PROGRESS = (0.0, 0.25, 0.5, 0.75)


@dataclass(frozen=True)
class World:
    """How far things stray, as standard deviations of logarithms; ``bias`` is on every guess."""

    run: float = 0.3
    cell: float = 0.2
    step: float = 0.3
    bias: float = 1.0


class Hit(NamedTuple):
    """Where the truth was, seen from one forecast."""

    below_p10: bool
    below_p50: bool
    below_p90: bool
    width: float


def town(chance: random.Random) -> Plan:
    """Draw a plan: a question, then machines of two hypervisors in four groups."""
    steps: list[Step] = [question("san", expect=timedelta(minutes=2))]
    for number in range(1, chance.randint(20, 40)):
        names = [step.id for step in steps]
        needs = {names[0], *chance.sample(names, k=min(len(names), chance.randint(1, 3)))}
        more: dict[str, Any] = {"start_timeout": _HOURS, "verify_timeout": _HOURS}
        expect = timedelta(seconds=chance.randint(30, 240))
        where = {"connector": chance.choice("ab"), "group": f"g{chance.randint(0, 3)}"}
        name = f"s{number}"
        steps.append(vm(name, *needs, verify=(check(name),), expect=expect, **where, **more))
    limit = chance.choice((4, 8, 20))
    return plan(*steps, groups=[group(f"g{n}") for n in range(4)], parallel=limit)


def takes(made: Plan, world: World, chance: random.Random) -> Mapping[str, Exact]:
    """Draw what the steps take in one run."""

    def factor(sigma: float) -> float:
        return chance.lognormvariate(0.0, sigma)

    whole = world.bias * factor(world.run)
    cells: dict[tuple[str, str], float] = {}
    found = {}
    for step in made.steps:
        if step.machine is None:
            found[step.id] = Exact(action=120 * factor(0.7))
            continue
        cell = step.machine.connector, step.group or ""
        slow = whole * cells.setdefault(cell, factor(world.cell))
        seconds = step.expect.total_seconds() * slow * factor(world.step)
        found[step.id] = Exact(action=0.7 * seconds, checks=0.3 * seconds + 0.25)
    return found


def looks(told: Happened, known: Known) -> Iterator[tuple[float, Hit]]:
    """Yield for each progress where the end was, seen from there."""
    started, end = fold(told.events).started_at, told.events[-1].at
    assert started is not None
    for share in _PROGRESS:
        moment = started + share * (end - started)
        cut = max(n for n in told.cuts if told.events[n - 1].at <= moment)
        eta = forecast(fold(told.events[:cut]), moment, known, samples=100).end
        assert eta is not None
        width = (eta.p90 - eta.p50) / (end - moment)
        yield share, Hit(end < eta.p10, end < eta.p50, end <= eta.p90, width)


def calibrated(world: World, seed: int, *, learns: bool) -> Mapping[float, list[Hit]]:
    chance = random.Random(seed)
    hits: dict[float, list[Hit]] = {share: [] for share in _PROGRESS}
    for _ in range(_RUNS):
        made = town(chance)
        earlier: Lessons = NOTHING
        if learns:
            past = [happens(made, takes(made, world, chance)).events for _ in range(3)]
            earlier = lessons(map(taken, past))
        told = happens(made, takes(made, world, chance))
        for share, hit in looks(told, Known(made, earlier)):
            hits[share].append(hit)
    return hits


def share_of(hits: list[Hit], where: str) -> float:
    return sum(bool(getattr(hit, where)) for hit in hits) / len(hits)


_WORLDS = [
    pytest.param(World(), False, id="guesses"),
    pytest.param(World(bias=1.6), False, id="guesses that are far too low"),
    pytest.param(World(run=0.15, step=0.2), True, id="earlier runs"),
]


@pytest.mark.parametrize(("world", "learns"), _WORLDS)
def test_the_late_end_of_a_forecast_is_kept_in_most_runs(world: World, *, learns: bool) -> None:
    hits = calibrated(world, seed=7, learns=learns)
    for share in _PROGRESS[1:]:
        assert share_of(hits[share], "below_p90") >= 0.8, share
        assert share_of(hits[share], "below_p10") <= 0.35, share
        assert 0.25 <= share_of(hits[share], "below_p50") <= 0.85, share
    widths = [sum(hit.width for hit in hits[share]) for share in _PROGRESS]
    assert widths[2] < widths[0], "what the run teaches makes the range narrower"

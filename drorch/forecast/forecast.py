"""When a run ends and its services are back, as ranges: many schedules with drawn durations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import inf
from typing import NamedTuple

from drorch.forecast.chance import Chance
from drorch.forecast.draft import Draft, drafted
from drorch.forecast.lengths import Known
from drorch.forecast.lessons import NOTHING
from drorch.forecast.path import critical_path
from drorch.forecast.scheduler import schedule
from drorch.run.state import RunState

MOST_SAMPLES, FEWEST_SAMPLES = 200, 24
_WORK = 160_000
"""Steps that all samples together may schedule: about half a second."""


class Range(NamedTuple):
    """Moments that one, five and nine of ten forecasts stay below."""

    p10: datetime
    p50: datetime
    p90: datetime


class Basis(NamedTuple):
    """On what a forecast stands.

    ``runs`` earlier runs taught it; of the steps that are left, ``learned`` are known by them and
    ``guessed`` by the plan's ``expect`` alone. ``answers`` of people are awaited, and taken to come
    after what they took earlier, or ``expect``. ``assumes`` are the things in the way that are
    taken to end now. ``left_out`` are the steps that do not come up without a decision, or at all.
    """

    runs: int
    learned: int
    guessed: int
    answers: int
    assumes: tuple[str, ...]
    left_out: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """As of ``at``. ``end`` and services are None where nothing more can come up by itself.

    ``services`` has those that are not up yet; ``critical_path`` the steps that the end waits
    for, by median durations.
    """

    at: datetime
    end: Range | None
    services: Mapping[str, Range | None]
    critical_path: tuple[str, ...]
    basis: Basis

    @property
    def incomplete(self) -> bool:
        """Something does not come up in this forecast: the end is that of the rest."""
        return bool(self.basis.left_out)


def samples_for(steps: int) -> int:
    """Return how many samples are worth their time for so many open *steps*."""
    return max(FEWEST_SAMPLES, min(MOST_SAMPLES, _WORK // max(1, steps)))


def forecast(
    state: RunState,
    now: datetime,
    known: Known | None = None,
    *,
    samples: int | None = None,
    seed: int = 0,
) -> Forecast:
    """Return how *state* goes on from *now*, if nothing more fails. See `foretold`."""
    draft = drafted(state, now, known or Known(state.plan, NOTHING))
    return foretold(draft, samples=samples, seed=seed)


def foretold(draft: Draft, *, samples: int | None = None, seed: int = 0) -> Forecast:
    """Return the forecast of a run from its *draft*; any thread may do it.

    The same draft, *samples* and *seed* give the same forecast. Without *samples* there are as
    many as are worth their time.
    """
    chance = Chance(draft, seed)
    usual = schedule(draft.left, *chance.usual())
    reached = [rank for rank, end in enumerate(usual.ends) if end < inf]
    services = _services(draft, usual.ends)
    ends: list[float] = []
    backs: dict[str, list[float]] = {name: [] for name, ranks in services.items() if ranks}
    many = samples or samples_for(len(draft.left.steps))
    for lengths, starts in chance.draws(many) if reached else ():
        drawn = schedule(draft.left, lengths, starts).ends
        ends.append(max([drawn[rank] for rank in reached]))
        for name, back in backs.items():
            back.append(max([drawn[rank] for rank in services[name] or ()]))
    path = critical_path(draft.left, usual, chance.usual()[1])
    return Forecast(
        at=draft.at,
        end=_range(draft.at, ends),
        services={name: _range(draft.at, backs.get(name, ())) for name in services},
        critical_path=tuple(draft.names[rank] for rank in path),
        basis=_basis(draft, set(reached)),
    )


def _services(draft: Draft, ends: Sequence[float]) -> Mapping[str, Sequence[int] | None]:
    """Return by service which ranks it waits for; None where one of them never ends."""
    return {
        name: ranks if ranks and all(ends[rank] < inf for rank in ranks) else None
        for name, ranks in draft.services.items()
    }


def _basis(draft: Draft, reached: set[int]) -> Basis:
    measured = [draft.lengths[r].learned for r in reached if draft.lengths[r].cell is not None]
    never = [draft.names[r] for r in range(len(draft.names)) if r not in reached]
    return Basis(
        runs=draft.runs,
        learned=sum(measured),
        guessed=len(measured) - sum(measured),
        answers=sum(rank in reached for rank in draft.questions),
        assumes=draft.assumes,
        left_out=(*draft.stuck, *never),
    )


def _range(at: datetime, seconds: Sequence[float]) -> Range | None:
    if not seconds:
        return None
    ordered = sorted(seconds)
    return Range(*(at + timedelta(seconds=_quantile(ordered, share)) for share in (0.1, 0.5, 0.9)))


def _quantile(ordered: Sequence[float], share: float) -> float:
    place = share * (len(ordered) - 1)
    below = int(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (place - below) * (ordered[above] - ordered[below])

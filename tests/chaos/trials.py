"""What a trial of a take-over has shown, and how many of them are told in a few lines."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from drorch.ports.journal import Recorded
from drorch.run import events as ev
from tests.chaos.scene import Scene
from tests.chaos.seat import Seat
from tests.chaos.strokes import KINDS

LEASE = 1.0
LATEST = LEASE + 0.5
"""Seconds from the stroke to the first order of the new owner."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """Seconds from the stroke: until another owned the run, and until its first order left it.

    ``ordered`` is None where nothing was left to order. ``waited`` is for how long at most it was
    late because there was no processor for it, PostgreSQL or the hypervisor. ``doubted``: every
    slot of the plan was taken by an order that its owner had died in, or about to send; the new
    owner has to wait until it must have arrived (`Capabilities.settles`).
    """

    kind: str
    owned: float
    ordered: float | None
    waited: float
    doubted: bool

    @property
    def is_over(self) -> bool:
        return self.ordered is not None and self.ordered > LATEST

    @property
    def is_late(self) -> bool:
        """Tell whether it was over by itself: not in doubt, nor by what else the machine did."""
        if self.ordered is None or self.doubted:
            return False
        return self.ordered - self.waited > LATEST


def percentile(figures: Sequence[float], share: float) -> float:
    """Return the smallest of *figures* that is not exceeded by *share* of them."""
    return sorted(figures)[math.ceil(len(figures) * share) - 1]


def summary(trials: Sequence[Trial]) -> str:
    over = [trial for trial in trials if trial.is_over]
    late = [trial for trial in trials if trial.is_late]
    waits = [trial.waited for trial in trials]
    return "\n".join(
        (
            f"{len(trials)} take-overs with a lease of {LEASE:g} s (seconds from the stroke):",
            *_table("the run is owned", trials, lambda trial: trial.owned),
            *_table("the first order", trials, lambda trial: trial.ordered),
            f"  over {LATEST:g} s: {len(over)}, of these by themselves {len(late)}",
            f"  every slot was in doubt: {sum(trial.doubted for trial in trials)}",
            f"  wanted a processor for at most: {_spread(waits)}",
        )
    )


def _table(
    title: str, trials: Sequence[Trial], of: Callable[[Trial], float | None]
) -> Sequence[str]:
    lines = [f"  {title}:"]
    for kind in (*KINDS, ""):
        every = [of(trial) for trial in trials if kind in ("", trial.kind)]
        if figures := [seconds for seconds in every if seconds is not None]:
            lines.append(f"    {kind or 'all':6} {len(figures):4}  {_spread(figures)}")
    return lines


def all_in_doubt(journal: Sequence[Recorded], slots: int) -> bool:
    """Tell whether at the last adoption in *journal* no slot was free of a doubtful order."""
    doubts: set[str] = set()
    found = False
    for record in journal:
        match record.event:
            case ev.RunAdopted():
                found = len(doubts) >= slots
            case ev.StepStarted(step=step):
                doubts.add(step)
            case ev.StepFact(step=step):
                doubts.discard(step)
    return found


def _spread(figures: Sequence[float]) -> str:
    shares = {"median": 0.5, "p95": 0.95}
    named = {name: percentile(figures, share) for name, share in shares.items()}
    named = {"min": min(figures), **named, "max": max(figures)}
    return "  ".join(f"{name} {seconds:.3f}" for name, seconds in named.items())


async def ordered_after_failed_check(
    stage: Scene, strokes: Sequence[tuple[Seat, float]]
) -> list[str]:
    """Return what was ordered by who could not have its lease any more, or had said so.

    *strokes* are those who could renew nothing from a moment on.
    """
    owners = await stage.owners()
    found: list[str] = []
    for seat in stage.seats:
        failed = [at + LEASE for struck, at in strokes if struck is seat]
        owned = [owner.at.timestamp() for owner in owners if seat.sat(owner.driver)]
        late = without_lease(seat.tap.orders, [*failed, *seat.said_at("run.lost")], owned)
        found += [f"{seat.folder.name} ordered {order} without a lease" for order in late]
    return found


def without_lease(
    orders: Sequence[tuple[float, str]], failed: Sequence[float], owned: Sequence[float]
) -> Sequence[tuple[float, str]]:
    """Return the *orders* that left between a *failed* check and the next time the run was owned."""
    spans = [(at, min((begun for begun in owned if begun > at), default=math.inf)) for at in failed]
    return [order for order in orders if any(at < order[0] < until for at, until in spans)]

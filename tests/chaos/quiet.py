"""What an engine may order while its journal is away: nothing."""

from __future__ import annotations

import time
from collections.abc import Callable

from tests.chaos.scene import Scene, until
from tests.chaos.seat import Seat

GRACE = 1.0
"""Seconds within which orders may still leave whose intent was durable before the stroke."""


async def under_way(stage: Scene, orders: int = 5) -> None:
    """Return once the run has ordered so many machines on: it is in the middle."""
    await until(lambda: len(stage.accepted()) >= orders, f"{orders} orders")


def said_since(seat: Seat, before: int, words: str) -> Callable[[], bool]:
    """Return whether *seat* has logged *words* behind its first *before* lines."""
    return lambda: any(words in str(line) for line in seat.said()[before:])


def quiet(stage: Scene, begun: float, ended: float) -> None:
    """Fail if an order was accepted between *begun* (and a little) and *ended*."""
    loud = [e for e in stage.accepted() if begun + GRACE < e.at < ended]
    assert loud == [], f"ordered without a journal, {begun:.3f} to {ended:.3f}: {loud}"


def went_on(stage: Scene, ended: float) -> None:
    """Fail if everything had been ordered before the disaster was over: it tested nothing."""
    assert any(e.at > ended for e in stage.accepted()), "nothing was left to order"


def now() -> float:
    return time.time()

"""Deaths of engines, one after the other, in one seat or in turns; then the run's end."""

from __future__ import annotations

import asyncio
import random
import signal
import time
from collections.abc import Sequence
from dataclasses import dataclass

from tests.chaos import tally
from tests.chaos.scene import Scene
from tests.chaos.seat import PATIENCE, Seat


@dataclass(frozen=True, slots=True, kw_only=True)
class Death:
    """At a named point (``append.after:3``), or at a random moment; *early*: before it drives."""

    point: str = ""
    early: bool = False


def random_deaths(count: int, chance: random.Random) -> list[Death]:
    return [Death(early=chance.random() < 0.15) for _ in range(count)]


async def relay(stage: Scene, deaths: Sequence[Death], chance: random.Random) -> int:
    """Let owners die as told, and all seats live at the end; return how many died.

    Only the first death may be one at a named point.
    """
    seat, *others = stage.seats
    await seat.sit_down(deaths[0].point)
    await _drives(stage, seat)
    owners = len(await stage.owners())
    for other in others:
        await other.sit_down()
        await stage.has_appeared(other)
    for number, death in enumerate(deaths):
        if not await _die(stage, seat, death, chance):
            return number
        seat = await _replaced(stage, seat, owners)
        owners = len(await stage.owners())
    return len(deaths)


async def _replaced(stage: Scene, dead: Seat, owners: int) -> Seat:
    """Seat a new engine for a dead one; return the seat that drives, or will."""
    if len(stage.seats) > 1 and not await stage.is_over():
        await stage.new_owner(owners)  # at once it would take its own run back
    await dead.sit_down()
    if len(stage.seats) == 1 or await stage.is_over():
        return dead
    await stage.has_appeared(dead)
    heir = stage.seat_of((await stage.owners())[-1].driver)
    assert heir is not None
    return heir


async def _die(stage: Scene, seat: Seat, death: Death, chance: random.Random) -> bool:
    """Wait for, or bring about, the death of the engine in *seat*; False if the run was over."""
    if death.early:
        await asyncio.sleep(chance.uniform(0.2, 1.5))
    elif not death.point:
        await _drives(stage, seat)
        await asyncio.sleep(chance.uniform(0.0, 1.2))
    else:
        return await _dies_by_itself(stage, seat, death.point)
    if await stage.is_over():
        return False
    await seat.kill()
    tally.killed(stage.database)
    return True


async def _drives(stage: Scene, seat: Seat) -> None:
    """Return when *seat* drives the run; or is dead, or the run over."""
    deadline = time.monotonic() + PATIENCE
    while not any(stage.seat_of(owner.driver) is seat for owner in await stage.owners()):
        assert time.monotonic() < deadline, f"{seat.folder.name} does not drive"
        assert seat.process is not None
        if seat.process.returncode is not None or await stage.is_over():
            return
        await asyncio.sleep(0.02)


async def _dies_by_itself(stage: Scene, seat: Seat, point: str) -> bool:
    """Return whether it died; the last point is reached behind the run's end only."""
    assert seat.process is not None
    over = 0
    while seat.process.returncode is None and over < 10:
        over += await stage.is_over()
        await asyncio.sleep(0.1)
    if seat.process.returncode is None:
        return False
    assert await seat.ended() == -signal.SIGKILL, seat.log.read_text()[-3000:]
    tally.killed(stage.database, point)
    return True

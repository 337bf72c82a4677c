"""The owner of a run dies, freezes or is cut off: another orchestrator takes the run over in time.

``DRORCH_TAKEOVERS`` says how many trials (``make chaos`` takes 200).
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import pytest

from drorch.run import events as ev
from tests.chaos import fleet, verdict
from tests.chaos.chance import SEED, chance
from tests.chaos.processor import waited
from tests.chaos.sample import TAKEOVERS
from tests.chaos.scene import Scene, scene, until
from tests.chaos.seat import Seat
from tests.chaos.strokes import KINDS, mend, strike
from tests.chaos.trials import LEASE, Trial, all_in_doubt, ordered_after_failed_check, summary
from tests.real.family import family
from tests.real.postgres import PostgresServer

pytestmark = pytest.mark.chaos

PER_SERIES = 12
MACHINES_PER_TRIAL = 25
SLOTS = 6
"""So many machines of the plan are under way; they boot for 400 to 1200 ms, out of step."""
UNDISPUTED = LEASE * 0.75
"""Seconds of a lease in which it does not run out, as it is renewed five times in its time."""


class Series:
    """Strikes the owners of one run, one after the other."""

    def __init__(self, stage: Scene, postgres: PostgresServer, luck: random.Random) -> None:
        self._stage = stage
        self._postgres = postgres
        self._luck = luck
        self.strokes: list[tuple[Seat, float]] = []

    async def trial(self, kind: str) -> Trial | None:
        """Strike the owner at some moment, and let it come back; None if the run ended."""
        stage = self._stage
        before = len(await stage.owners())
        seat = stage.seat_of((await stage.owners())[-1].driver)
        assert seat is not None
        await asyncio.sleep(self._luck.uniform(0.3, 1.0))
        if await stage.is_over():
            return None
        said = len(seat.said("run.lost"))
        struck = time.time()
        await strike(seat, kind)
        self.strokes.append((seat, time.time()))
        trial = await self._taken_over(kind, seat, struck, before)
        await asyncio.sleep(self._luck.uniform(0.0, 0.5))
        await mend(seat, kind)
        if kind != "kill":
            await until(lambda: len(seat.said("run.lost")) > said, f"{kind}: run.lost")
        open_still = not await stage.is_over()
        await stage.has_appeared(seat, stage.run if kind != "kill" and open_still else "")
        return trial

    async def _taken_over(self, kind: str, seat: Seat, struck: float, before: int) -> Trial:
        stage = self._stage
        await asyncio.sleep(struck + UNDISPUTED - time.time())
        others = [other for other in stage.seats if other is not seat]
        marks = {other.engine: self._waited(other) for other in others}
        adopted = await stage.new_owner(before)
        assert isinstance(adopted, ev.RunAdopted)
        heir = stage.seat_of(adopted.driver)
        assert heir in others, "taken over by the one that was struck"
        owned = adopted.at.timestamp()
        ordered = await self._first_order(heir, owned)
        trial = Trial(
            kind=kind,
            owned=owned - struck,
            ordered=None if ordered is None else ordered - struck,
            waited=self._waited(heir) - marks[heir.engine],
            doubted=all_in_doubt(await stage.journal(), SLOTS),
        )
        print(f"  {trial}")
        return trial

    async def _first_order(self, seat: Seat, since: float) -> float | None:
        """Return when *seat* first ordered something behind *since*; None if nothing was left."""
        over = False
        while True:
            for at, _ in seat.tap.orders:
                if at >= since:
                    return at
            if over:
                return None
            over = await self._stage.is_over()
            await asyncio.sleep(0.02)

    def _waited(self, seat: Seat) -> float:
        """Return how long *seat* waited for a processor, and all that it asks for something."""
        assert self._postgres.process is not None
        return waited([seat.engine, os.getpid(), *family(self._postgres.process.pid)])


async def a_series(
    folder: Path, postgres: PostgresServer, trials: int, seats: int, luck: random.Random
) -> Sequence[Trial]:
    """Strike the owners of one run after the other until there were so many trials."""
    found: list[Trial] = []
    count = trials * MACHINES_PER_TRIAL
    plan = fleet.plan(count, parallel=SLOTS, checked=False)
    async with scene(
        folder, fleet.fleet(count, boot="800ms"), postgres=postgres, seats=seats, lease=LEASE
    ) as stage:
        for seat in stage.seats:
            await seat.sit_down()
        for seat in stage.seats:
            await stage.has_appeared(seat)
        await stage.begin(plan)
        await stage.new_owner(0)
        series = Series(stage, postgres, luck)
        for number in range(trials):
            trial = await series.trial(KINDS[number % len(KINDS)])
            if trial is None:
                break
            found.append(trial)
        verdict.check(stage, await stage.finish(), plan)
        assert await stage.orders_without_ownership() == []
        assert await ordered_after_failed_check(stage, series.strokes) == []
        assert sum(len(seat.tap.orders) for seat in stage.seats) == len(stage.orders())
    return found


@pytest.mark.timeout(180 + 30 * TAKEOVERS)
async def test_another_orders_within_the_lease_and_half_a_second(
    tmp_path: Path, postgres_server: PostgresServer
) -> None:
    print(f"chaos seed {SEED}")
    luck = chance("take-overs")
    trials: list[Trial] = []
    series = 0
    while len(trials) < TAKEOVERS:
        folder = tmp_path / str(series)
        folder.mkdir()
        seats = 3 if series % 3 == 2 else 2
        count = min(PER_SERIES, TAKEOVERS - len(trials))
        trials += await a_series(folder, postgres_server, count, seats, luck)
        series += 1
    print(summary(trials))
    if kept := os.environ.get("DRORCH_CHAOS_RESULTS"):
        Path(kept).write_text(json.dumps([asdict(trial) for trial in trials]))
    assert [trial for trial in trials if trial.is_late] == [], summary(trials)

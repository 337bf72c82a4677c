"""The owner of a run dies, freezes or is cut off: another orchestrator takes the run over in time.

``DRORCH_TAKEOVERS`` says how many trials (``make chaos`` takes 200).
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import statistics
from datetime import UTC, datetime
from pathlib import Path

import pytest

from drorch.run import events as ev
from tests.chaos import fleet, verdict
from tests.chaos.chance import SEED, chance
from tests.chaos.sample import TAKEOVERS
from tests.chaos.scene import Scene, scene, until
from tests.chaos.strokes import KINDS, mend, strike
from tests.real.postgres import PostgresServer

pytestmark = pytest.mark.chaos

LEASE = 1.0
MARGIN = 0.5
PER_SERIES = 12
MACHINES_PER_TRIAL = 10


async def one_trial(stage: Scene, kind: str, luck: random.Random) -> float | None:
    """Strike the owner at some moment; return seconds until the next, None if the run ended."""
    before = len(await stage.owners())
    owner = (await stage.owners())[-1]
    seat = stage.seat_of(owner.driver)
    assert seat is not None, owner
    await asyncio.sleep(luck.uniform(0.3, 1.0))
    if await stage.is_over():
        return None
    said = len(seat.said("run.lost"))
    struck = datetime.now(UTC)
    await strike(seat, kind)
    adopted = await stage.new_owner(before, LEASE * 10)
    seen = datetime.now(UTC)
    took = (seen - struck).total_seconds()  # durable, and read by somebody else
    assert isinstance(adopted, ev.RunAdopted)
    assert stage.seat_of(adopted.driver) is not seat, "taken over by the one that was struck"
    decided = (adopted.at - struck).total_seconds()
    print(f"  {kind}: decided after {decided:.3f} s, in the journal after {took:.3f} s")
    await asyncio.sleep(luck.uniform(0.0, 0.5))
    await mend(seat, kind)
    if kind != "kill":
        await until(lambda: len(seat.said("run.lost")) > said, f"{kind}: run.lost", 10)
    open_still = not await stage.is_over()
    await stage.has_appeared(seat, stage.run if kind != "kill" and open_still else "")
    return took


async def a_series(
    folder: Path, postgres: PostgresServer, trials: int, seats: int, luck: random.Random
) -> list[tuple[str, float]]:
    """Strike the owners of one run after the other until there were so many trials."""
    took: list[tuple[str, float]] = []
    count = trials * MACHINES_PER_TRIAL
    plan = fleet.plan(count, parallel=4)
    async with scene(
        folder, fleet.fleet(count), postgres=postgres, seats=seats, lease=LEASE
    ) as stage:
        for seat in stage.seats:
            await seat.sit_down()
        for seat in stage.seats:
            await stage.has_appeared(seat)
        await stage.begin(plan)
        await stage.new_owner(0)
        for number in range(trials):
            kind = KINDS[number % len(KINDS)]
            found = await one_trial(stage, kind, luck)
            if found is None:
                break
            took.append((kind, found))
        verdict.check(stage, await stage.finish(), plan)
        assert await stage.orders_without_ownership() == []
        assert sum(len(seat.tap.orders) for seat in stage.seats) == len(stage.orders())
    return took


def summary(took: list[tuple[str, float]]) -> str:
    lines = [f"{len(took)} take-overs with a lease of {LEASE:g} s (seconds):"]
    for kind in (*KINDS, ""):
        figures = sorted(s for k, s in took if kind in ("", k))
        if figures:
            name = kind or "all"
            middle = statistics.median(figures)
            lines.append(
                f"  {name:6} {len(figures):4}  min {figures[0]:.3f}  median {middle:.3f}  "
                f"max {figures[-1]:.3f}"
            )
    return "\n".join(lines)


@pytest.mark.timeout(120 + 15 * TAKEOVERS)
async def test_another_takes_over_within_the_lease_and_half_a_second(
    tmp_path: Path, postgres_server: PostgresServer
) -> None:
    print(f"chaos seed {SEED}")
    luck = chance("take-overs")
    took: list[tuple[str, float]] = []
    series = 0
    while len(took) < TAKEOVERS:
        folder = tmp_path / str(series)
        folder.mkdir()
        seats = 3 if series % 3 == 2 else 2
        trials = min(PER_SERIES, TAKEOVERS - len(took))
        took += await a_series(folder, postgres_server, trials, seats, luck)
        series += 1
    print(summary(took))
    if kept := os.environ.get("DRORCH_CHAOS_RESULTS"):
        Path(kept).write_text(json.dumps(took))
    late = [(kind, s) for kind, s in took if s > LEASE + MARGIN]
    assert late == [], summary(took)

"""The clock is stepped by an hour, either way, in the middle of a run; and before a restart."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from drorch.run import events as ev
from tests.chaos import fleet, verdict
from tests.chaos.quiet import under_way
from tests.chaos.sample import sample
from tests.chaos.scene import Scene, scene, until
from tests.chaos.seat import Seat
from tests.lab_gate import need
from tests.real.postgres import PostgresServer

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(150)]

COUNT = 18
PLAN = fleet.plan(COUNT, parallel=3)
HOUR = 3600


class WallClock:
    """The wall clock of whoever is started with its ``environment``; others keep theirs."""

    def __init__(self, folder: Path) -> None:
        need("faketime", why="clocks are stepped", install="apt-get install faketime")
        library = next(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))
        self._file = folder / "wall-clock"
        self.step(0)
        self.environment = {
            "LD_PRELOAD": str(library),
            "FAKETIME_TIMESTAMP_FILE": str(self._file),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        }

    def step(self, seconds: int) -> None:
        """Set it so far from the true time."""
        fresh = self._file.with_suffix(".new")
        fresh.write_text(f"{seconds:+d}\n")
        fresh.replace(self._file)


async def check(stage: Scene) -> None:
    """No deadline fired early, nothing was tried twice, and the run came to its end."""
    journal = await stage.finish(60)
    early = [r.event for r in journal if isinstance(r.event, ev.AttemptFailed | ev.StepAsked)]
    assert early == [], early
    verdict.check(stage, journal, PLAN)


@pytest.mark.parametrize("step", sample([HOUR, -HOUR]))
async def test_stepped_in_the_middle_of_a_run(step: int, tmp_path: Path) -> None:
    clock = WallClock(tmp_path)
    async with scene(tmp_path, fleet.fleet(COUNT)) as stage:
        seat = stage.seats[0]
        await seat.sit_down(environment=clock.environment)
        await stage.begin(PLAN)
        await under_way(stage)
        clock.step(step)
        await check(stage)
        assert len(await stage.owners()) == 1
        await until(lambda: stepped(seat, step), "a line of the log by the clock that was set", 10)


def stepped(seat: Seat, step: int) -> bool:
    """Tell whether the log of *seat* jumps by *step*: without that nothing was tested."""
    minutes = [line["timestamp"][11:16] for line in seat.said()]
    return len({minute[:2] for minute in minutes}) > 1 if step else True


@pytest.mark.parametrize("step", sample([HOUR, -HOUR]))
async def test_stepped_and_killed(step: int, tmp_path: Path) -> None:
    clock = WallClock(tmp_path)
    async with scene(tmp_path, fleet.fleet(COUNT)) as stage:
        seat = stage.seats[0]
        await seat.sit_down(environment=clock.environment)
        await stage.begin(PLAN)
        await under_way(stage)
        clock.step(step)
        await asyncio.sleep(0.5)
        await seat.kill()
        await seat.sit_down(environment=clock.environment)
        await check(stage)
        began, again = await stage.owners()
        jumped = (again.at - began.at).total_seconds()
        assert abs(jumped - step) < 60, "the new process does not live by the clock that was set"


@pytest.mark.parametrize("step", sample([HOUR, -HOUR]))
async def test_stepped_on_one_of_two_orchestrators(
    step: int, tmp_path: Path, postgres_server: PostgresServer
) -> None:
    """Leases go by the database's clock and by one that nobody sets."""
    clock = WallClock(tmp_path)
    async with scene(tmp_path, fleet.fleet(COUNT), postgres=postgres_server, seats=2) as stage:
        for seat, environment in zip(stage.seats, (clock.environment, {}), strict=True):
            await seat.sit_down(environment=environment)
            await stage.has_appeared(seat)
        await stage.begin(PLAN)
        await under_way(stage)
        clock.step(step)
        await check(stage)
        assert len(await stage.owners()) == 1, "a step of the clock is no reason to take over"

"""The same with the whole of ``drorch serve``: two services on one database, one of them struck."""

from __future__ import annotations

import asyncio
import json
import urllib.request
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.chaos import fleet, verdict
from tests.chaos.quiet import under_way
from tests.chaos.sample import sample
from tests.chaos.scene import Scene, scene, until
from tests.chaos.seat import PATIENCE, Seat
from tests.chaos.strokes import KINDS, mend, strike
from tests.real.postgres import PostgresServer

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(150)]

LEASE = 2.0
LATEST = LEASE + 0.5
COUNT = 20
PLAN = fleet.plan(COUNT, parallel=3)


def readiness(seat: Seat) -> dict[str, Any]:
    """Return what ``/readyz`` says; empty while nobody answers."""
    try:
        with urllib.request.urlopen(f"{seat.url}/readyz", timeout=5) as answer:
            told: dict[str, Any] = json.load(answer)
            return told
    except OSError:
        return {}


async def ready(seat: Seat, words: str = "") -> None:
    """Return once the service is ready, with *words* among its notes if any are wanted."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + PATIENCE
    while True:
        told = await asyncio.to_thread(readiness, seat)
        if told and any(words in note for note in ("", *told["notes"])):
            return
        assert loop.time() < deadline, f"{seat.folder.name} says {told}"
        await asyncio.sleep(0.1)


@asynccontextmanager
async def two_services(folder: Path, postgres: PostgresServer) -> AsyncIterator[Scene]:
    async with scene(folder, fleet.fleet(COUNT), postgres=postgres, seats=2, lease=LEASE) as stage:
        for seat in stage.seats:
            await seat.serve()
        for seat in stage.seats:
            await ready(seat)
        yield stage


@pytest.mark.parametrize("kind", sample(KINDS))
async def test_another_service_takes_over(
    kind: str, tmp_path: Path, postgres_server: PostgresServer
) -> None:
    async with two_services(tmp_path, postgres_server) as stage:
        await stage.begin(PLAN)
        await under_way(stage)
        owner = stage.seat_of((await stage.owners())[0].driver)
        assert owner is not None
        struck = stage.office.clock.now()
        await strike(owner, kind)
        adopted = await stage.new_owner(1, LATEST * 4)
        took = (adopted.at - struck).total_seconds()
        print(f"{kind}: {took:.3f} s")
        assert took <= LATEST
        await mend(owner, kind, served=True)
        if kind != "kill":
            await until(lambda: bool(owner.said("run.lost")), "run.lost", 10)
            await ready(owner, "chaos-1")
        verdict.check(stage, await stage.finish(), PLAN)
        assert await stage.orders_without_ownership() == []
        await ready(owner)
        await goes_on_as_stand_by(stage, owner)


async def goes_on_as_stand_by(stage: Scene, seat: Seat) -> None:
    """The struck one drives the next run when the other is gone."""
    other = next(one for one in stage.seats if one is not seat)
    await other.kill()
    await stage.begin(fleet.plan(4))
    first = await stage.new_owner(0)
    assert stage.seat_of(first.driver) is seat
    await stage.finish()

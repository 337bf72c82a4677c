"""The owner is stopped (SIGSTOP) exactly before or after it orders, records or looks; then wakes.

Whoever wakes up behind a take-over believes for a moment that nothing has happened.
"""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path

import pytest

from tests.chaos import fleet, verdict
from tests.chaos.quiet import now
from tests.chaos.sample import ALL, sample
from tests.chaos.scene import scene, until
from tests.real.postgres import PostgresServer

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(180)]

COUNT = 20
PLAN = fleet.plan(COUNT, parallel=3)
POINTS = [
    f"{point}:{count}"
    for point in (
        "order.look.after",
        "order.start.before",
        "order.start.after",
        "append.before",
        "append.after",
    )
    for count in (2, 5)
]
ASLEEP = 30.0 if ALL else 3.0
"""Seconds: the run goes on meanwhile, and may be over."""
ALONE = 4.0
"""Seconds; several leases."""
CASES = [(point, asleep) for point in POINTS for asleep in (0.0, ASLEEP)]


def is_stopped(pid: int) -> bool:
    state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    return state == "T"


@pytest.mark.parametrize(("point", "asleep"), sample(CASES))
async def test_frozen_at_a_named_point(
    point: str, asleep: float, tmp_path: Path, postgres_server: PostgresServer
) -> None:
    async with scene(
        tmp_path, fleet.fleet(COUNT), postgres=postgres_server, seats=2, lease=1.0
    ) as stage:
        frozen, heir = stage.seats
        await frozen.sit_down(f"{point}:stop")
        await stage.begin(PLAN)
        await until(lambda: is_stopped(frozen.engine), f"stopped at {point}")
        stopped = now()
        await heir.sit_down()
        await stage.new_owner(1)
        await asyncio.sleep(max(0.0, stopped + asleep - now()))
        frozen.signal(signal.SIGCONT)
        await until(lambda: bool(frozen.said("run.lost")), "run.lost", 10)
        verdict.check(stage, await stage.finish(), PLAN)
        assert await stage.orders_without_ownership() == []
        assert all(at < stopped + 0.5 for at, _ in frozen.tap.orders), "ordered when it woke up"


@pytest.mark.parametrize(
    ("land", "point"),
    sample([(d, p) for d in ("sqlite", "postgres") for p in POINTS if p.endswith(":5")]),
)
async def test_frozen_alone_it_goes_on_when_it_wakes(
    land: str, point: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """Nobody else is there: whoever lost its lease meanwhile takes the run anew."""
    server = request.getfixturevalue("postgres_server") if land == "postgres" else None
    async with scene(tmp_path, fleet.fleet(COUNT), postgres=server, lease=1.0) as stage:
        seat = stage.seats[0]
        await seat.sit_down(f"{point}:stop")
        await stage.begin(PLAN)
        await until(lambda: is_stopped(seat.engine), f"stopped at {point}")
        ordered = len(stage.accepted())
        await asyncio.sleep(ALONE)
        assert len(stage.accepted()) <= ordered + 1, "ordered in its sleep"
        seat.signal(signal.SIGCONT)
        verdict.check(stage, await stage.finish(), PLAN)
        assert len(stage.accepted()) == COUNT
        assert bool(seat.said("run.lost")) == (land == "postgres")
        assert seat.process is not None
        assert seat.process.returncode is None, "it went on in another process"

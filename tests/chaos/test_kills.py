"""SIGKILL at random moments and at every named point: nothing is lost, nothing doubled.

``DRORCH_KILLS`` says how many: from 200 on so many at random moments on each database, and every
point on each (``make chaos``); of fewer, a sample in all (CI takes 40).
"""

from __future__ import annotations

import asyncio
import signal
from math import ceil
from pathlib import Path
from typing import get_args

import httpx2
import pytest

from api.operations import decision_of
from drorch.failpoints import Name
from drorch.journal.outbox import Outbox
from drorch.journal.pages import open_runs
from drorch.run import events as ev
from tests.chaos import fleet, tally, verdict
from tests.chaos.chance import SEED, chance
from tests.chaos.deaths import Death, random_deaths, relay
from tests.chaos.sample import ALL, KILLS, sample
from tests.chaos.scene import Scene, scene, until
from tests.checks.serving import free_port
from tests.fakes.receiver import receiving
from tests.real.postgres import PostgresServer

pytestmark = pytest.mark.chaos

KILLS_PER_RUN = 6
LEAST_MACHINES = 30
"""Of a run with few kills: it goes on while another engine starts on a busy machine."""
KILLS_PER_PART = 25
"""A test for so many: workers share them."""
AT_POINTS = max(1, KILLS // 10)
"""Of a sample: so many of its kills are at named points."""
LANDS = ("sqlite", "postgres", "pair")
"""One orchestrator on SQLite, one on PostgreSQL, two that share one PostgreSQL."""
DATABASES = ("sqlite", "postgres")
SENDING = ("outbox.send.before:3", "outbox.send.after:3")
SHARE = {"sqlite": 1.0, "postgres": 0.5, "pair": 0.5} if ALL else dict.fromkeys(LANDS, 1 / 3)
AT_RANDOM = KILLS if ALL else KILLS - AT_POINTS

LATER: dict[str, int] = {
    "lease.acquire.before": 2,
    "lease.acquire.after": 2,
    "lease.release.before": 2,
    "resume.read.after": 2,
    "append.before": 9,
    "append.after": 9,
    "order.look.after": 6,
    "order.start.before": 6,
    "order.start.after": 6,
    "order.stop.before": 2,
    "order.stop.after": 2,
    "order.find.after": 2,
    "callout.before": 2,
    "callout.after": 2,
}
"""The engine's points, and the later count at which each is tried beside the first."""
ELSEWHERE = {
    *("run.create.before", "run.create.after", "observer.after"),
    *("outbox.send.before", "outbox.send.after"),
}
"""Reached by the process that makes a run, by one that somebody observes, and by the engine of a
service that has web hooks: each has a test of its own below."""

ASIDE = {"drorch": 1, "plan": "aside", "steps": {"settle": {"wait": "500ms"}}}


def test_every_point_is_tried() -> None:
    assert LATER.keys() | ELSEWHERE == set(get_args(Name))


def _parts() -> list[tuple[str, int, int]]:
    """Return lands, numbers and kills of what is done in one test each."""
    found = []
    for land in LANDS:
        left, number = ceil(AT_RANDOM * SHARE[land]), 0
        while left > 0:
            found.append((land, number, min(left, KILLS_PER_PART)))
            left, number = left - KILLS_PER_PART, number + 1
    return found


def _cases() -> list[tuple[str, str]]:
    """Return every point, at both counts, in every land; or a sample that changes each time."""
    cases = [
        (land, f"{point}:{count}")
        for land in LANDS
        for point, later in LATER.items()
        for count in (1, later)
    ]
    return sample(cases, AT_POINTS)


async def trouble(stage: Scene, count: int, *, lost: float) -> None:
    """Inject what makes an engine stop a machine, and look for orders whose answer was lost."""
    async with httpx2.AsyncClient(base_url=stage.simulator.url) as client:
        for number in range(count):
            body = {"machine": fleet.trouble(number), "kind": "app_never", "times": 1}
            (await client.post("/faults", json=body)).raise_for_status()
        body = {"kind": "reply_lost_rate", "rate": lost}
        (await client.post("/faults", json=body)).raise_for_status()


async def person(stage: Scene) -> None:
    """Answer what drorch cannot know: whether a callout was carried out that it died in."""
    answered = 0
    while True:
        await asyncio.sleep(0.3)
        found = [r.event for r in await stage.journal() if isinstance(r.event, ev.StepAsked)]
        for asked in found[answered:]:
            assert asked.step.startswith("c"), asked
            done = asked.step in stage.carried_out()
            verb = "accept" if done else "retry"
            decision = decision_of(verb, by="test", comment="looked", step=asked.step)
            await stage.office.store.submit(stage.run, decision)
        answered = len(found)


def _database(land: str, request: pytest.FixtureRequest) -> PostgresServer | None:
    if land == "sqlite":
        return None
    server: PostgresServer = request.getfixturevalue("postgres_server")
    return server


@pytest.mark.parametrize(("land", "part", "kills"), _parts())
@pytest.mark.timeout(180 + 24 * KILLS_PER_PART)
async def test_at_random_moments(
    land: str, part: int, kills: int, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    died = number = 0
    while died < kills:
        luck = chance(land, part, number)
        count = min(KILLS_PER_RUN, kills - died)
        print(f"chaos seed {SEED}: {land} {part}.{number}, {count} kills")
        folder = tmp_path / str(number)
        folder.mkdir()
        machines = max(LEAST_MACHINES, 10 * count)
        plan = fleet.plan(machines, parallel=5)
        seats = 2 if land == "pair" else 1
        server = _database(land, request)
        async with scene(
            folder, fleet.fleet(machines), postgres=server, seats=seats, lease=1.0
        ) as stage:
            await stage.begin(plan)
            died += await relay(stage, random_deaths(count, luck), luck)
            verdict.check(stage, await stage.finish(), plan)
            assert await stage.orders_without_ownership() == []
        number += 1
        assert number <= kills, "the runs end before anything can be killed"


def _lost(point: str) -> float:
    """Return the share of answers that get lost: orders are searched for because of them.

    A stop whose answer was lost never comes to the point behind it, and there are only two.
    """
    if "order.find" in point:
        return 0.5
    return 0.0 if "order.stop" in point else 0.1


@pytest.mark.parametrize(("land", "point"), _cases())
@pytest.mark.timeout(180)
async def test_at_a_named_point(
    land: str, point: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    ports = [free_port(), free_port()]
    plan = fleet.plan(12, callouts=2, troubled=ports)
    there = fleet.fleet(12, troubled=ports)
    seats = 2 if land == "pair" else 1
    server = _database(land, request)
    async with scene(tmp_path, there, postgres=server, seats=seats, lease=1.0) as stage:
        await stage.begin(plan)
        aside = await stage.also(ASIDE)
        await trouble(stage, len(ports), lost=_lost(point))
        answering = asyncio.create_task(person(stage))
        died = await relay(stage, [Death(point=point)], chance(land, point))
        assert died, f"{point} was never reached"
        stage.simulator.world.clear_faults()
        verdict.check(stage, await stage.finish(), plan)
        answering.cancel()
        assert await stage.orders_without_ownership() == []
        while (await stage.office.store.read(aside))[-1].event.type != "run.ended":
            await asyncio.sleep(0.1)


@pytest.mark.parametrize("land", DATABASES)
@pytest.mark.parametrize("point", ["run.create.before", "run.create.after"])
async def test_while_a_run_is_made(
    point: str, land: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """By ``drorch run``: either there is no run, or one that can be carried on."""
    plan = fleet.plan(6)
    async with scene(tmp_path, fleet.fleet(6), postgres=_database(land, request)) as stage:
        seat = stage.seats[0]
        live = ("run", str(stage.written(plan)), "--mode", "live", "--confirm", "chaos")
        assert await seat.command(*live, failpoint=point) == -signal.SIGKILL
        tally.killed(stage.database, point)
        assert stage.accepted() == []
        made = point == "run.create.after"
        assert [line.id for line in await open_runs(stage.office.store)] == ["chaos-1"] * made
        again = ("run", "--continue") if made else live
        assert await seat.command(*again) == 0, seat.log.read_text()
        stage.run = "chaos-1"
        verdict.check(stage, await stage.finish(), plan)


@pytest.mark.parametrize(("land", "count"), sample([(d, n) for d in DATABASES for n in (1, 5)], 2))
async def test_while_somebody_observes(
    land: str, count: int, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    plan = fleet.plan(8)
    async with scene(tmp_path, fleet.fleet(8), postgres=_database(land, request)) as stage:
        seat = stage.seats[0]
        await stage.begin(plan)
        observing = ("-m", "tests.chaos.observing", str(seat.config), stage.run)
        failpoint = f"observer.after:{count}"
        assert await seat.program(*observing, failpoint=failpoint) == -signal.SIGKILL
        tally.killed(stage.database, failpoint)
        assert await seat.program(*observing) == 0, seat.log.read_text()
        verdict.check(stage, await stage.finish(), plan)


@pytest.mark.parametrize(("land", "point"), sample([(d, p) for d in DATABASES for p in SENDING]))
async def test_while_a_message_is_sent(
    land: str, point: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """By the engine that drives the run; every event of the run arrives all the same."""
    plan = fleet.plan(12, parallel=2)
    database = _database(land, request)
    async with (
        receiving() as receiver,
        scene(tmp_path, fleet.fleet(12), postgres=database) as stage,
    ):
        stage.seats[0].tells(receiver)
        await Outbox(stage.office.store).fill({"desk": frozenset()})  # hooks begin with what is new
        await stage.begin(plan)
        died = await relay(stage, [Death(point=point)], chance(land, point))
        assert died, f"{point} was never reached"
        journal = await stage.finish()
        verdict.check(stage, journal, plan)
        missing = {record.seq for record in journal}
        # What was in hand is sent again when its claim has run out.
        await until(lambda: missing <= {c["data"]["seq"] for c in receiver.told()}, "every event")
    twice = len(receiver.arrived) - len(receiver.told())
    assert twice <= 1, "more was sent again than what was in hand"

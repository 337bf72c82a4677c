"""The database dies, restarts, is cut off or falls silent in the middle of a run."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager, suppress
from pathlib import Path

import pytest

from tests.chaos import fleet, verdict
from tests.chaos.quiet import now, quiet, said_since, under_way, went_on
from tests.chaos.sample import sample
from tests.chaos.scene import Scene, scene, until
from tests.chaos.seat import Seat
from tests.checks.serving import carried_out
from tests.lab_gate import need, need_root
from tests.real.postgres import PostgresServer, postgres_cluster

pytestmark = pytest.mark.chaos

AWAY = 4.0
"""Seconds; longer than a short lease and shorter than a long one."""
NOTICED_WITHIN = 12.0
COUNT = 24
CANNOT = "cannot be"


class Database:
    """A server of the test's own, which may die and come again."""

    def __init__(self, server: PostgresServer) -> None:
        self.server = server
        self._lives = ExitStack()

    def start(self) -> None:
        """Return once it answers: a port that accepts is not the end of a recovery."""
        import psycopg

        self._lives.enter_context(self.server.running())
        deadline = time.monotonic() + 30
        while True:
            with suppress(psycopg.OperationalError):
                psycopg.connect(self.server.url("postgres")).close()
                return
            assert time.monotonic() < deadline, "PostgreSQL does not come up"

    def end(self, how: str) -> None:
        (self.server.kill if how == "kill" else self.server.stop)()

    def close(self) -> None:
        self._lives.close()


@asynccontextmanager
async def driven(
    folder: Path, *, lease: float, seats: int = 1
) -> AsyncIterator[tuple[Database, Scene]]:
    """Set a scene whose run is under way on a database of its own."""
    with postgres_cluster() as server:
        database = Database(server)
        await asyncio.to_thread(database.start)
        try:
            async with scene(
                folder, fleet.fleet(COUNT), postgres=server, lease=lease, seats=seats
            ) as stage:
                for seat in stage.seats:
                    await seat.sit_down()
                await stage.begin(fleet.plan(COUNT, parallel=3))
                await under_way(stage)
                yield database, stage
        finally:
            await asyncio.to_thread(database.close)


async def goes_on(stage: Scene, begun: float, ended: float) -> None:
    journal = await stage.finish()
    quiet(stage, begun, ended)
    went_on(stage, ended)
    verdict.check(stage, journal, fleet.plan(COUNT, parallel=3))
    assert await stage.orders_without_ownership() == []


SERVER_ENDS = [(how, lease) for how in ("kill", "restart") for lease in (1.0, 15.0)]
LINE_ENDS = [(how, lease) for how in ("cut", "stall") for lease in (1.0, 15.0)]
LINE_ENDS.append(("cable", 30.0))


@pytest.mark.parametrize(("how", "lease"), sample(SERVER_ENDS))
@pytest.mark.timeout(150)
async def test_the_server_ends_and_comes_back(how: str, lease: float, tmp_path: Path) -> None:
    async with driven(tmp_path, lease=lease) as (database, stage):
        seat = stage.seats[0]
        before, begun = len(seat.said()), now()
        await asyncio.to_thread(database.end, how)
        await until(said_since(seat, before, CANNOT), "why it waits", 20)
        await asyncio.sleep(max(0.0, begun + AWAY - now()))
        ended = now()
        await asyncio.to_thread(database.start)
        await goes_on(stage, begun, ended)
        check_lease(seat, lease)


@pytest.mark.parametrize(("how", "lease"), sample(LINE_ENDS))
@pytest.mark.timeout(150)
async def test_the_connection_ends_and_comes_back(how: str, lease: float, tmp_path: Path) -> None:
    async with driven(tmp_path, lease=lease) as (_, stage):
        seat = stage.seats[0]
        before, begun = len(seat.said()), now()
        with broken(seat, how):
            if how != "stall" or lease < AWAY:  # who hears nothing has nothing to say yet
                words = "could not be renewed" if lease < AWAY else CANNOT
                await until(said_since(seat, before, words), "why it waits", NOTICED_WITHIN)
            await asyncio.sleep(max(0.0, begun + AWAY - now()))
            ended = now()
        await goes_on(stage, begun, ended)
        check_lease(seat, lease)


@contextmanager
def broken(seat: Seat, how: str) -> Iterator[None]:
    """Break the way to the database: it refuses, falls silent, or its packets vanish."""
    assert seat.line is not None
    if how == "cable":
        # What the operating system is told about the connection counts.
        need_root(why="packets to the database are dropped")
        program = need("iptables", why="packets are dropped", install="apt-get install iptables")
        with dropping(program, seat.line.port):
            yield
        return
    (seat.line.cut if how == "cut" else seat.line.stall)()
    try:
        yield
    finally:
        seat.line.heal()


@contextmanager
def dropping(filter_: str, port: int) -> Iterator[None]:
    """Let packets between clients and *port* of loopback vanish, both ways."""
    rules = [
        ["INPUT", "-i", "lo", "-p", "tcp", which, str(port), "-j", "DROP"]
        for which in ("--dport", "--sport")
    ]
    try:
        for rule in rules:
            carried_out([filter_, "-w", "-I", *rule])
        yield
    finally:
        for rule in rules:
            carried_out([filter_, "-w", "-D", *rule])


def check_lease(seat: Seat, lease: float) -> None:
    """A long lease outlives the disaster; a short one is taken anew by the same process."""
    assert bool(seat.said("run.lost")) == (lease < AWAY), seat.said("run.lost")

"""Leases in a real PostgreSQL: one owner at a time, an epoch for each, and late ones fenced off."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from sqlalchemy import Engine, create_engine, event

from drorch.errors import JournalConflictError, JournalUnavailableError
from drorch.journal.leases import PostgresLease, PostgresLeases
from drorch.journal.listening import ANY
from drorch.journal.locks import FileLeases
from drorch.journal.postgres import PostgresBackend
from drorch.journal.store import Store
from drorch.journal.url import place_of
from tests.unit.journal.test_store import create, paused, requested

TTL = 1.0


class Orchestrator:
    """One process's share: its own connections, its own data folder."""

    def __init__(self, url: str, folder: Path, name: str, *, ttl: float = TTL) -> None:
        self.store = Store(place_of(url, folder))
        backend = self.store.backend
        assert isinstance(backend, PostgresBackend)
        self.locks = FileLeases(folder / "leases")
        self.leases = PostgresLeases(
            backend, self.locks, ttl=ttl, holder=f"{name}#1", site=str(folder)
        )

    async def close(self) -> None:
        await self.leases.close()
        self.store.close()


@asynccontextmanager
async def orchestrators(url: str, *folders: Path) -> AsyncIterator[list[Orchestrator]]:
    made = [Orchestrator(url, folder, f"node{n}") for n, folder in enumerate(folders)]
    try:
        yield made
    finally:
        for one in made:
            await one.close()


async def owned(one: Orchestrator) -> tuple[str, PostgresLease]:
    """Make a run and take it."""
    run = await create(one.store)
    lease = await one.leases.acquire(run)
    assert lease is not None
    return run, lease


async def until(condition: Callable[[], bool], within: float = 20.0) -> None:
    deadline = time.monotonic() + within
    while not condition():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.02)


async def test_a_held_run_is_refused_for_as_long_as_it_is_renewed(
    postgres_url: str, tmp_path: Path
) -> None:
    async with orchestrators(postgres_url, tmp_path / "a", tmp_path / "b") as (one, two):
        run, lease = await owned(one)
        assert lease.epoch == 1
        began = time.monotonic()
        while time.monotonic() < began + 2.5 * TTL:
            assert await two.leases.acquire(run) is None
            assert await two.leases.is_held(run)
            assert not await two.leases.free([run])
            assert not lease.lost()
            await asyncio.sleep(0.1)


async def test_a_run_that_is_given_back_is_free_at_once_and_others_hear_of_it(
    postgres_url: str, tmp_path: Path
) -> None:
    async with orchestrators(postgres_url, tmp_path / "a", tmp_path / "b") as (one, two):
        run, lease = await owned(one)
        await two.store.hint(ANY, 0.5)  # it listens from now on
        began = time.monotonic()
        hearing = asyncio.create_task(two.store.hint(ANY, 30))
        await asyncio.sleep(0)
        await lease.release()
        await lease.release()
        assert lease.lost()
        assert await two.leases.free([run]) == [run]
        taken = await two.leases.acquire(run)
        assert taken is not None
        assert taken.epoch == 2
        await hearing
        assert time.monotonic() - began < 25, "woken, not timed out"


async def test_who_is_not_renewed_stops_believing_before_another_may_take_over(
    postgres_url: str, tmp_path: Path
) -> None:
    async with orchestrators(postgres_url, tmp_path / "a", tmp_path / "b") as (one, two):
        run, lease = await owned(one)
        one.leases._stopped.set()  # as if it were cut off: nothing is renewed any more
        while (taken := await two.leases.acquire(run)) is None:
            await asyncio.sleep(0.02)
        assert "could not be renewed" in lease.lost()
        assert taken.epoch == 2
        with pytest.raises(JournalConflictError, match="taken the run"):
            await one.store.append(run, [paused("late")], after=1, epoch=lease.epoch)
        await two.store.append(run, [paused("now")], after=1, epoch=taken.epoch)
        await lease.release()
        assert await one.leases.acquire(run) is None, "giving back late takes nothing away"


async def test_a_hanging_event_loop_loses_its_runs(postgres_url: str, tmp_path: Path) -> None:
    async with orchestrators(postgres_url, tmp_path / "a", tmp_path / "b") as (one, two):
        run, lease = await owned(one)
        beating = one.leases._beating
        assert beating is not None
        beating.cancel()  # the loop does not get to its pulse any more
        while await two.leases.acquire(run) is None:
            await asyncio.sleep(0.02)
        assert lease.lost()


async def test_once_lost_is_lost_for_good(postgres_url: str, tmp_path: Path) -> None:
    async with orchestrators(postgres_url, tmp_path / "a") as (one,):
        _, lease = await owned(one)
        lease.overtaken()
        await asyncio.sleep(TTL)  # several renewals, which the database accepts
        assert "taken" in lease.lost()


@pytest.mark.parametrize("lost", [True, False])
async def test_who_lost_a_run_does_not_wait_for_the_database_to_say_so(
    postgres_url: str, tmp_path: Path, lost: bool
) -> None:
    one = Orchestrator(postgres_url, tmp_path, "one", ttl=60.0)
    _, lease = await owned(one)
    asked: list[str] = []

    def note(*said: object) -> None:
        asked.append(str(said[2]))

    event.listen(one.leases._backend.engine, "before_cursor_execute", note)
    if lost:
        lease.overtaken()
    await lease.release()
    assert ["UPDATE leases" in statement for statement in asked] == ([] if lost else [True])
    assert not one.locks.holds(lease.run)
    await one.close()


async def test_a_restart_on_the_same_folder_takes_over_at_once(
    postgres_url: str, tmp_path: Path
) -> None:
    async with orchestrators(postgres_url, tmp_path / "a") as (one,):
        run, lease = await owned(one)
        again = Orchestrator(postgres_url, tmp_path / "a", "again", ttl=60.0)
        try:
            assert await again.leases.acquire(run) is None, "its lock is held: it lives"
            lease.file.let_go()  # what the kernel does when a process dies
            taken = await again.leases.acquire(run)
            assert taken is not None
            assert taken.epoch == 2
            await until(lambda: bool(lease.lost()))
        finally:
            await again.close()


async def test_a_run_is_owned_before_anybody_can_see_it(postgres_url: str, tmp_path: Path) -> None:
    async with orchestrators(postgres_url, tmp_path / "a", tmp_path / "b") as (one, two):
        run, lease = await one.store.create_owned_run(
            "test", "live", requested, (), owner=one.leases
        )
        assert lease is not None
        assert await two.leases.acquire(run) is None
        await until(lambda: not lease.lost())
        await asyncio.sleep(1.5 * TTL)
        assert await two.leases.acquire(run) is None, "renewed from its birth on"


async def test_of_many_that_reach_for_a_free_run_one_gets_it(
    postgres_url: str, tmp_path: Path
) -> None:
    folders = [tmp_path / str(n) for n in range(6)]
    async with orchestrators(postgres_url, *folders) as several:
        run = await create(several[0].store)
        taken = await asyncio.gather(*(one.leases.acquire(run) for one in several))
        assert sum(lease is not None for lease in taken) == 1


async def test_without_the_database_nothing_is_taken(postgres_url: str, tmp_path: Path) -> None:
    async with orchestrators(postgres_url, tmp_path / "a") as (one,):
        run = await create(one.store)
        backend = one.store.backend
        assert isinstance(backend, PostgresBackend)
        backend.engine.dispose()
        backend.engine = _nowhere(backend)
        with pytest.raises(JournalUnavailableError, match="cannot be asked"):
            await one.leases.acquire(run)
        assert not one.locks.holds(run), "and the lock is free again"


def _nowhere(backend: PostgresBackend) -> Engine:
    assert backend.place.url is not None
    return create_engine(backend.place.url.set(port=1), connect_args={"connect_timeout": 2})

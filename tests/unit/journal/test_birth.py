"""A run whose commit nobody has answered: it is looked for before anybody is told anything."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from drorch.access.principal import Act, Means, Principal
from drorch.access.roles import Role
from drorch.errors import JournalUnavailableError
from drorch.failpoints import Name, arm
from drorch.journal.leases import PostgresLeases
from drorch.journal.locks import FileLeases
from drorch.journal.pages import open_runs
from drorch.journal.postgres import PostgresBackend
from drorch.journal.store import Store
from drorch.journal.url import place_of
from drorch.ports.lease import Lease
from tests.real.postgres import PostgresServer
from tests.real.proxy import Proxy
from tests.unit.journal.places import everything
from tests.unit.journal.test_store import create, requested

OPS = Principal(id="t1", name="ops", role=Role.OPERATOR, means=Means.TOKEN)
CLAIM = ("connector:pve", "db")


class Line:
    """The way to a database, which can break at the next COMMIT: before it arrives, or behind."""

    def __init__(self, server: PostgresServer) -> None:
        self.url = server.make()
        self.way = Proxy(server.port, self._hear)
        self.way_url = self.url.replace(f":{server.port}/", f":{self.way.port}/")
        self.breaks = ""
        self._ending = False
        """The run is written and its act is being recorded: the next COMMIT is theirs."""
        self.committed = threading.Event()

    def _hear(self, sent: bytes) -> None:
        self._ending = self._ending or b"run.start" in sent
        if b"COMMIT" not in sent or not (self.breaks and self._ending):
            return
        how, self.breaks = self.breaks, ""
        if how == "before":
            raise ConnectionResetError  # the way ends here, and the server hears of no COMMIT
        self.way.stall()  # what the server answers does not come through
        self.committed.set()


@pytest.fixture
def line(postgres_server: PostgresServer) -> Iterator[Line]:
    made = Line(postgres_server)
    yield made
    made.way.close()


@pytest.fixture
async def far(line: Line, tmp_path: Path) -> AsyncIterator[Store]:
    store = Store(place_of(line.way_url, tmp_path / "far"))
    yield store
    line.way.cut()  # a test that failed may have left it stalled
    store.close()


def owner_of(store: Store, folder: Path) -> PostgresLeases:
    assert isinstance(store.backend, PostgresBackend)
    locks = FileLeases(folder / "leases")
    return PostgresLeases(store.backend, locks, ttl=30.0, holder="a#1", site=str(folder))


async def begin(store: Store, owner: PostgresLeases) -> tuple[str, Lease | None]:
    act = Act(by=OPS, action="run.start", object=lambda run: f"run/{run}")
    return await store.create_owned_run("test", "live", requested, [CLAIM], owner=owner, act=act)


async def committed(line: Line, near: Store, beginning: asyncio.Task[Any]) -> None:
    """Wait until the server has done what was asked, and nobody has heard of it."""
    while not line.committed.is_set() or not await open_runs(near):
        assert not beginning.done()
        await asyncio.sleep(0.02)


async def test_a_run_whose_commit_was_cut_off_is_begun(
    line: Line, far: Store, tmp_path: Path
) -> None:
    near = Store(place_of(line.url, tmp_path / "near"))
    owner = owner_of(far, tmp_path / "far")
    try:
        line.breaks = "behind"
        beginning = asyncio.create_task(begin(far, owner))
        await committed(line, near, beginning)
        line.way.cut()
        line.way.heal()
        run, lease = await beginning
        assert run == "test-1"
        assert lease is not None
        assert not lease.lost()
        other = owner_of(near, tmp_path / "near")
        assert await other.acquire(run) is None, "it has an owner"
        await other.close()
        await lease.release()
    finally:
        await owner.close()
        near.close()


async def test_a_run_that_nobody_can_look_for_is_said_to_be_unknown(
    line: Line, far: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("drorch.journal.birth._AGAIN", 0.05)
    near = Store(place_of(line.url, tmp_path / "near"))
    owner = owner_of(far, tmp_path / "far")
    try:
        line.breaks = "behind"
        beginning = asyncio.create_task(begin(far, owner))
        await committed(line, near, beginning)
        line.way.cut()
        with pytest.raises(JournalUnavailableError, match="not known whether the run") as told:
            await beginning
        assert "'drorch runs'" in told.value.hint
        assert [run.id for run in await open_runs(near)] == ["test-1"], "as the hint says"
    finally:
        await owner.close()
        near.close()


async def test_a_run_whose_commit_never_arrived_is_not_there(
    line: Line, far: Store, tmp_path: Path
) -> None:
    owner = owner_of(far, tmp_path / "far")
    try:
        line.breaks = "before"
        with pytest.raises(JournalUnavailableError, match="cannot be written"):
            await begin(far, owner)
        assert everything(far.place, "alembic_version")["claims"] == []
        assert await open_runs(far) == []
        run, lease = await begin(far, owner)
        assert (run, lease is None) == ("test-1", False), "the lock of the failed one is free"
        assert lease is not None
        await lease.release()
    finally:
        await owner.close()


@pytest.fixture
def taken_away(tmp_path: Path) -> Iterator[tuple[Path, Path]]:
    """Have the file of SQLite moved elsewhere in the middle of the next beginning."""
    file, away = tmp_path / "drorch.db", tmp_path / "away.db"

    def move(reached: Name) -> None:
        if reached == "run.create.before":
            arm(None)
            file.rename(away)

    arm(move)
    yield file, away
    arm(None)


async def test_a_run_in_a_file_that_was_taken_away_is_unknown_until_it_is_back(
    tmp_path: Path, taken_away: tuple[Path, Path]
) -> None:
    file, away = taken_away
    store = Store(place_of("sqlite", tmp_path))
    beginning = asyncio.create_task(create(store, CLAIM))
    async with asyncio.timeout(60):
        while not away.exists():
            await asyncio.sleep(0.01)
    await asyncio.sleep(0.3)
    assert not beginning.done(), "it looks for the run first"
    away.rename(file)
    assert await beginning == "test-1"
    assert [run.id for run in await open_runs(store)] == ["test-1"]
    store.close()

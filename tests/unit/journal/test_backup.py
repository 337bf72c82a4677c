"""Backups while runs go on, of both databases into SQLite, and back again."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from drorch.errors import ConfigurationError, JournalDamagedError, JournalUnavailableError
from drorch.journal.backup import Copied, RestoreRefusedError, back_up, restore
from drorch.journal.checking import check_journal
from drorch.journal.opening import opened
from drorch.journal.shelf import Hold, NewPlan, Shelf
from drorch.journal.store import Store
from drorch.journal.url import Place, place_of
from drorch.run import commands as cmd
from tests.real.postgres import PostgresServer
from tests.unit.journal.places import everything, execute, made_at
from tests.unit.journal.test_store import ENDED, create, paused

HOLD = Hold(connector="pve", machine="7", reason="encrypted", by="anna", at="2026-11-01T00:00:00Z")


async def filled(place: Place) -> None:
    store = Store(place)
    shelf = Shelf(store)
    done, going = await create(store), await create(store, ("connector:pve", "101"))
    await store.append(done, [paused("à"), ENDED], after=1)
    await store.append(going, [paused()], after=1)
    await store.submit(going, cmd.Abort(by="anna"))
    await shelf.hold(HOLD)
    await shelf.remember_estate("pve", "cluster-1")
    await shelf.save_plan(NewPlan(plan="test", source="drorch: 1\n", digest="abc", by="anna"))
    store.close()


def file_of(path: Path) -> Place:
    return Place(shown=str(path), file=path)


async def test_a_backup_holds_everything_and_is_private(place: Place, tmp_path: Path) -> None:
    await filled(place)
    target = tmp_path / "copy" / "backup.db"
    target.parent.mkdir()
    copied = back_up(place, target)
    assert copied == Copied(runs=2, events=5, still_open=("test-2",))
    assert target.stat().st_mode & 0o777 == 0o600
    assert [path.name for path in target.parent.iterdir()] == ["backup.db"]
    assert everything(file_of(target)) == everything(place)


async def test_a_laptop_opens_it(place: Place, tmp_path: Path) -> None:
    await filled(place)
    (tmp_path / "laptop").mkdir()
    back_up(place, tmp_path / "laptop" / "drorch.db")
    store = Store(place_of("sqlite", tmp_path / "laptop"))
    assert len(await store.read("test-2")) == 2
    await store.append("test-2", [paused()], after=2)
    assert [line.seq for line in await store.feed((0, "", 0), 100)][-1] == 3, "new comes last"
    store.close()


async def test_a_backup_is_of_one_moment_while_runs_go_on(place: Place, tmp_path: Path) -> None:
    store = Store(place)
    runs = [await create(store) for _ in range(4)]
    stopped = asyncio.Event()

    async def write(run: str) -> None:
        seq = 1
        while not stopped.is_set():
            await store.append(run, [paused(), paused(), paused()], after=seq)
            seq += 3

    writing = [asyncio.create_task(write(run)) for run in runs]
    written = []
    for number in range(5):
        file = tmp_path / f"{number}.db"
        copied = await asyncio.to_thread(back_up, place, file)
        with opened(file_of(file)) as backup:
            checked = check_journal(backup)
        assert checked.flaws == []
        assert checked.events == copied.events
        written.append(copied.events)
        assert (copied.events - 4) % 3 == 0, "what was appended together is there together"
    stopped.set()
    await asyncio.gather(*writing)
    assert written[-1] > written[0], "somebody wrote meanwhile"
    store.close()


async def test_nothing_is_replaced_and_nothing_half_is_left(place: Place, tmp_path: Path) -> None:
    await filled(place)
    folder = tmp_path / "to"
    folder.mkdir()
    (folder / "taken.db").write_text("mine")
    with pytest.raises(ConfigurationError, match="exists already"):
        back_up(place, folder / "taken.db")
    assert (folder / "taken.db").read_text() == "mine"
    with pytest.raises(JournalUnavailableError, match="cannot be written"):
        back_up(place, folder / "nowhere" / "b.db")
    execute(place, "ALTER TABLE holds RENAME TO gone")
    with pytest.raises(JournalDamagedError, match="missing: holds"):
        back_up(place, folder / "b.db")
    assert [path.name for path in folder.iterdir()] == ["taken.db"]


def test_there_has_to_be_a_journal(place: Place, tmp_path: Path) -> None:
    with pytest.raises(JournalUnavailableError, match="there is no journal"):
        back_up(place, tmp_path / "b.db")
    assert place.file is None or not place.file.exists()


@pytest.fixture(params=["sqlite", "postgresql"])
def empty(request: pytest.FixtureRequest, tmp_path: Path, postgres_server: PostgresServer) -> Place:
    """Return another empty place."""
    url = postgres_server.make() if request.param == "postgresql" else "sqlite"
    return place_of(url, tmp_path / "other")


async def test_a_backup_is_put_back(place: Place, empty: Place, tmp_path: Path) -> None:
    await filled(place)
    file = tmp_path / "b.db"
    made = back_up(place, file)
    file.chmod(0o400)
    before = file.read_bytes()
    assert restore(file, empty) == made
    assert file.read_bytes() == before
    assert not list(tmp_path.glob("b.db-*")), "it may be on a stick that is locked"
    moved = ("events", "leases", "nodes")
    assert everything(empty, *moved) == everything(place, *moved)
    store = Store(empty)
    assert await store.read("test-2")
    entry = await store.submit("test-2", cmd.Resume(by="anna"))
    assert entry == 2, "the entry numbers go on"
    await store.append("test-2", [paused()], after=2)
    feed = await store.feed((0, "", 0), 100)
    assert [(line.run, line.seq) for line in feed][-1] == ("test-2", 3)
    assert len(feed) == 6, "restored events are read, whatever numbers they had"
    assert await create(store) == "test-3"
    store.close()
    with pytest.raises(RestoreRefusedError, match="is not empty"):
        restore(file, empty)


async def test_what_is_no_backup_is_refused(empty: Place, tmp_path: Path) -> None:
    rubbish, old, nothing = tmp_path / "rubbish", tmp_path / "old.db", tmp_path / "nothing"
    rubbish.write_bytes(b"hello" * 1000)
    nothing.write_bytes(b"")
    made_at(file_of(old), "0001")
    with pytest.raises(JournalDamagedError, match="damaged"):
        restore(rubbish, empty)
    with pytest.raises(JournalUnavailableError, match="older drorch") as refused:
        restore(old, empty)
    assert "db upgrade" in refused.value.hint
    for name in (nothing, tmp_path / "absent"):
        with pytest.raises(ConfigurationError):
            restore(name, empty)
    Store(empty).close()
    assert everything(empty)["runs"] == []

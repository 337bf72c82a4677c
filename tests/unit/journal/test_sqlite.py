"""What only SQLite has: one file, its rights, its disk."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy import Connection, text

from drorch.errors import JournalConflictError, JournalDamagedError, JournalUnavailableError
from drorch.journal.backup import back_up, restore
from drorch.journal.sqlite import SqliteBackend
from drorch.journal.store import Store
from drorch.run import events as ev
from tests.fakes.script import T0
from tests.unit.journal.test_store import create, paused


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    opened = Store(tmp_path / "drorch.db")
    yield opened
    opened.close()


_SETTINGS = ("synchronous", "journal_mode", "busy_timeout", "foreign_keys")


async def test_every_connection_commits_to_the_disk_itself(store: Store) -> None:
    def settings(connection: Connection) -> list[object]:
        return [connection.exec_driver_sql(f"PRAGMA {it}").scalar_one() for it in _SETTINGS]

    expected = [2, "wal", 5000, 1]
    assert [line(store).execute(f"PRAGMA {it}").fetchone()[0] for it in _SETTINGS] == expected
    assert await store.writing(settings) == expected
    assert await store.reading(settings) == expected
    assert await asyncio.gather(*(store.reading(settings) for _ in range(4))) == [expected] * 4


async def test_the_file_is_for_its_owner_alone(store: Store) -> None:
    assert store.place.file is not None
    assert store.place.file.stat().st_mode & 0o777 == 0o600


async def test_many_appends_share_commits(store: Store) -> None:
    runs = [await create(store) for _ in range(50)]
    commits: list[str] = []

    def traced(statement: str) -> None:
        commits.extend([statement] if statement == "COMMIT" else [])

    line(store).set_trace_callback(traced)
    await asyncio.gather(*(store.append(run, [paused()], after=1) for run in runs))
    assert 1 <= len(commits) <= 10


async def test_a_full_disk_stops_writing_and_is_over_by_itself(store: Store) -> None:
    run = await create(store)
    pages = await store.writing(lambda c: c.execute(text("PRAGMA page_count")).scalar_one())
    limit(store, pages)
    long = ev.RunPaused(at=T0, by="anna", comment="x" * 200_000)
    with pytest.raises(JournalUnavailableError, match="full") as full:
        await store.append(run, [long], after=1)
    assert "Nothing new is started" in full.value.hint
    assert len(await store.read(run)) == 1, "reading still works"
    limit(store, 1_000_000)
    await store.append(run, [long], after=1)
    assert len(await store.read(run)) == 2


async def test_appends_and_other_work_of_one_group_are_all_stored_in_order(store: Store) -> None:
    runs = [await create(store) for _ in range(3)]
    appends = [store.append(run, [paused()], after=1) for run in runs]
    works = [store.writing(lambda c: c.execute(text("SELECT 1")).scalar()) for _ in range(3)]
    await asyncio.gather(*(one for pair in zip(appends, works, strict=True) for one in pair))
    lines = await store.feed((0, "", 0), 100)
    assert [line.run for line in lines if line.seq == 2] == runs
    assert len({line.txn for line in lines}) == 6, "each append has its own place in the order"


async def test_an_append_that_conflicts_spoils_no_other_of_its_group(store: Store) -> None:
    runs = [await create(store) for _ in range(5)]
    places = [1, 1, 0, 1, 1]
    appends = [store.append(r, [paused()], after=p) for r, p in zip(runs, places, strict=True)]
    told = await asyncio.gather(*appends, return_exceptions=True)
    assert [type(error) for error in told if error] == [JournalConflictError]
    assert [len(await store.read(run)) for run in runs] == [2, 2, 1, 2, 2]


def limit(store: Store, pages: int) -> None:
    """Make the disk as large as *pages*; the setting belongs to a connection."""
    line(store).execute(f"PRAGMA max_page_count={pages}").close()


def line(store: Store) -> sqlite3.Connection:
    assert isinstance(store.backend, SqliteBackend)
    return store.backend.line()


async def test_what_cannot_be_read_is_unavailable_and_no_defect(store: Store) -> None:
    run = await create(store)
    await store.writing(lambda c: c.exec_driver_sql("ALTER TABLE inbox RENAME TO gone").close())
    with pytest.raises(JournalUnavailableError, match="cannot be read"):
        await store.inbox(run)
    await store.writing(lambda c: c.exec_driver_sql("ALTER TABLE gone RENAME TO inbox").close())
    assert await store.inbox(run) == []


def test_a_folder_that_cannot_be_made_is_told_with_help(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(JournalUnavailableError, match="cannot open the journal") as refused:
        Store(tmp_path / "file" / "s.db")
    assert "data_dir" in refused.value.hint


def test_something_that_is_no_database_is_refused(tmp_path: Path) -> None:
    (tmp_path / "s.db").write_bytes(b"this is not a database" * 100)
    with pytest.raises(JournalDamagedError, match="not a database") as refused:
        Store(tmp_path / "s.db")
    assert "do not delete it" in refused.value.hint
    assert (tmp_path / "s.db").read_bytes().startswith(b"this is not"), "left alone"


async def test_nothing_is_durable_in_a_file_that_was_taken_away(
    store: Store, tmp_path: Path
) -> None:
    run = await create(store)
    await store.append(run, [paused("a"), paused("b")], after=1)
    away = tmp_path / "away"
    away.mkdir()
    back_up(store.place, away / "backup.db")
    await store.append(run, [paused("c")], after=3)
    for file in sorted(tmp_path.glob("drorch.db*")):
        file.rename(away / file.name)
    for _ in range(2):
        with pytest.raises(JournalUnavailableError, match="taken away") as gone:
            await store.append(run, [paused("late")], after=4)
        assert "db restore" in gone.value.hint
        with pytest.raises(JournalUnavailableError):
            await store.held([("pve", "1")])
    assert not list(tmp_path.glob("drorch.db*")), "none is begun anew in its place"
    restore(away / "backup.db", store.place)
    with pytest.raises(JournalConflictError, match="older state"):
        await store.append(run, [paused("late")], after=4)
    assert [record.seq for record in await store.read(run)] == [1, 2, 3]
    await store.append(run, [paused("again")], after=3)
    other = Store(store.place)
    assert len(await other.read(run)) == 4
    other.close()


async def test_a_folder_may_be_called_anything(tmp_path: Path) -> None:
    folder = tmp_path / "what? #1 50%41 & è"
    opened = Store(folder / "drorch.db")
    run = await create(opened)
    await opened.append(run, [paused()], after=1)
    assert len(await opened.read(run)) == 2
    assert back_up(opened.place, folder / "backup.db").events == 2
    (folder / "backup.db").unlink()
    assert {path.name for path in folder.iterdir()} <= {
        "drorch.db", "drorch.db-wal", "drorch.db-shm", "journals"
    }  # fmt: skip
    opened.close()

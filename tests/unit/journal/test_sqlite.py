"""What only SQLite has: one file, its rights, its disk."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy import Connection, text

from drorch.errors import JournalDamagedError, JournalUnavailableError
from drorch.journal.store import Store
from drorch.run import events as ev
from tests.fakes.script import T0
from tests.unit.journal.test_store import create, paused


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    opened = Store(tmp_path / "drorch.db")
    yield opened
    opened.close()


async def test_every_connection_commits_to_the_disk_itself(store: Store) -> None:
    def settings(connection: Connection) -> list[object]:
        asked = ("synchronous", "journal_mode", "busy_timeout", "foreign_keys")
        return [connection.execute(text(f"PRAGMA {name}")).scalar() for name in asked]

    expected = [2, "wal", 5000, 1]
    assert await store.writing(settings) == expected
    assert await store.reading(settings) == expected
    assert await asyncio.gather(*(store.reading(settings) for _ in range(4))) == [expected] * 4


async def test_the_file_is_for_its_owner_alone(store: Store) -> None:
    assert store.place.file is not None
    assert store.place.file.stat().st_mode & 0o777 == 0o600


async def test_many_appends_share_commits(store: Store) -> None:
    runs = [await create(store) for _ in range(50)]
    commits = 0

    def counted(_: Connection) -> None:
        nonlocal commits
        commits += 1

    from sqlalchemy import event

    event.listen(store.backend.engine, "commit", counted)
    await asyncio.gather(*(store.append(run, [paused()], after=1) for run in runs))
    assert commits <= 10


async def test_a_full_disk_stops_writing_and_is_over_by_itself(store: Store) -> None:
    run = await create(store)
    pages = await store.writing(lambda c: c.execute(text("PRAGMA page_count")).scalar_one())
    await limit(store, pages)
    long = ev.RunPaused(at=T0, by="anna", comment="x" * 200_000)
    with pytest.raises(JournalUnavailableError, match="full") as full:
        await store.append(run, [long], after=1)
    assert "Nothing new is started" in full.value.hint
    assert len(await store.read(run)) == 1, "reading still works"
    await limit(store, 1_000_000)
    await store.append(run, [long], after=1)
    assert len(await store.read(run)) == 2


async def limit(store: Store, pages: int) -> None:
    """Make the disk as large as *pages*; the setting belongs to a connection."""

    def configure(connection: Connection) -> None:
        connection.exec_driver_sql(f"PRAGMA max_page_count={pages}")

    store.backend.engine.dispose()
    from sqlalchemy import event

    event.listen(store.backend.engine, "begin", configure)


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

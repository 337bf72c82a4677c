"""The tables of every version: moved on by an upgrade alone, never under a run, or refused."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from sqlalchemy import inspect, text

from drorch.errors import JournalDamagedError, JournalUnavailableError
from drorch.journal.backup import back_up, restore
from drorch.journal.nodes import Identity, Nodes
from drorch.journal.opening import Upgraded, opened, upgrade_database
from drorch.journal.schema import UpgradeRefusedError
from drorch.journal.store import Store
from drorch.journal.tables import REVISION
from drorch.journal.url import Place, place_of
from tests.unit.journal.places import (
    bare,
    differences,
    everything,
    execute,
    made_at,
    recorded,
    with_run,
)

ME = Identity(site="here", name="host:1", version="1", started_at="2026-11-01T00:00:00Z")


def test_what_is_made_new_is_what_the_migrations_make(place: Place) -> None:
    Store(place).close()
    assert differences(place) == []


def test_the_comparison_sees_differences(place: Place) -> None:
    made_at(place, "0001")
    assert {one[0] for one in differences(place)} >= {"add_table", "add_column", "add_index"}


def test_an_older_database_is_refused_until_it_is_upgraded(place: Place) -> None:
    made_at(place, "0001")
    with_run(place, ended=True)
    with pytest.raises(JournalUnavailableError, match="older drorch") as refused:
        Store(place)
    assert "drorch db upgrade" in refused.value.hint
    assert upgrade_database(place) == Upgraded(old="0001", new=REVISION)
    assert differences(place) == []
    found = everything(place)
    assert found["events"] == [("test-1", 1, "run.paused", 1, "", 0)]
    assert [row[0] for row in found["runs"]] == ["test-1"]
    assert upgrade_database(place) == Upgraded(old=REVISION, new=REVISION)


async def test_the_journal_of_the_very_first_version_is_kept(tmp_path: Path) -> None:
    place = place_of("sqlite", tmp_path)
    assert place.file is not None
    recorded(place.file)
    with pytest.raises(JournalUnavailableError, match="older drorch"):
        Store(place)
    assert upgrade_database(place).old == "0001"
    assert differences(place) == []
    store = Store(place)
    events = await store.read("test-1")
    assert [record.event.type for record in events] == [
        "run.requested",
        "run.started",
        "run.paused",
        "run.ended",
    ]
    assert len(await store.inbox("test-1")) == 1
    store.close()
    found = everything(place)
    assert [len(found[name]) for name in ("holds", "estates", "plans", "claims")] == [1, 1, 1, 0]


def test_an_empty_database_is_made_by_an_upgrade_too(place: Place) -> None:
    assert upgrade_database(place) == Upgraded(old=None, new=REVISION)
    assert differences(place) == []


def test_nothing_is_changed_under_an_open_run(place: Place) -> None:
    made_at(place, "0001")
    with_run(place, ended=False)
    before = repr(differences(place))
    with pytest.raises(UpgradeRefusedError, match="test-1 is open") as refused:
        upgrade_database(place)
    assert "abort" in refused.value.hint
    assert repr(differences(place)) == before
    execute(place, "UPDATE runs SET status = 'imported'")
    assert upgrade_database(place).new == REVISION, "a run to be read only is nobody's"


async def test_nothing_is_changed_under_an_orchestrator_that_lives(place: Place) -> None:
    store = Store(place)
    await Nodes(store, patience=60).appear(ME)
    store.close()
    execute(place, "UPDATE alembic_version SET version_num = '0001'")
    with pytest.raises(UpgradeRefusedError, match="host:1 lives on this journal"):
        upgrade_database(place)
    execute(place, "UPDATE nodes SET seen = seen - 3600")
    with pytest.raises(Exception, match=r"already exists|duplicate"):
        upgrade_database(place)  # the silent one is no reason any more; the tables are there


def test_a_newer_database_is_refused_by_everything(place: Place) -> None:
    Store(place).close()
    execute(place, "UPDATE alembic_version SET version_num = '9999'")
    for use in (Store, upgrade_database, lambda p: opened(p).__enter__()):
        with pytest.raises(JournalUnavailableError, match="newer drorch") as refused:
            use(place)
        assert "nothing has been changed" in refused.value.hint


def test_tables_of_somebody_else_are_left_alone(place: Place) -> None:
    execute(place, "CREATE TABLE invoices (id INTEGER)")
    for use in (Store, upgrade_database):
        with pytest.raises(JournalUnavailableError, match=r"not a journal.*invoices") as refused:
            use(place)
        assert "createdb" in refused.value.hint
    assert {one[0] for one in differences(place)} >= {"add_table", "remove_table"}


def test_a_lost_table_is_not_made_anew(place: Place) -> None:
    Store(place).close()
    execute(place, "DROP TABLE inbox")
    for use in (Store, upgrade_database):
        with pytest.raises(JournalDamagedError, match="missing: inbox") as refused:
            use(place)
        assert "backup" in refused.value.hint


def test_a_journal_that_is_gone_is_not_begun_anew(place: Place, tmp_path: Path) -> None:
    Store(place).close()
    copy = tmp_path / "copy.db"
    back_up(place, copy)
    emptied(place)
    for _ in range(2):
        with pytest.raises(JournalDamagedError, match="is empty or gone") as refused:
            Store(place)
        assert "drorch db restore" in refused.value.hint
    restore(copy, place)
    Store(place).close()
    emptied(place)
    (tmp_path / "journals").unlink()
    Store(place).close()


def emptied(place: Place) -> None:
    if place.file is not None:
        for file in place.file.parent.glob("drorch.db*"):
            file.unlink()
        return
    with bare(place) as backend, backend.engine.begin() as connection:
        for table in inspect(connection).get_table_names():
            connection.execute(text(f'DROP TABLE "{table}"'))


def test_many_may_start_first(place: Place) -> None:
    failed: list[BaseException] = []

    def first() -> None:
        try:
            Store(place).close()
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=first) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    with bare(place):
        assert differences(place) == []

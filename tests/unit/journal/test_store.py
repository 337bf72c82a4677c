"""The store on a real file: durable, optimistic, fair to everyone who shares a commit."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest
from sqlalchemy import Connection, text

from drorch.errors import (
    JournalConflictError,
    JournalUnavailableError,
    MachineClaimedError,
    RunNotFoundError,
)
from drorch.journal.database import open_database
from drorch.journal.shelf import Hold, Shelf
from drorch.journal.store import Store
from drorch.journal.tables import SCHEMA_VERSION
from drorch.ports.journal import Answer
from drorch.run import commands as cmd
from drorch.run import events as ev
from drorch.run.status import Mode, RunStatus
from tests.fakes.plans import plan, vm
from tests.fakes.script import T0

PLAN = plan(vm("db"), vm("web", "db"))


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    opened = Store(tmp_path / "drorch.db")
    yield opened
    opened.close()


async def create(store: Store, *claims: tuple[str, str]) -> str:
    def build(run: str) -> Sequence[ev.Event]:
        return (ev.RunRequested(at=T0, run=run, plan=PLAN, mode=Mode.LIVE, by="ops"),)

    return await store.create_run("test", "live", build, claims)


def paused(by: str = "anna") -> ev.RunPaused:
    return ev.RunPaused(at=T0, by=by)


ENDED = ev.RunEnded(at=T0, status=RunStatus.SUCCEEDED)


async def test_every_connection_commits_to_the_disk_itself(store: Store) -> None:
    def settings(connection: Connection) -> list[object]:
        asked = ("synchronous", "journal_mode", "busy_timeout", "foreign_keys")
        return [connection.execute(text(f"PRAGMA {name}")).scalar() for name in asked]

    expected = [2, "wal", 5000, 1]
    assert await store.writing(settings) == expected
    assert await store.reading(settings) == expected
    assert await asyncio.gather(*(store.reading(settings) for _ in range(4))) == [expected] * 4


async def test_the_file_is_for_its_owner_alone(store: Store) -> None:
    assert store.path.stat().st_mode & 0o777 == 0o600


async def test_what_was_appended_is_read_back_in_order(store: Store) -> None:
    run = await create(store)
    await store.append(run, [paused("a"), paused("b")], after=1)
    await store.append(run, [paused("c")], after=3)
    recorded = await store.read(run)
    assert [r.seq for r in recorded] == [1, 2, 3, 4]
    assert recorded[0].event == ev.RunRequested(at=T0, run=run, plan=PLAN, mode=Mode.LIVE, by="ops")
    later = await store.read(run, after=2)
    assert [r.event for r in later] == [paused("b"), paused("c")]


async def test_runs_are_numbered_by_plan(store: Store) -> None:
    assert [await create(store) for _ in range(3)] == ["test-1", "test-2", "test-3"]


async def test_a_run_that_is_not_there_is_said_to_be_absent(store: Store) -> None:
    with pytest.raises(RunNotFoundError, match="no run 'nope'"):
        await store.read("nope")


async def test_nobody_appends_at_a_place_that_is_taken(store: Store) -> None:
    run = await create(store)
    await store.append(run, [paused("first")], after=1)
    with pytest.raises(JournalConflictError):
        await store.append(run, [paused("second"), paused("third")], after=1)
    assert [r.event for r in await store.read(run, after=1)] == [paused("first")], "all or none"


async def test_a_bad_append_does_not_spoil_those_who_share_its_commit(store: Store) -> None:
    good, bad = await create(store), await create(store)
    appended = [
        store.append(good, [paused("1")], after=1),
        store.append(bad, [paused("x")], after=0),
        store.append(good, [paused("2")], after=2),
    ]
    results = await asyncio.gather(*appended, return_exceptions=True)
    assert results[0] is None and results[2] is None
    assert isinstance(results[1], JournalConflictError)
    assert [r.event for r in await store.read(good, after=1)] == [paused("1"), paused("2")]


async def test_a_defect_in_one_piece_of_work_is_told_to_its_author_alone(store: Store) -> None:
    run = await create(store)

    def broken(_: Connection) -> None:
        raise ValueError("a defect")

    work = [store.writing(broken), store.append(run, [paused()], after=1), store.writing(broken)]
    first, second, third = await asyncio.gather(*work, return_exceptions=True)
    assert isinstance(first, ValueError) and isinstance(third, ValueError)
    assert second is None
    assert len(await store.read(run)) == 2


async def test_many_appends_share_commits(store: Store) -> None:
    runs = [await create(store) for _ in range(50)]
    commits = 0

    def counted(_: Connection) -> None:
        nonlocal commits
        commits += 1

    from sqlalchemy import event

    event.listen(store.engine, "commit", counted)
    await asyncio.gather(*(store.append(run, [paused()], after=1) for run in runs))
    assert commits <= 10


async def test_two_processes_share_one_file(tmp_path: Path) -> None:
    one, two = Store(tmp_path / "s.db"), Store(tmp_path / "s.db")
    try:
        run = await create(one)
        entry = await two.submit(run, cmd.Pause(by="anna", comment="wait"))
        assert [a.decision for a in await one.inbox(run)] == [cmd.Pause(by="anna", comment="wait")]
        assert await two.answer(entry) is None
        both = [one.append(run, [paused("1")], after=1), two.append(run, [paused("2")], after=1)]
        results = await asyncio.gather(*both, return_exceptions=True)
        assert sorted(type(r).__name__ for r in results) == ["JournalConflictError", "NoneType"]
        await asyncio.gather(*(create(s) for s in (one, two) for _ in range(5)))
        assert len(await Shelf(one).runs()) == 11
    finally:
        one.close()
        two.close()


async def test_a_decision_is_answered_in_the_same_commit_as_what_it_caused(store: Store) -> None:
    run = await create(store)
    entry = await store.submit(run, cmd.Pause(by="anna"))
    with pytest.raises(JournalConflictError):
        await store.append(run, [paused()], after=0, answers=[Answer(id=entry)])
    assert await store.answer(entry) is None, "neither the event nor the answer"
    assert len(await store.inbox(run)) == 1
    await store.append(run, [paused()], after=1, answers=[Answer(id=entry)])
    assert await store.answer(entry) == Answer(id=entry)
    assert await store.inbox(run) == []


async def test_a_refusal_is_an_answer_without_an_event(store: Store) -> None:
    run = await create(store)
    entry = await store.submit(run, cmd.Resume(by="anna"))
    refused = Answer(id=entry, refused="the run is not paused")
    await store.append(run, [], after=1, answers=[refused])
    assert await store.answer(entry) == refused
    assert len(await store.read(run)) == 1


async def test_the_inbox_keeps_the_order_in_which_people_asked(store: Store) -> None:
    run, other = await create(store), await create(store)
    asked: list[cmd.Decision] = [
        cmd.Pause(by="a"),
        cmd.Retry(by="b", step="db", comment="again"),
        cmd.Accept(by="c", step="db", comment="I vouch"),
    ]
    for decision in asked:
        await store.submit(run, decision)
    await store.submit(other, cmd.Abort(by="d"))
    assert [entry.decision for entry in await store.inbox(run)] == asked


async def test_a_second_live_run_on_a_machine_is_refused_and_told_by_whom(store: Store) -> None:
    first = await create(store, ("estate", "101"), ("estate", "102"))
    with pytest.raises(MachineClaimedError, match=rf"machine 102.*{first}") as refused:
        await create(store, ("estate", "103"), ("estate", "102"))
    assert refused.value.run == first
    assert f"drorch run --continue {first}" in refused.value.hint
    assert await Shelf(store).runs() == [
        line for line in await Shelf(store).runs() if line.id == first
    ]
    await create(store, ("elsewhere", "102"))


async def test_claims_are_free_in_the_commit_that_ends_the_run(store: Store) -> None:
    first = await create(store, ("estate", "101"))
    await store.append(first, [ENDED], after=1)
    assert await create(store, ("estate", "101")) == "test-2"
    lines = {line.id: line for line in await Shelf(store).runs()}
    assert lines[first].status == "succeeded"
    assert lines[first].ended_at == "2030-01-01T00:00:00.000Z"


async def test_of_two_runs_that_race_for_a_machine_one_is_refused(tmp_path: Path) -> None:
    stores = [Store(tmp_path / "s.db") for _ in range(3)]
    try:
        racing = [create(store, ("estate", "101")) for store in stores]
        results = await asyncio.gather(*racing, return_exceptions=True)
        assert sum(isinstance(r, str) for r in results) == 1
        assert sum(isinstance(r, MachineClaimedError) for r in results) == 2
    finally:
        for store in stores:
            store.close()


async def test_holds_are_seen_by_the_next_order(store: Store) -> None:
    shelf = Shelf(store)
    await shelf.hold(Hold(connector="pve", machine="101", reason="encrypted?", by="rita", at="t"))
    keys = [("pve", "101"), ("pve", "102")]
    assert await store.held(keys) == {("pve", "101"): "held by rita: encrypted?"}
    assert await shelf.release("pve", "101")
    assert not await shelf.release("pve", "101")
    assert await store.held(keys) == {}


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

    store.engine.dispose()
    from sqlalchemy import event

    event.listen(store.engine, "begin", configure)


async def test_what_cannot_be_read_is_unavailable_and_no_defect(store: Store) -> None:
    run = await create(store)
    await store.writing(lambda c: c.exec_driver_sql("ALTER TABLE inbox RENAME TO gone").close())
    with pytest.raises(JournalUnavailableError, match="cannot be read"):
        await store.inbox(run)
    await store.writing(lambda c: c.exec_driver_sql("ALTER TABLE gone RENAME TO inbox").close())
    assert await store.inbox(run) == []


async def test_a_closed_store_says_so(tmp_path: Path) -> None:
    store = Store(tmp_path / "s.db")
    run = await create(store)
    store.close()
    store.close()
    with pytest.raises(JournalUnavailableError, match="closed"):
        await store.append(run, [paused()], after=1)


async def test_what_was_written_is_there_after_the_process(tmp_path: Path) -> None:
    first = Store(tmp_path / "s.db")
    run = await create(first)
    first.close()
    second = Store(tmp_path / "s.db")
    assert len(await second.read(run)) == 1
    second.close()


async def test_a_newer_schema_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "s.db"
    Store(path).close()
    engine = open_database(path)
    with engine.begin() as connection:
        connection.execute(text(f"PRAGMA user_version={SCHEMA_VERSION + 1}"))
    engine.dispose()
    with pytest.raises(JournalUnavailableError, match="newer drorch"):
        Store(path)


def test_a_folder_that_cannot_be_made_is_told_with_help(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(JournalUnavailableError, match="cannot open the journal") as refused:
        open_database(tmp_path / "file" / "s.db")
    assert "data_dir" in refused.value.hint


def test_something_that_is_no_database_is_refused(tmp_path: Path) -> None:
    (tmp_path / "s.db").write_bytes(b"this is not a database" * 100)
    with pytest.raises(JournalUnavailableError):
        open_database(tmp_path / "s.db")

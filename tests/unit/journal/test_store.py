"""The store on both databases: durable, optimistic, fair to everyone who shares a commit."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest
from sqlalchemy import Connection, text

from drorch.errors import (
    CommandRejectedError,
    JournalConflictError,
    JournalDamagedError,
    JournalUnavailableError,
    MachineClaimedError,
    RunNotFoundError,
)
from drorch.journal.memory import MemoryJournal
from drorch.journal.pages import open_runs, runs_page
from drorch.journal.shelf import Hold, Shelf
from drorch.journal.store import Store
from drorch.journal.url import Place
from drorch.ports.journal import Answer
from drorch.run import commands as cmd
from drorch.run import events as ev
from drorch.run.status import Mode, RunStatus
from tests.fakes.plans import plan, vm
from tests.fakes.script import T0

PLAN = plan(vm("db"), vm("web", "db"))


def requested(run: str) -> Sequence[ev.Event]:
    return (ev.RunRequested(at=T0, run=run, plan=PLAN, mode=Mode.LIVE, by="ops"),)


async def create(store: Store, *claims: tuple[str, str]) -> str:
    return await store.create_run("test", "live", requested, claims)


def paused(by: str = "anna") -> ev.RunPaused:
    return ev.RunPaused(at=T0, by=by)


ENDED = ev.RunEnded(at=T0, status=RunStatus.SUCCEEDED)


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


async def test_two_processes_share_one_file(place: Place) -> None:
    one, two = Store(place), Store(place)
    try:
        run = await create(one)
        entry = await two.submit(run, cmd.Pause(by="anna", comment="wait"))
        assert [a.decision for a in await one.inbox(run)] == [cmd.Pause(by="anna", comment="wait")]
        assert await two.answer(entry) is None
        both = [one.append(run, [paused("1")], after=1), two.append(run, [paused("2")], after=1)]
        results = await asyncio.gather(*both, return_exceptions=True)
        assert sorted(type(r).__name__ for r in results) == ["JournalConflictError", "NoneType"]
        await asyncio.gather(*(create(s) for s in (one, two) for _ in range(5)))
        assert len((await runs_page(one, 20)).lines) == 11
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
    assert [line.id for line in await open_runs(store)] == [first]
    await create(store, ("elsewhere", "102"))


async def test_claims_are_free_in_the_commit_that_ends_the_run(store: Store) -> None:
    first = await create(store, ("estate", "101"))
    await store.append(first, [ENDED], after=1)
    assert await create(store, ("estate", "101")) == "test-2"
    lines = {line.id: line for line in (await runs_page(store, 9)).lines}
    assert lines[first].status == "succeeded"
    assert lines[first].ended_at == "2030-01-01T00:00:00.000Z"


async def test_of_two_runs_that_race_for_a_machine_one_is_refused(place: Place) -> None:
    stores = [Store(place) for _ in range(3)]
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


async def test_a_hold_counts_for_every_connector_to_the_same_estate(store: Store) -> None:
    shelf = Shelf(store)
    for connector, identity in (("pve", "cluster-1"), ("pve-b", "cluster-1"), ("far", "other")):
        await shelf.remember_estate(connector, identity)
    hold = Hold(connector="pve-b", machine="101", reason="encrypted?", by="rita", at="t")
    await shelf.hold(hold)
    keys = [(name, "101") for name in ("pve", "pve-b", "far", "never-seen")]
    held = await store.held([*keys, ("pve", "102")])
    assert held.keys() == {("pve", "101"), ("pve-b", "101")}
    assert held["pve-b", "101"] == "held by rita: encrypted?"
    assert "released, as pve-b/101" in held["pve", "101"], "the name to release it by"
    await shelf.remember_estate("pve", "cluster-2")  # it leads somewhere else now
    assert (await store.held(keys)).keys() == {("pve-b", "101")}
    memory = MemoryJournal()
    memory.holds["pve-b", "101"] = "encrypted?"
    memory.estates = {"pve": "cluster-1", "pve-b": "cluster-1", "far": "other"}
    assert (await memory.held(keys)).keys() == {("pve", "101"), ("pve-b", "101")}


async def test_a_closed_store_says_so(place: Place) -> None:
    store = Store(place)
    run = await create(store)
    store.close()
    store.close()
    with pytest.raises(JournalUnavailableError, match="closed"):
        await store.append(run, [paused()], after=1)


async def test_what_was_written_is_there_after_the_process(place: Place) -> None:
    first = Store(place)
    run = await create(first)
    first.close()
    second = Store(place)
    assert len(await second.read(run)) == 1
    second.close()


async def test_a_newer_schema_is_refused_and_left_alone(place: Place) -> None:
    store = Store(place)
    await store.writing(
        lambda c: c.execute(text("UPDATE alembic_version SET version_num = '9999'")).close()
    )
    store.close()
    with pytest.raises(JournalUnavailableError, match="newer drorch"):
        Store(place)


async def test_a_gap_in_the_journal_is_refused_with_what_to_do(store: Store) -> None:
    run = await create(store)
    await store.append(run, [paused(str(n)) for n in range(5)], after=1)
    gone = text("DELETE FROM events WHERE seq = 3")
    await store.writing(lambda c: c.execute(gone).close())
    with pytest.raises(JournalDamagedError, match="event 3 is missing") as damaged:
        await store.read(run)
    assert "backup" in damaged.value.hint
    with pytest.raises(JournalDamagedError):
        await store.read(run, after=2)


async def test_the_feed_gives_every_event_once_and_in_order(store: Store) -> None:
    one, two = await create(store), await create(store)
    for n in range(3):
        await asyncio.gather(
            store.append(one, [paused("a")], after=1 + n),
            store.append(two, [paused("b"), paused("c")], after=1 + 2 * n),
        )
    place = (0, "", 0)
    seen: list[tuple[str, int]] = []
    while lines := await store.feed(place, 4):
        seen += [(line.run, line.seq) for line in lines]
        place = lines[-1][:3]
    assert len(seen) == len(set(seen)) == 4 + 7
    for run in (one, two):
        assert [seq for r, seq in seen if r == run] == sorted(seq for r, seq in seen if r == run)


async def test_nothing_is_put_into_the_inbox_of_a_run_that_has_ended(store: Store) -> None:
    run = await create(store)
    entry = await store.submit(run, cmd.Pause(by="anna"))
    await store.append(run, [ENDED], after=1, answers=[Answer(id=entry)])
    with pytest.raises(CommandRejectedError, match="has ended meanwhile"):
        await store.submit(run, cmd.Pause(by="anna"))
    assert await store.inbox(run) == []

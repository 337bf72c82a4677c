"""Places among the events of all runs: found, gone on from, and told to who waits for them."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from drorch.errors import RunNotFoundError
from drorch.journal.following import (
    BEGINNING,
    Spot,
    everything_page,
    last_seq,
    newest_spot,
    stands,
)
from drorch.journal.listening import ANY, EVENTS
from drorch.journal.store import Store
from drorch.journal.url import place_of
from tests.unit.journal.test_store import create, paused


async def test_a_place_is_found_from_the_end(store: Store) -> None:
    assert await newest_spot(store) == BEGINNING
    one, two = await create(store), await create(store)
    await store.append(one, [paused("a"), paused("b")], after=1)
    await store.append(two, [paused("c")], after=1)
    page = await everything_page(store, BEGINNING, 100)
    assert [(told.event["run"], told.event["seq"]) for told in page] == [
        (one, 1), (two, 1), (one, 2), (one, 3), (two, 2)
    ]  # fmt: skip
    for back in range(5):
        assert await newest_spot(store, back) == page[4 - back].spot
    assert await newest_spot(store, 5) == BEGINNING
    assert [told.spot for told in await everything_page(store, page[1].spot, 2)] == [
        page[2].spot, page[3].spot
    ]  # fmt: skip


async def test_a_place_where_nothing_is_is_known_as_such(store: Store) -> None:
    run = await create(store)
    newest = await newest_spot(store)
    assert await stands(store, BEGINNING)
    assert await stands(store, newest)
    for other in (
        newest._replace(txn=newest.txn + 1),
        newest._replace(seq=2),
        Spot(newest.txn, f"{run}0", 1),
    ):
        assert not await stands(store, other)


async def test_the_last_number_of_a_run_is_found(store: Store) -> None:
    run = await create(store)
    await store.append(run, [paused("a"), paused("b")], after=1)
    assert await last_seq(store, run) == 3
    with pytest.raises(RunNotFoundError):
        await last_seq(store, "none-1")


async def test_new_events_wake_who_waits_for_events_and_nobody_else(
    postgres_url: str, tmp_path: Path
) -> None:
    store = Store(place_of(postgres_url, tmp_path))
    try:
        run = await create(store)
        waiting = {what: asyncio.create_task(store.hint(what, 60.0)) for what in (EVENTS, ANY, run)}
        seq = 1
        async with asyncio.timeout(30):
            while not waiting[EVENTS].done():  # the first may come before it listens
                await store.append(run, [paused()], after=seq)
                seq += 1
                await asyncio.wait({waiting[EVENTS]}, timeout=0.2)
        assert not waiting[ANY].done()
        assert not waiting[run].done(), "its driver does not look for decisions at each event"
        await asyncio.wait_for(_decided(store, run, waiting[run]), 30)
        await asyncio.wait_for(waiting[ANY], 30)
    finally:
        for task in waiting.values():
            task.cancel()
        store.close()


async def _decided(store: Store, run: str, driver: asyncio.Task[None]) -> None:
    await store.writing(lambda connection: store.backend.notify(connection, f"inbox {run}"))
    await driver

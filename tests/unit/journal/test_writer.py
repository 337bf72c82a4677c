"""What the writer does for appends of every length, and for those who ask what is held."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence

import pytest
from sqlalchemy import Connection

from drorch.journal.shelf import Hold, Shelf
from drorch.journal.store import Store
from drorch.model.moment import stamp
from drorch.run import events as ev
from drorch.run.seen import CheckSeen
from drorch.run.status import Mode
from tests.fakes.plans import plan, vm
from tests.fakes.script import T0

PLAN = plan(vm("db"))
HELD = {("pve", "101"): "held by rita: encrypted?"}
HOSTILE = 'a\x00b "quoted" back\\slash \u2028 caff\u00e8 \U0001f525 {}%s \' -- \r\n\x1b[31m'


def requested(run: str) -> Sequence[ev.Event]:
    return (ev.RunRequested(at=T0, run=run, plan=PLAN, mode=Mode.LIVE, by="ops"),)


def paused(number: int) -> ev.RunPaused:
    return ev.RunPaused(at=T0, by=f"person {number}")


@pytest.mark.parametrize("several", [1, 7, 8, 9, 16, 17, 100])
async def test_an_append_of_any_length_is_stored_whole_and_in_order(
    store: Store, several: int
) -> None:
    run = await store.create_run("test", "live", requested)
    events = [paused(number) for number in range(several)]
    await store.append(run, events, after=1)
    assert [record.event for record in await store.read(run, after=1)] == events


async def test_text_of_every_kind_comes_back_as_it_was(store: Store) -> None:
    run = await store.create_run("test", "live", requested)
    seen = CheckSeen(healthy=True, evidence=HOSTILE)
    events: list[ev.Event] = [
        ev.StepHealthy(at=T0, step=HOSTILE, attempt=1, checks={HOSTILE: seen}),
        ev.OrderAccepted(at=T0, step="db", attempt=2, handle=HOSTILE),
    ]
    await store.append(run, events, after=1)
    assert [record.event for record in await store.read(run, after=1)] == events


async def hold(store: Store) -> None:
    placed = Hold(connector="pve", machine="101", reason="encrypted?", by="rita", at=stamp(T0))
    await Shelf(store).hold(placed)


async def test_what_is_held_is_told_behind_an_append_that_is_under_way(store: Store) -> None:
    run = await store.create_run("test", "live", requested)
    await hold(store)
    appending = asyncio.create_task(store.append(run, [paused(0)], after=1))
    await asyncio.sleep(0)  # it is with the writer
    assert await store.held(list(HELD)) == HELD
    await appending


async def test_what_is_held_is_told_although_nothing_can_be_written(store: Store) -> None:
    await hold(store)

    def broken(_: Connection) -> None:
        raise ValueError("a defect")

    failing = [store.writing(broken) for _ in range(3)]
    told = await asyncio.gather(*failing, store.held(list(HELD)), return_exceptions=True)
    assert [type(result) for result in told] == [ValueError, ValueError, ValueError, dict]
    assert told[-1] == HELD


async def test_many_who_ask_at_once_are_all_told(store: Store) -> None:
    await hold(store)
    told = await asyncio.gather(*(store.held([("pve", str(n))]) for n in range(100, 103)))
    assert told == [{}, HELD, {}]


async def test_work_that_takes_long_keeps_nobody_from_hearing_what_is_held(store: Store) -> None:
    await hold(store)
    at_work, enough = threading.Event(), threading.Event()

    def slow(_: Connection) -> None:
        at_work.set()
        assert enough.wait(60), "nobody was told"

    working = asyncio.create_task(store.writing(slow))
    await asyncio.to_thread(at_work.wait, 60)
    assert await store.held(list(HELD)) == HELD
    enough.set()
    await working

"""A journal that is not whole is told, run by run; one that is whole is said to be."""

from __future__ import annotations

import pytest

from drorch.journal.checking import Checked, check_journal
from drorch.journal.opening import opened
from drorch.journal.store import Store
from drorch.journal.url import Place
from tests.unit.journal.places import execute
from tests.unit.journal.test_store import ENDED, create, paused

UNASKED = (
    "UPDATE events SET type = 'run.paused', data = (SELECT data FROM events WHERE run = 'test-1' "
    "AND seq = 2) WHERE seq = 1"
)


def check(place: Place) -> Checked:
    with opened(place) as backend:
        return check_journal(backend)


async def filled(place: Place) -> None:
    store = Store(place)
    runs = [await create(store) for _ in range(3)]
    for run in runs:
        await store.append(run, [paused("a"), paused("b"), paused("c")], after=1)
    await store.append(runs[-1], [ENDED], after=4)
    store.close()


async def test_a_whole_journal(place: Place) -> None:
    await filled(place)
    assert check(place) == Checked(runs=3, events=13, flaws=[])


@pytest.mark.parametrize(
    ("statement", "told"),
    [
        ("DELETE FROM events WHERE run = 'test-1' AND seq = 2", "event 2 is missing"),
        ("DELETE FROM events WHERE run = 'test-1' AND seq < 3", "2 events are missing"),
        ("DELETE FROM events WHERE run = 'test-1'", "none of its events is there"),
        ("DELETE FROM events WHERE run = 'test-3' AND seq = 5", "its last events are missing"),
        ("DELETE FROM runs WHERE id = 'test-1'", "the list of runs does not know it"),
        ("UPDATE runs SET ended_at = NULL", "says that it is open"),
        ("UPDATE events SET type = 'moon.landed' WHERE seq = 2", "cannot be read"),
        ("UPDATE events SET version = 7 WHERE seq = 2", "version 7 that this drorch"),
        ("UPDATE events SET data = '{\"at\"' WHERE seq = 2", "event 2 cannot be read"),
        ("UPDATE events SET data = 'null' WHERE seq = 1", "event 1 cannot be read"),
        (UNASKED, "requested by its first event"),
    ],
)
async def test_what_is_lost_or_spoilt_is_told(place: Place, statement: str, told: str) -> None:
    await filled(place)
    execute(place, statement)
    flaws = check(place).flaws
    assert any(told in flaw.message for flaw in flaws), flaws
    assert all(flaw.run.startswith("test-") for flaw in flaws)


async def test_many_unreadable_events_do_not_hide_other_runs(place: Place) -> None:
    store = Store(place)
    first, second = await create(store), await create(store)
    await store.append(first, [paused() for _ in range(50)], after=1)
    await store.append(second, [paused()], after=1)
    store.close()
    execute(place, "UPDATE events SET type = 'moon.landed' WHERE seq > 1")
    flaws = check(place).flaws
    assert [sum(f.run == run for f in flaws) for run in (first, second)] == [20, 1]

"""Sightings of services and the lookout, on both databases."""

from __future__ import annotations

import asyncio

from drorch.journal.service_sightings import Key, ServiceSightings, Sighting
from drorch.journal.store import Store
from drorch.journal.url import Place
from tests.unit.journal.places import execute

A, B = Key("town", "registry"), Key("town", "taxes")
UP = Sighting(healthy=True, evidence="web: 200", since="2026-11-22T03:00:00.000Z")
DOWN = Sighting(healthy=False, evidence="web: 503", since="2026-11-22T04:00:00.000Z")
NOBODY_KNOWS = Sighting(healthy=None, evidence="", since="2026-11-22T05:00:00.000Z")


async def test_what_is_noted_is_kept_and_replaced(store: Store) -> None:
    seen = ServiceSightings(store)
    assert await seen.note("one", 30, {A: UP, B: NOBODY_KNOWS})
    assert {key: kept.sighting for key, kept in (await seen.all()).items()} == {
        A: UP,
        B: NOBODY_KNOWS,
    }
    assert await seen.note("one", 30, {A: DOWN})
    assert (await seen.all())[A].sighting == DOWN
    assert (await seen.all())[A].age_s < 10


async def test_a_look_that_finds_the_same_moves_its_time_alone(store: Store) -> None:
    seen = ServiceSightings(store)
    await seen.note("one", 30, {A: UP, B: DOWN})
    execute(store.place, "UPDATE service_sightings SET looked_at = looked_at - 600")
    await seen.note("one", 30, looked=[A])
    found = await seen.all()
    assert (found[A].sighting, found[B].sighting) == (UP, DOWN)
    assert found[A].age_s < 60 < found[B].age_s


async def test_of_many_who_come_at_once_one_has_the_lookout(place: Place) -> None:
    stores = [Store(place) for _ in range(6)]
    try:
        async with asyncio.timeout(60):
            won = await asyncio.gather(
                *(ServiceSightings(s).take(str(n), 30) for n, s in enumerate(stores))
            )
        assert sum(won) == 1
        holder = won.index(True)
        for number, each in enumerate(stores):
            sightings = ServiceSightings(each)
            assert await sightings.take(str(number), 30) is (number == holder)
            assert await sightings.note(str(number), 30, {A: UP}) is (number == holder)
    finally:
        for each in stores:
            each.close()


async def test_it_is_free_again_when_its_holder_is_silent_or_leaves(store: Store) -> None:
    seen = ServiceSightings(store)
    assert await seen.take("one", 30)
    assert not await seen.take("two", 30)
    execute(store.place, "UPDATE lookouts SET expires = expires - 60")
    assert await seen.take("two", 30)
    assert not await seen.note("one", 30, {A: DOWN}), "it wakes up, and is too late"
    assert await seen.all() == {}
    await seen.leave("one")
    assert not await seen.take("one", 30), "what it does not have it cannot give up"
    await seen.leave("two")
    assert await seen.take("one", 30)


async def test_what_nobody_looks_at_any_more_is_forgotten(store: Store) -> None:
    seen = ServiceSightings(store)
    await seen.note("one", 30, {A: UP, B: UP})
    execute(
        store.place,
        "UPDATE service_sightings SET looked_at = looked_at - 700000 WHERE service = 'taxes'",
    )
    await seen.note("one", 30)
    assert set(await seen.all()) == {A}

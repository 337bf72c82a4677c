"""The record of acts: in the transaction of the effect, one chain, and keys that act once."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from sqlalchemy import Connection, text

from api.callers import system_caller
from drorch.access.principal import Act, Caller, RequestKey
from drorch.access.record import follow
from drorch.journal.ledger import (
    EffectKnownError,
    chain,
    entries,
    forget_requests,
    head,
    keep_answer,
    known_request,
)
from drorch.journal.store import Store

KEY = RequestKey(caller="token:1", key="k-1", fingerprint="abc")


class BrokenWorkError(Exception):
    pass


def act(name: str = "thing/1", **more: Any) -> Act:
    return system_caller("anna").act("test", name, **more)


async def test_an_effect_and_its_entry_are_there_together_or_not_at_all(store: Store) -> None:
    def work(connection: Connection) -> None:
        connection.execute(text("INSERT INTO estates VALUES ('pve', 'cluster-1')"))
        raise BrokenWorkError

    with pytest.raises(BrokenWorkError):
        await store.writing(work, act())
    assert (await store.reading(chain)).count == 0
    rows = await store.reading(lambda c: c.execute(text("SELECT * FROM estates")).all())
    assert rows == []


async def test_a_hundred_acts_at_once_make_one_chain(store: Store) -> None:
    await asyncio.gather(
        *(store.writing(lambda _: None, act(f"thing/{number}")) for number in range(100))
    )
    found = await store.reading(chain)
    assert (found.count, found.broken) == (100, None)
    _, count, newest = await store.reading(head)
    assert (count, newest) == (100, found.head)


async def test_two_stores_on_one_database_write_one_chain(store: Store) -> None:
    other = Store(store.place)
    try:
        both = [
            each.writing(lambda _: None, act(f"thing/{number}"))
            for number in range(30)
            for each in (store, other)
        ]
        await asyncio.gather(*both)
        found = await store.reading(chain)
        assert (found.count, found.broken) == (60, None)
    finally:
        other.close()


async def test_an_entry_says_who_what_and_what_became_of_it(store: Store) -> None:
    made = system_caller("anna").act(
        "run.start",
        lambda result: f"run/{result}",
        after=lambda result: {"number": result},
        reason="night\u2028shift",
    )
    assert await store.writing(lambda _: 7, made) == 7
    ((seq, entry, _),) = await store.reading(lambda c: entries(c, before=None, limit=5))
    assert (seq, entry["object"], entry["after"]) == (1, "run/7", {"number": 7})
    assert entry["actor"]["name"] == "anna"
    assert entry["actor"]["identity"].startswith("system:")
    assert entry["reason"] == "night\u2028shift"


@pytest.mark.parametrize("odd", [float("nan"), float("inf"), "\ud800", b"bytes", {"a": object()}])
async def test_what_json_cannot_hold_stops_no_act(store: Store, odd: object) -> None:
    await store.writing(lambda _: None, act(after={"odd": odd}))
    found = await store.reading(chain)
    assert (found.count, found.broken) == (1, None)


@pytest.mark.parametrize(
    "attack",
    [
        "UPDATE audit SET entry = replace(entry, 'anna', 'bert') WHERE seq = 2",
        "UPDATE audit SET hash = (SELECT hash FROM audit WHERE seq = 1) WHERE seq = 2",
        "DELETE FROM audit WHERE seq = 2",
        "UPDATE audit SET seq = 9 WHERE seq = 2",
    ],
)
async def test_a_changed_entry_is_named(store: Store, attack: str) -> None:
    for number in range(4):
        await store.writing(lambda _: None, act(f"thing/{number}"))
    await store.writing(lambda c: c.execute(text(attack)).rowcount)
    broken = (await store.reading(chain)).broken
    assert broken is not None
    assert broken.seq == 2


async def test_a_key_acts_once_however_often_it_is_sent_at_once(store: Store) -> None:
    caller = Caller(by=system_caller("anna").by, key=KEY)

    def work(connection: Connection) -> None:
        held = "INSERT INTO inbox (run, decision, data, at, refused) VALUES ('r', 'd', '', '', '')"
        connection.execute(text(held))

    async def once() -> str:
        try:
            await store.writing(work, caller.act("test", "thing/1"))
        except EffectKnownError as known:
            return str(known.known.effect["object"])
        return "done"

    told = await asyncio.gather(*(once() for _ in range(20)))
    assert sorted(told) == ["done", *["thing/1"] * 19]
    rows = await store.reading(lambda c: c.execute(text("SELECT * FROM inbox")).all())
    assert len(rows) == 1
    assert (await store.reading(chain)).count == 1


async def test_an_answer_is_kept_and_forgotten_in_time(store: Store) -> None:
    caller = Caller(by=system_caller("anna").by, key=KEY)
    await store.writing(lambda _: None, caller.act("test", "thing/1"))
    known = await store.reading(lambda c: known_request(c, KEY))
    assert known is not None
    assert (known.status, known.fingerprint) == (None, "abc")
    await store.writing(lambda c: keep_answer(c, KEY, 201, {"location": "/x"}, '{"a": 1}'))
    known = await store.reading(lambda c: known_request(c, KEY))
    assert known is not None
    assert (known.status, known.headers, known.body) == (201, {"location": "/x"}, '{"a": 1}')
    await store.writing(lambda c: forget_requests(c, "2999"))
    assert await store.reading(lambda c: known_request(c, KEY)) is None


def test_an_empty_record_is_whole() -> None:
    assert follow([]).broken is None

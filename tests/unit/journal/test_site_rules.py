"""Halts, the ceiling of stop orders and notices, on both databases."""

from __future__ import annotations

import asyncio

import pytest

from api.callers import system_caller
from drorch.access.principal import Act
from drorch.journal.ledger import entries
from drorch.journal.site_rules import NotHaltedError, Notice, NoticeNotFoundError, SiteRules
from drorch.journal.store import Store
from drorch.ports.journal import EVERYTHING


def act(action: str) -> Act:
    return system_caller("anna").act(action, "site")


async def test_a_halt_is_told_to_whoever_asks_about_any_machine(store: Store) -> None:
    site = SiteRules(store)
    assert await store.held([("pve", "1")]) == {}
    halt = await site.halt("what is encrypted?", act("halt"))
    assert (halt.by, halt.reason) == ("anna", "what is encrypted?")
    told = await store.held([("pve", "1")])
    assert told == {EVERYTHING: "halted by anna: what is encrypted?"}
    assert await store.held([]) == told
    await site.lift(act("halt.lift"))
    assert await store.held([]) == {}


async def test_a_second_halt_leaves_the_first_and_lifting_twice_is_told(store: Store) -> None:
    site = SiteRules(store)
    first = await site.halt("one", act("halt"))
    assert await site.halt("two", act("halt")) == first
    await site.lift(act("halt.lift"))
    with pytest.raises(NotHaltedError):
        await site.lift(act("halt.lift"))
    found = await store.reading(lambda c: entries(c, before=None, limit=10))
    assert [entry["action"] for _, entry, _ in found] == ["halt.lift", "halt", "halt"]


async def test_no_more_stops_than_the_ceiling_leave_however_many_ask_at_once(store: Store) -> None:
    site = SiteRules(store)
    asked = await asyncio.gather(*(site.may_stop("town-1", str(n), 3) for n in range(20)))
    assert asked.count("") == 3
    refused = next(why for why in asked if why)
    assert refused.startswith("3 machines were stopped within the last hour")


async def test_a_ceiling_of_zero_lets_nothing_be_stopped(store: Store) -> None:
    assert await SiteRules(store).may_stop("town-1", "101", 0)


async def test_a_notice_replaces_the_one_before_and_is_taken_back(store: Store) -> None:
    site = SiteRules(store)

    def notice(state: str) -> Notice:
        return Notice(
            service="anagrafe",
            state=state,
            text={"it": "à"},
            expected_at=None,
            by="anna",
            at="2026-11-22T03:00:00.000Z",
        )

    await site.publish(notice("down"), act("notice.publish"))
    await site.publish(notice("restoring"), act("notice.publish"))
    assert await site.notices() == [notice("restoring")]
    await site.withdraw("anagrafe", act("notice.withdraw"))
    assert await site.notices() == []
    with pytest.raises(NoticeNotFoundError):
        await site.withdraw("anagrafe", act("notice.withdraw"))

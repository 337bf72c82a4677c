"""Holds are read just before each order, once for all orders that wait at the same time."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest
from typing_extensions import override

from drorch.engine.virtual import run_virtually
from drorch.engine.world import HoldGuard
from drorch.errors import JournalUnavailableError
from drorch.journal.memory import MemoryJournal

KEY = ("pve", "101")


class SlowJournal(MemoryJournal):
    """Reads holds when it is asked and answers a second later."""

    def __init__(self) -> None:
        super().__init__()
        self.reads: list[int] = []
        self.failures: list[Exception] = []

    @override
    async def held(self, machines: Sequence[tuple[str, str]]) -> dict[tuple[str, str], str]:
        self.reads.append(len(machines))
        found = await super().held(machines)
        await asyncio.sleep(1)
        if self.failures:
            raise self.failures.pop()
        return found


def test_a_hundred_orders_at_once_share_one_read() -> None:
    journal = SlowJournal()
    journal.holds["pve", "7"] = "encrypted?"

    async def play() -> list[str]:
        guard = HoldGuard(journal)
        return await asyncio.gather(*(guard.reason("pve", str(n)) for n in range(100)))

    reasons = run_virtually(play())
    assert [n for n, reason in enumerate(reasons) if reason] == [7]
    assert journal.reads == [100]


def test_a_hold_placed_while_a_read_is_under_way_is_seen_by_who_asks_after_it() -> None:
    journal = SlowJournal()

    async def play() -> tuple[str, str]:
        guard = HoldGuard(journal)
        early = asyncio.create_task(guard.reason(*KEY))
        await asyncio.sleep(0.5)
        journal.holds[KEY] = "encrypted?"
        return await guard.reason(*KEY), await early

    assert run_virtually(play()) == ("encrypted?", "")


def test_while_holds_cannot_be_read_nobody_is_let_through() -> None:
    journal = SlowJournal()
    journal.holds[KEY] = "encrypted?"
    journal.failures = [JournalUnavailableError("disk full") for _ in range(3)]

    async def play() -> tuple[str, float]:
        reason = await HoldGuard(journal).reason(*KEY)
        return reason, asyncio.get_running_loop().time()

    reason, took = run_virtually(play())
    assert reason == "encrypted?"
    assert took > 6


def test_a_defect_is_told_to_everyone_who_asked_and_to_nobody_after() -> None:
    journal = SlowJournal()
    journal.failures = [KeyError("defect")]

    async def play() -> str:
        guard = HoldGuard(journal)
        asked = [guard.reason(*KEY), guard.reason("pve", "102")]
        told = await asyncio.gather(*asked, return_exceptions=True)
        assert all(isinstance(error, KeyError) for error in told)
        return await guard.reason(*KEY)

    assert run_virtually(play()) == ""


def test_who_stops_waiting_disturbs_nobody() -> None:
    journal = SlowJournal()

    async def play() -> str:
        guard = HoldGuard(journal)
        gone = asyncio.create_task(guard.reason(*KEY))
        stays = asyncio.create_task(guard.reason("pve", "102"))
        await asyncio.sleep(0.1)
        gone.cancel()
        with pytest.raises(asyncio.CancelledError):
            await gone
        return await stays

    assert run_virtually(play()) == ""

"""Holds are read just before each order, once for all orders that wait at the same time."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest
from typing_extensions import override

from drorch.engine.virtual import run_virtually
from drorch.engine.world import HOLDS_UNKNOWN, REFRESH, STALE, HoldGuard
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


class QuickJournal(SlowJournal):
    """Answers at once, unless it is to fail for ever."""

    def __init__(self) -> None:
        super().__init__()
        self.broken: Exception | None = None

    @override
    async def held(self, machines: Sequence[tuple[str, str]]) -> dict[tuple[str, str], str]:
        self.reads.append(len(machines))
        if self.broken is not None:
            raise self.broken
        return await MemoryJournal.held(self, machines)


def test_while_an_order_is_pending_a_new_hold_forbids_it_and_a_release_lets_it_go() -> None:
    journal = QuickJournal()

    async def play() -> list[str]:
        guard, told = HoldGuard(journal), []
        with guard.pending(*KEY):
            told.append(await guard.reason(*KEY))
            told.append(guard.forbids(*KEY))
            journal.holds[KEY] = "encrypted?"
            await asyncio.sleep(REFRESH * 1.1)
            told.append(guard.forbids(*KEY))
            del journal.holds[KEY]
            await asyncio.sleep(REFRESH * 1.1)
            told.append(guard.forbids(*KEY))
        return told

    assert run_virtually(play()) == ["", "", "encrypted?", ""]


@pytest.mark.parametrize("error", [JournalUnavailableError("disk full"), KeyError("defect")])
def test_holds_that_cannot_be_read_any_more_forbid_until_they_can(error: Exception) -> None:
    journal = QuickJournal()

    async def play() -> list[str]:
        guard, told = HoldGuard(journal), []
        with guard.pending(*KEY):
            await guard.reason(*KEY)
            journal.broken = error
            for _ in range(2):
                await asyncio.sleep(STALE * 0.6)
                told.append(guard.forbids(*KEY))
            journal.broken = None
            await asyncio.sleep(2)
            told.append(guard.forbids(*KEY))
        return told

    assert run_virtually(play()) == ["", HOLDS_UNKNOWN, ""]


def test_nothing_leaves_that_was_not_asked_about() -> None:
    async def play() -> list[str]:
        guard = HoldGuard(QuickJournal())
        told = [guard.forbids(*KEY)]
        with guard.pending(*KEY):
            await guard.reason(*KEY)
            told += [guard.forbids("pve", "102"), guard.forbids(*KEY, "db"), guard.forbids(*KEY)]
        return told

    assert run_virtually(play()) == [HOLDS_UNKNOWN, HOLDS_UNKNOWN, HOLDS_UNKNOWN, ""]


def test_holds_are_read_four_times_a_second_however_many_orders_wait_and_then_no_more() -> None:
    journal = QuickJournal()

    async def order(guard: HoldGuard, machine: str) -> None:
        with guard.pending("pve", machine):
            await guard.reason("pve", machine)
            await asyncio.sleep(5)

    async def play() -> int:
        guard = HoldGuard(journal)
        await asyncio.gather(*(order(guard, str(n)) for n in range(50)))
        during = len(journal.reads)
        await asyncio.sleep(60)
        assert len(journal.reads) == during
        assert len(asyncio.all_tasks()) == 1, "nobody reads any more"
        return during

    assert 18 <= run_virtually(play()) <= 22


def test_a_machine_is_watched_until_its_last_order_has_left() -> None:
    journal = QuickJournal()

    async def play() -> str:
        guard = HoldGuard(journal)
        with guard.pending(*KEY):
            await guard.reason(*KEY)
            with guard.pending(*KEY):
                pass
            journal.holds[KEY] = "encrypted?"
            await asyncio.sleep(REFRESH * 1.1)
            return guard.forbids(*KEY)

    assert run_virtually(play()) == "encrypted?"


def test_an_order_finds_the_answer_that_was_asked_for_with_its_intent() -> None:
    journal = QuickJournal()
    journal.holds[KEY] = "encrypted?"

    async def play() -> tuple[str, str]:
        guard, now = HoldGuard(journal), asyncio.get_running_loop().time()
        guard.foresee([KEY, ("pve", "102")])
        await asyncio.sleep(0.01)
        return await guard.reason(*KEY, since=now), await guard.reason("pve", "102", since=now)

    assert run_virtually(play()) == ("encrypted?", "")
    assert journal.reads == [2]


@pytest.mark.parametrize(
    ("asked", "machine", "since"),
    [(REFRESH * 1.1, "101", 0.0), (0.01, "103", 0.0), (0.01, "101", 0.005)],
    ids=["old", "about another machine", "from before the intent"],
)
def test_an_answer_that_is_not_the_order_s_own_is_not_taken(
    asked: float, machine: str, since: float
) -> None:
    journal = QuickJournal()

    async def play() -> str:
        guard, began = HoldGuard(journal), asyncio.get_running_loop().time()
        guard.foresee([("pve", "101"), ("pve", "102")])
        await asyncio.sleep(asked)
        journal.holds["pve", machine] = "encrypted?"
        return await guard.reason("pve", machine, since=began + since)

    assert run_virtually(play()) == "encrypted?"
    assert len(journal.reads) == 2


def test_what_is_foreseen_while_a_reading_is_under_way_is_in_the_next_one() -> None:
    journal = SlowJournal()

    async def play() -> str:
        guard, loop = HoldGuard(journal), asyncio.get_running_loop()
        first = asyncio.create_task(guard.reason("pve", "7"))
        await asyncio.sleep(0.5)
        journal.holds[KEY] = "encrypted?"
        guard.foresee([KEY])
        intended = loop.time()
        await first
        await asyncio.sleep(0.5)
        return await guard.reason(*KEY, since=intended)

    assert run_virtually(play()) == "encrypted?"

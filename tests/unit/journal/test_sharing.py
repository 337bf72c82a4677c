"""One reading for all who ask at the same time, and none that began before they asked."""

from __future__ import annotations

import asyncio

import pytest

from drorch.engine.virtual import run_virtually
from drorch.journal.sharing import SharedReading


class Slow:
    """Tells the moment at which a reading began, a second later."""

    def __init__(self) -> None:
        self.began: list[float] = []
        self.failures: list[Exception] = []

    async def __call__(self) -> float:
        self.began.append(asyncio.get_running_loop().time())
        await asyncio.sleep(1)
        if self.failures:
            raise self.failures.pop()
        return self.began[-1]


def test_all_who_ask_at_once_share_one_reading() -> None:
    async def play() -> list[float]:
        shared = SharedReading(slow)
        return await asyncio.gather(*(shared.get() for _ in range(50)))

    slow = Slow()
    assert run_virtually(play()) == [0.0] * 50
    assert slow.began == [0.0]


def test_who_asks_during_a_reading_gets_the_next_one() -> None:
    async def play() -> tuple[float, float]:
        shared = SharedReading(slow)
        early = asyncio.create_task(shared.get())
        await asyncio.sleep(0.5)
        return await shared.get(), await early

    slow = Slow()
    assert run_virtually(play()) == (1.0, 0.0)


def test_a_reading_that_fails_is_told_to_all_who_asked_for_it_and_to_nobody_else() -> None:
    async def play() -> float:
        shared = SharedReading(slow)
        told = await asyncio.gather(shared.get(), shared.get(), return_exceptions=True)
        assert all(isinstance(error, KeyError) for error in told)
        return await shared.get()

    slow = Slow()
    slow.failures = [KeyError("defect")]
    assert run_virtually(play()) == 1.0


def test_who_stops_waiting_disturbs_nobody() -> None:
    async def play() -> float:
        shared = SharedReading(slow)
        gone = asyncio.create_task(shared.get())
        stays = asyncio.create_task(shared.get())
        await asyncio.sleep(0.1)
        gone.cancel()
        with pytest.raises(asyncio.CancelledError):
            await gone
        return await stays

    slow = Slow()
    assert run_virtually(play()) == 0.0

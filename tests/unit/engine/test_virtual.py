"""Virtual time jumps to the next timer, keeps their order, and tells when all is stuck."""

from __future__ import annotations

import asyncio
import time
from datetime import timedelta

import pytest

from drorch.engine.virtual import StuckError, VirtualClock, run_virtually
from tests.fakes.script import T0


def test_a_night_takes_no_time() -> None:
    async def night() -> timedelta:
        clock = VirtualClock(T0)
        await clock.sleep(8 * 3600)
        return clock.now() - T0

    began = time.monotonic()
    assert run_virtually(night()) == timedelta(hours=8)
    assert time.monotonic() - began < 5


def test_timers_fire_in_order_and_deadlines_hold() -> None:
    fired: list[float] = []

    async def note(after: float) -> None:
        await asyncio.sleep(after)
        fired.append(asyncio.get_running_loop().time())

    async def play() -> None:
        await asyncio.gather(*(note(after) for after in (3, 1, 2)))
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(5):
                await asyncio.sleep(60)
        assert asyncio.get_running_loop().time() == 8

    run_virtually(play())
    assert fired == [1, 2, 3]


def test_a_cancelled_timer_does_not_move_the_clock() -> None:
    async def play() -> float:
        loop = asyncio.get_running_loop()
        for _ in range(200):
            loop.call_later(1000, print).cancel()
        await asyncio.sleep(1)
        return loop.time()

    assert run_virtually(play()) == 1


def test_waiting_for_nothing_is_an_error_and_not_a_hang() -> None:
    async def play() -> None:
        await asyncio.Event().wait()

    with pytest.raises(StuckError):
        run_virtually(play())

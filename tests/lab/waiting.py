"""Wait for conditions, with a deadline, in tests that talk to real processes."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable

_PAUSE = threading.Event()


def wait_until(condition: Callable[[], bool], *, within: float, what: str) -> float:
    """Return the seconds until *condition* held; fail after *within* seconds."""
    began = time.monotonic()
    while not condition():
        assert time.monotonic() - began < within, f"waited {within:g} s for {what}"
        _PAUSE.wait(0.05)
    return time.monotonic() - began


async def until(condition: Callable[[], Awaitable[bool]], *, within: float, what: str) -> float:
    """Return the seconds until *condition* held; fail after *within* seconds."""
    began = time.monotonic()
    while not await condition():
        assert time.monotonic() - began < within, f"waited {within:g} s for {what}"
        await asyncio.sleep(0.05)
    return time.monotonic() - began

"""Virtual time: an event loop that jumps to the next timer instead of waiting for it.

A night of recovery takes milliseconds. It cannot wait for threads or sockets.
"""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Coroutine
from datetime import datetime, timedelta
from typing import Any, TypeVar

from typing_extensions import override

T = TypeVar("T")


class StuckError(RuntimeError):
    """Nothing is ready and no timer is set: the program waits for ever."""


class VirtualLoop(asyncio.SelectorEventLoop):
    """Its `time()` stands still while anything can run, and jumps when nothing can."""

    def __init__(self) -> None:
        super().__init__()
        self._now = 0.0

    @override
    def time(self) -> float:
        return self._now

    def _run_once(self) -> None:
        ready, scheduled = self._ready, self._scheduled  # type: ignore[attr-defined]
        while scheduled and scheduled[0]._cancelled:  # noqa: SLF001 (asyncio's own timers)
            handle = heapq.heappop(scheduled)
            handle._scheduled = False  # noqa: SLF001
            self._timer_cancelled_count -= 1  # type: ignore[attr-defined]
        if not ready and not self._stopping:  # type: ignore[attr-defined]
            if not scheduled:
                raise StuckError("nothing is ready and no timer is set")
            self._now = max(self._now, scheduled[0].when())
        super()._run_once()  # type: ignore[misc]


class VirtualClock:
    """A clock that starts at *epoch* and follows the running loop."""

    def __init__(self, epoch: datetime) -> None:
        self._epoch = epoch

    def now(self) -> datetime:
        return self._epoch + timedelta(seconds=asyncio.get_running_loop().time())

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


def run_virtually(main: Coroutine[Any, Any, T]) -> T:
    """Run *main* to its end in virtual time. Call it outside any running loop."""
    loop = VirtualLoop()
    try:
        return loop.run_until_complete(main)
    finally:
        loop.close()

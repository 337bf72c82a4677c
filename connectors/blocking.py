"""Blocking client libraries behind an asyncio face: a bounded thread pool per connector."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")


class BlockingPool:
    """Runs blocking calls in threads of its own, never in the loop's default executor.

    Cancelling the await does not stop the thread or the request it sent: callers treat a
    cancelled write as one whose outcome is unknown.
    """

    def __init__(self, name: str, threads: int) -> None:
        self._executor = ThreadPoolExecutor(max_workers=threads, thread_name_prefix=name)

    async def run(self, call: Callable[[], T], *, ended: Callable[[], None] | None = None) -> T:
        """Return what *call* returns, or raise what it raises.

        *ended* is called in the loop, once, when no thread works on *call* any more: after a
        cancellation that is later than the end of the waiting.
        """
        try:
            work = self._executor.submit(call)
        except RuntimeError:
            if ended is not None:
                ended()
            raise
        if ended is not None:
            _when_done(work, ended)
        return await asyncio.wrap_future(work)

    def close(self) -> None:
        """Start nothing more; what is under way ends by its own deadline."""
        self._executor.shutdown(wait=False, cancel_futures=True)


def _when_done(work: Future[T], ended: Callable[[], None]) -> None:
    loop = asyncio.get_running_loop()

    def tell(_: Future[T]) -> None:
        with contextlib.suppress(RuntimeError):  # the loop may be closed by now
            loop.call_soon_threadsafe(ended)

    work.add_done_callback(tell)

"""Blocking client libraries behind an asyncio face: a bounded thread pool per connector."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")


class BlockingPool:
    """Runs blocking calls in threads of its own, never in the loop's default executor.

    Cancelling the await does not stop the thread or the request it sent: callers treat a
    cancelled write as one whose outcome is unknown.
    """

    def __init__(self, name: str, threads: int) -> None:
        self._executor = ThreadPoolExecutor(max_workers=threads, thread_name_prefix=name)

    async def run(self, call: Callable[[], T]) -> T:
        """Return what *call* returns, or raise what it raises."""
        return await asyncio.get_running_loop().run_in_executor(self._executor, call)

    def close(self) -> None:
        """Start nothing more; what is under way ends by its own deadline."""
        self._executor.shutdown(wait=False, cancel_futures=True)

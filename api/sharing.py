"""One look for all who ask at once, and for a moment afterwards."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class Shared(Generic[T]):
    """What *make* gives, kept for *keep* seconds; nobody makes it twice at the same time.

    Whoever goes away while it is made spoils it for nobody. A failure goes to all who wait for
    it, and is not kept.
    """

    def __init__(self, make: Callable[[], Awaitable[T]], *, keep: float) -> None:
        self._make = make
        self._keep = keep
        self._making: asyncio.Task[T] | None = None
        self._good_until = float("-inf")

    async def get(self) -> T:
        making = self._making
        if making is None or (making.done() and not self._is_fresh(making)):
            making = self._making = asyncio.create_task(self._made())
        return await asyncio.shield(making)

    def _is_fresh(self, made: asyncio.Task[T]) -> bool:
        failed = made.cancelled() or made.exception() is not None
        return not failed and asyncio.get_running_loop().time() < self._good_until

    async def _made(self) -> T:
        made = await self._make()
        self._good_until = asyncio.get_running_loop().time() + self._keep
        return made

"""Who asks for the same thing at the same time shares one reading of the database."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class SharedReading(Generic[T]):
    """Reads as long as somebody asks, one reading after the other.

    Each answer is from a reading that began after the question: nothing older is ever told.
    """

    def __init__(self, read: Callable[[], Awaitable[T]]) -> None:
        self._read = read
        self._asking: list[asyncio.Future[T]] = []
        self._task: asyncio.Task[None] | None = None

    async def get(self) -> T:
        """Return what is read from now on; raises what the reading raises."""
        answer: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._asking.append(answer)
        if self._task is None:
            self._task = asyncio.create_task(self._serve())
        return await answer

    async def _serve(self) -> None:
        try:
            while self._asking:
                asking, self._asking = self._asking, []
                await self._serve_these(asking)
        finally:
            self._task = None

    async def _serve_these(self, asking: list[asyncio.Future[T]]) -> None:
        try:
            found = await self._read()
        except Exception as error:  # noqa: BLE001 (it belongs to those who asked)
            for answer in asking:
                if not answer.done():
                    answer.set_exception(error)
        else:
            for answer in asking:
                if not answer.done():
                    answer.set_result(found)

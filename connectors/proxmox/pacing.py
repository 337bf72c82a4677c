"""How often a node is observed, and readings that several callers share."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

T = TypeVar("T")

WINDOW = 1.05
"""Seconds; a little more than one, so that jitter on the way does not bunch three in a second."""


class Pacer:
    """Lets at most *rate* callers begin within a second, in the order they came."""

    def __init__(self, rate: int) -> None:
        self._begun: deque[float] = deque(maxlen=rate)
        self._door = asyncio.Lock()

    async def turn(self) -> None:
        """Return when the caller may begin. Cancelling gives the place up."""
        async with self._door:
            clock = asyncio.get_running_loop().time
            if len(self._begun) == self._begun.maxlen:
                await asyncio.sleep(max(0.0, self._begun[0] + WINDOW - clock()))
            self._begun.append(clock())


class Pacers:
    """One `Pacer` for each node; the empty name is the contacted node while it is unknown."""

    def __init__(self, rate: int) -> None:
        self._rate = rate
        self._pacers: dict[str, Pacer] = {}

    async def turn(self, node: str) -> None:
        if node not in self._pacers:
            self._pacers[node] = Pacer(self._rate)
        await self._pacers[node].turn()

    def learn(self, node: str) -> None:
        """What was asked of the node without a name was asked of *node*."""
        if node not in self._pacers and "" in self._pacers:
            self._pacers[node] = self._pacers.pop("")


class SharedReading(Generic[T]):
    """A reading that everybody waits for who came before it began.

    Nobody gets one that began before they asked; so a hundred callers cost one call, and
    none of them acts on something older than its question. The next one begins when the one
    before has ended, so a node that hangs has one question open and not a heap of them.
    """

    def __init__(
        self, admission: Callable[[], Awaitable[None]], read: Callable[[], Awaitable[T]]
    ) -> None:
        self._admission = admission
        self._read = read
        self._door = asyncio.Lock()
        self._next: asyncio.Task[T] | None = None
        self._running: set[asyncio.Task[T]] = set()
        self._last: tuple[float, T] | None = None

    async def recent(self, max_age: float) -> T:
        """Return the last reading if it began at most *max_age* seconds ago, else a fresh one."""
        now = asyncio.get_running_loop().time()
        if self._last is not None and now - self._last[0] <= max_age:
            return self._last[1]
        return await self.fresh()

    async def fresh(self) -> T:
        """Return a reading that begins after this call, or raise what it raises."""
        if self._next is None or self._next.done():
            self._next = asyncio.create_task(self._begin())
            self._running.add(self._next)
            self._next.add_done_callback(self._ended)
        return await asyncio.shield(self._next)

    @property
    def pending(self) -> bool:
        """Whether a reading has been asked for that has not begun."""
        return self._next is not None

    def close(self) -> None:
        for task in self._running:
            task.cancel()

    async def _begin(self) -> T:
        async with self._door:
            try:
                await self._admission()
            finally:
                self._next = None
            began = asyncio.get_running_loop().time()
            self._last = (began, await self._read())
            return self._last[1]

    def _ended(self, task: asyncio.Task[T]) -> None:
        self._running.discard(task)
        if not task.cancelled():
            task.exception()  # every waiter may be gone; an error nobody waits for is no news

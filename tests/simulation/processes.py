"""Imagined processes in one virtual loop: each can be killed or stopped between two instructions.

What belongs to a process is known by the context that its callbacks run in. Of a dead or stopped
process none is run, no ``finally`` either: as after SIGKILL, and as after SIGSTOP.
"""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Callable, Coroutine
from contextvars import Context, ContextVar
from typing import Any, TypeVar

from typing_extensions import override

from drorch.engine.virtual import VirtualLoop
from drorch.errors import DrorchError

T = TypeVar("T")

_ENDLESS = 2_000_000
"""Callbacks in one disaster; the worst ones need a tenth of it."""

WORLD = Context()
"""Where things happen that no process can stop: hypervisors, disks, wires."""


class PowerCut(BaseException):
    """Unwinds what a process was doing at the failure point at which it died."""


class Process:
    """One orchestrator, from its start to its death; ``site`` is the machine that it runs on."""

    def __init__(self, name: str, site: str, *, skew: float = 0.0) -> None:
        self.name = name
        self.site = site
        self.skew = skew
        self.alive = True
        self.frozen = False
        self.over = False
        self.journal_cut = False
        self.network_cut = False
        self.stash: list[asyncio.Handle] = []
        self._context = Context()
        self._context.run(CURRENT.set, self)

    @property
    def silent(self) -> bool:
        return self.frozen or not self.alive

    def run(self, main: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        return asyncio.get_running_loop().create_task(main, context=self._context)

    def soon(self, callback: Callable[[], None]) -> None:
        """Call back inside this process, whoever calls this."""
        asyncio.get_running_loop().call_soon(callback, context=self._context)

    def thaw(self) -> None:
        """Go on where it was stopped; every timer that ran out meanwhile is due at once."""
        self.frozen = False
        stash, self.stash = self.stash, []
        asyncio.get_running_loop()._ready.extend(stash)  # type: ignore[attr-defined]

    async def across(self, deed: Callable[[], T], *, there: float = 0.0, back: float = 0.0) -> T:
        """Have *deed* done outside, *there* seconds from now; it is, even if this process dies."""
        if self.over:
            raise PowerCut
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[T] = loop.create_future()

        def arrive() -> None:
            try:
                result = deed()
            except DrorchError as error:
                loop.call_later(back, _fail, answer, error)
            else:
                loop.call_later(back, _tell, answer, result)

        loop.call_later(there, arrive, context=WORLD)
        return await answer


CURRENT: ContextVar[Process | None] = ContextVar("process", default=None)


def _tell(answer: asyncio.Future[T], result: T) -> None:
    if not answer.done():
        answer.set_result(result)


def _fail(answer: asyncio.Future[Any], error: Exception) -> None:
    if not answer.done():
        answer.set_exception(error)


class Theatre(VirtualLoop):
    """The virtual loop, without its selector, and blind to what silent processes want to do."""

    def __init__(self) -> None:
        super().__init__()
        self.turns = 0
        self.overheard: list[str] = []
        """Errors that reached nobody."""

    @override
    def _run_once(self) -> None:
        ready, scheduled = self._ready, self._scheduled  # type: ignore[attr-defined]
        if not ready:
            self._jump()
        until = self._now + 1e-9
        while scheduled and scheduled[0]._when <= until:
            handle = heapq.heappop(scheduled)
            handle._scheduled = False
            if not handle._cancelled:
                ready.append(handle)
        for _ in range(len(ready)):
            handle = ready.popleft()
            if handle._cancelled:
                continue
            process = handle._context.get(CURRENT)
            if process is not None and process.silent:
                process.stash.append(handle)
                continue
            self.turns += 1
            if self.turns > _ENDLESS:
                raise RuntimeError(f"it goes round and round: {handle!r}")
            handle._run()

    def _jump(self) -> None:
        scheduled = self._scheduled  # type: ignore[attr-defined]
        while scheduled and scheduled[0]._cancelled:
            heapq.heappop(scheduled)._scheduled = False
        if not scheduled:
            if not self._stopping:  # type: ignore[attr-defined]
                raise RuntimeError(
                    "nothing is ready and no timer is set: everything waits for ever"
                )
            return
        self._now = max(self._now, scheduled[0]._when)


async def bury(processes: list[Process]) -> None:
    """Let go of everything, so that nothing is left to the garbage collector."""
    for process in processes:
        process.over, process.alive = True, True
        process.thaw()
    for _ in range(50):
        tasks = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        if not tasks:
            return
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks, timeout=1.0)
    raise AssertionError("something cannot be cancelled")

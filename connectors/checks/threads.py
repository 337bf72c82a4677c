"""Blocking calls in a bounded number of daemon threads, so that none piles up or holds the exit."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable
from typing import Any, TypeVar

T = TypeVar("T")


class Threads:
    """At most *limit* blocking calls at once; a call's place is free when its thread has ended.

    An executor is not used because the interpreter waits for its threads when it ends: a name
    server that is down would hold a command for half a minute.
    """

    def __init__(self, name: str, limit: int) -> None:
        self._name = name
        self._places = asyncio.Semaphore(limit)

    async def run(self, call: Callable[[], T]) -> T:
        """Return what *call* returns, or raise what it raises.

        Cancelling stops the waiting alone: the caller sees to it that *call* ends soon, by
        shutting the socket that it reads from or by a time limit of its own.
        """
        await self._places.acquire()
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()

        def settle(outcome: Callable[[asyncio.Future[T]], None]) -> None:
            self._places.release()
            if not future.done():
                outcome(future)

        def work() -> None:
            outcome = _outcome(call)
            with contextlib.suppress(RuntimeError):  # the loop is closed, nobody waits any more
                loop.call_soon_threadsafe(settle, outcome)

        try:
            threading.Thread(target=work, name=self._name, daemon=True).start()
        except RuntimeError:
            self._places.release()
            raise
        return await future


def _outcome(call: Callable[[], T]) -> Callable[[asyncio.Future[T]], None]:
    try:
        value = call()
    except BaseException as error:  # noqa: BLE001 (handed over to whoever awaits the call)
        return _raising(error)
    return lambda future: future.set_result(value)


def _raising(error: BaseException) -> Callable[[asyncio.Future[Any]], None]:
    if isinstance(error, StopIteration | KeyboardInterrupt | SystemExit):
        error = RuntimeError(f"the blocking call ended with {type(error).__name__}")
    return lambda future: future.set_exception(error)

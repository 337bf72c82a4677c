"""Hears at once what others wrote to a shared PostgreSQL; whoever waits looks now and then too."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import structlog

if TYPE_CHECKING:
    from drorch.journal.postgres import PostgresBackend

log = structlog.get_logger()

CHANNEL = "drorch"
ANY = "*"
"""Waits for news of any run."""
EVENTS = "+"
"""Waits for new events: they are many, and of no use to who waits for decisions."""
EVENTS_TOLD = "events"
_AGAIN = 1.0
_TURN = 0.5
"""Seconds between looks whether to stop."""


class Listener:
    """One thread with ``LISTEN``; begins with the first who waits."""

    def __init__(self, backend: PostgresBackend) -> None:
        self._backend = backend
        self._waiting: dict[str, set[Callable[[], None]]] = {}
        self._guard = threading.Lock()
        self._stopped = threading.Event()
        self._thread: threading.Thread | None = None

    async def hint(self, run: str, within: float) -> None:
        """Return at the next news about *run* (or `ANY`), or after *within* seconds."""
        heard = asyncio.Event()
        loop = asyncio.get_running_loop()

        def wake() -> None:
            with suppress(RuntimeError):  # the loop is gone, and so is whoever waited
                loop.call_soon_threadsafe(heard.set)

        self._begin()
        with self._guard:
            self._waiting.setdefault(run, set()).add(wake)
        try:
            async with asyncio.timeout(within):
                await heard.wait()
        except TimeoutError:
            return
        finally:
            with self._guard:
                self._waiting[run].discard(wake)
                if not self._waiting[run]:
                    del self._waiting[run]

    def close(self) -> None:
        self._stopped.set()
        if self._thread is not None:
            self._thread.join()

    def _begin(self) -> None:
        with self._guard:
            if self._thread is None and not self._stopped.is_set():
                self._thread = threading.Thread(target=self._listen, name="listener", daemon=True)
                self._thread.start()

    def _listen(self) -> None:
        while not self._stopped.is_set():
            try:
                with self._backend.line() as line:
                    self._hear(line)
            except Exception as error:  # noqa: BLE001 (a thread's task boundary)
                log.info("listener.waits", reason=str(self._backend.translate(error)))
                self._stopped.wait(_AGAIN)

    def _hear(self, line: Any) -> None:
        line.execute(f"LISTEN {CHANNEL}")
        while not self._stopped.is_set():
            for notice in line.notifies(timeout=_TURN, stop_after=1):
                self._tell(notice.payload)

    def _tell(self, payload: str) -> None:
        run = payload.partition(" ")[2]  # what happened to it is for people who use psql
        whom = (EVENTS,) if payload == EVENTS_TOLD else (run, ANY, EVENTS)
        with self._guard:
            concerned = set[Callable[[], None]]().union(*(self._waiting.get(w, ()) for w in whom))
        for wake in concerned:
            wake()

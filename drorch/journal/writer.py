"""One writer thread: everything queued while a commit is under way shares the next one.

A commit that is durable waits for the disk. Grouping makes that wait common to all runs of the
process, and keeps it out of the event loop.
"""

from __future__ import annotations

import asyncio
import queue
import sys
import threading
import time
from typing import Any

from typing_extensions import override

from drorch.errors import JournalConflictError, JournalError, JournalUnavailableError
from drorch.journal.backend import Backend
from drorch.journal.tickets import Append, Question, Ticket, Work, settle
from drorch.ports.meter import SILENT, Meter

_SWITCH_INTERVAL = 0.0005
"""Seconds; the interpreter's default of 5 ms would be longer than the commit itself."""
_GROUP = 512


_LOOK = object()
"""Wakes the writer when somebody asks what is held, and nothing is to be written."""


class Writer(threading.Thread):
    """Hands groups of tickets to *backend*, and tells everybody what became of theirs."""

    def __init__(self, backend: Backend, meter: Meter = SILENT) -> None:
        super().__init__(name="journal-writer", daemon=True)
        self._backend = backend
        self._meter = meter
        self._tickets: queue.SimpleQueue[Ticket | object | None] = queue.SimpleQueue()
        self._looks: queue.SimpleQueue[Question] = queue.SimpleQueue()
        self._stopped = threading.Event()
        sys.setswitchinterval(_SWITCH_INTERVAL)

    async def run_work(self, work: Work | Append) -> Any:
        """Return what *work* returned, once it is durable; raise `JournalError` otherwise."""
        began = time.perf_counter()
        ticket = Ticket(*self._wait(), work)
        self._tickets.put(ticket)
        try:
            result = await ticket.future
        except JournalConflictError:
            raise  # the journal is well: somebody else was quicker
        except JournalError:
            self._meter.journal_failed()
            raise
        if isinstance(work, Append):
            self._meter.appended(time.perf_counter() - began)
        return result

    def look(self) -> asyncio.Future[dict[tuple[str, str], str]]:
        """Have it read what people hold, from now on; the future may raise `JournalError`.

        While a commit is under way it follows right behind, on the same connection: who has an
        order's intent written, and asks then, hears of both at once.
        """
        question = Question(*self._wait())
        self._looks.put(question)
        self._tickets.put(_LOOK)
        return question.future

    def _wait(self) -> tuple[asyncio.AbstractEventLoop, asyncio.Future[Any]]:
        if self._stopped.is_set():
            raise JournalUnavailableError("the journal is closed")
        loop = asyncio.get_running_loop()
        return loop, loop.create_future()

    def stop(self) -> None:
        """Finish what is queued, then end."""
        self._stopped.set()
        self._tickets.put(None)
        self.join()

    @override
    def run(self) -> None:
        while (tickets := self._take()) is not None:
            if tickets:
                self._backend.commit(tickets)
            settle([*tickets, *self._look()])

    def _take(self) -> list[Ticket] | None:
        """Wait for something to do; return what is to be written, None at the end."""
        first = self._tickets.get()
        if first is None:
            return None
        tickets = [first] if isinstance(first, Ticket) else []
        while len(tickets) < _GROUP and not self._tickets.empty():
            if (more := self._tickets.get()) is None:
                self._tickets.put(None)  # the end is looked at again after this group
                break
            if isinstance(more, Ticket):
                tickets.append(more)
        return tickets

    def _look(self) -> list[Question]:
        """Read once what people hold, for everybody who has asked; return their questions."""
        looks: list[Question] = []
        while not self._looks.empty():
            looks.append(self._looks.get())
        if not looks:
            return looks
        try:
            placed = self._backend.held()
        except Exception as error:  # noqa: BLE001 (a thread's task boundary)
            for look in looks:
                look.failed(error)
        else:
            for look in looks:
                look.done(placed)
        return looks

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
from collections.abc import Callable, Sequence
from typing import Any

from typing_extensions import override

from drorch.errors import JournalConflictError, JournalError, JournalUnavailableError
from drorch.journal.tickets import Append, Ticket, Work
from drorch.ports.meter import SILENT, Meter

Commit = Callable[[Sequence[Ticket]], None]

_SWITCH_INTERVAL = 0.0005
"""Seconds; the interpreter's default of 5 ms would be longer than the commit itself."""
_GROUP = 512


class Writer(threading.Thread):
    """Hands groups of tickets to *commit*, which settles each of them and never raises."""

    def __init__(self, commit: Commit, meter: Meter = SILENT) -> None:
        super().__init__(name="journal-writer", daemon=True)
        self._commit = commit
        self._meter = meter
        self._tickets: queue.SimpleQueue[Ticket | None] = queue.SimpleQueue()
        self._stopped = threading.Event()
        sys.setswitchinterval(_SWITCH_INTERVAL)

    async def run_work(self, work: Work | Append) -> Any:
        """Return what *work* returned, once it is durable; raise `JournalError` otherwise."""
        if self._stopped.is_set():
            raise JournalUnavailableError("the journal is closed")
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Any] = loop.create_future()
        began = time.perf_counter()
        self._tickets.put(Ticket(work, loop, future))
        try:
            result = await future
        except JournalConflictError:
            raise  # the journal is well: somebody else was quicker
        except JournalError:
            self._meter.journal_failed()
            raise
        if isinstance(work, Append):
            self._meter.appended(time.perf_counter() - began)
        return result

    def stop(self) -> None:
        """Finish what is queued, then end."""
        self._stopped.set()
        self._tickets.put(None)
        self.join()

    @override
    def run(self) -> None:
        while (tickets := self._take()) is not None:
            if tickets:
                self._commit(tickets)

    def _take(self) -> list[Ticket] | None:
        first = self._tickets.get()
        if first is None:
            return None
        tickets = [first]
        while len(tickets) < _GROUP and not self._tickets.empty():
            if (more := self._tickets.get()) is None:
                self._tickets.put(None)  # the end is looked at again after this group
                break
            tickets.append(more)
        return tickets

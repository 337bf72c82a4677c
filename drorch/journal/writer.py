"""One writer thread: everything queued while a commit is under way shares the next one.

SQLite allows one writer, and a commit with ``synchronous=FULL`` waits for the disk. Grouping
makes that wait common to all runs of the process, and keeps it out of the event loop.
"""

from __future__ import annotations

import asyncio
import queue
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import IntegrityError, OperationalError, SQLAlchemyError
from typing_extensions import override

from drorch.errors import JournalConflictError, JournalUnavailableError

Work = Callable[[Connection], Any]

_SWITCH_INTERVAL = 0.0005
"""Seconds; the interpreter's default of 5 ms would be longer than the commit itself."""
_GROUP = 512


@dataclass(slots=True)
class _Job:
    work: Work
    loop: asyncio.AbstractEventLoop
    future: asyncio.Future[Any]


class Writer(threading.Thread):
    """Runs pieces of work in transactions, many to a commit; one bad piece spoils no other."""

    def __init__(self, engine: Engine) -> None:
        super().__init__(name="journal-writer", daemon=True)
        self._engine = engine
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._stopped = threading.Event()
        sys.setswitchinterval(_SWITCH_INTERVAL)

    async def run_work(self, work: Work) -> Any:
        """Return what *work* returned, once it is durable; raise `JournalError` otherwise."""
        if self._stopped.is_set():
            raise JournalUnavailableError("the journal is closed")
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Any] = loop.create_future()
        self._jobs.put(_Job(work, loop, future))
        return await future

    def stop(self) -> None:
        """Finish what is queued, then end."""
        self._stopped.set()
        self._jobs.put(None)
        self.join()

    @override
    def run(self) -> None:
        while (jobs := self._take()) is not None:
            if jobs:
                self._commit(jobs)

    def _take(self) -> list[_Job] | None:
        first = self._jobs.get()
        if first is None:
            return None
        jobs = [first]
        while len(jobs) < _GROUP and not self._jobs.empty():
            if (more := self._jobs.get()) is None:
                self._jobs.put(None)  # the end is looked at again after this group
                break
            jobs.append(more)
        return jobs

    def _commit(self, jobs: list[_Job]) -> None:
        try:
            with self._engine.begin() as connection:
                results = [job.work(connection) for job in jobs]
        except Exception as error:  # noqa: BLE001 (a thread's task boundary)
            if len(jobs) == 1 or isinstance(error, OperationalError):
                for job in jobs:  # the disk or a lock: asking for each again takes as long again
                    _tell(job, error=translate(error))
                return
            for job in jobs:  # find the one that spoils the group
                self._commit([job])
            return
        for job, result in zip(jobs, results, strict=True):
            _tell(job, result=result)


def translate(error: Exception, *, doing: str = "written") -> Exception:
    """Return our error for what the database said; a defect of ours stays what it is."""
    if isinstance(error, IntegrityError):
        return JournalConflictError("somebody else has written at this place of the journal")
    if not isinstance(error, SQLAlchemyError | OSError):
        return error
    reason = str(getattr(error, "orig", error))
    return JournalUnavailableError(
        f"the journal cannot be {doing}: {reason}",
        hint="look at the disk of data_dir: is it full, read-only or locked? "
        "Nothing new is started meanwhile; drorch goes on by itself",
    )


def _tell(job: _Job, *, result: Any = None, error: Exception | None = None) -> None:
    def settle() -> None:
        if job.future.done():
            return
        if error is not None:
            job.future.set_exception(error)
        else:
            job.future.set_result(result)

    try:
        job.loop.call_soon_threadsafe(settle)
    except RuntimeError:
        return  # the loop that asked is gone, and so is whoever waited

"""What is handed to the writer: pieces of work, and appends, which PostgreSQL takes in bulk."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from sqlalchemy import Connection

from drorch.errors import JournalConflictError
from drorch.run.events import Event

Work = Callable[[Connection], Any]


class EventLine(NamedTuple):
    """A row of the journal, encoded already."""

    run: str
    seq: int
    type: str
    version: int
    data: str


class FeedLine(NamedTuple):
    """An event of any run, and its place in the order of everything."""

    txn: int
    run: str
    seq: int
    event: Event


class Ending(NamedTuple):
    """What the event that ends a run changes in the list of runs."""

    status: str
    at: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Append:
    """Events and answers of one run, all or none; refused if *epoch* is not the newest."""

    run: str
    epoch: int | None
    lines: Sequence[EventLine]
    answers: Sequence[tuple[int, str]]
    now: str
    ending: Ending | None

    @property
    def before(self) -> int:
        """The number of the event that has to be there already, 0 for none.

        It is missing where an older state of the database was put back under a living owner.
        """
        return self.lines[0].seq - 1 if self.lines else 0


@dataclass(slots=True)
class Question:
    """Who waits for the writer. What became of it is noted, and told by `settle`."""

    loop: asyncio.AbstractEventLoop
    future: asyncio.Future[Any]
    result: Any = field(default=None, init=False)
    error: Exception | None = field(default=None, init=False)

    def done(self, result: Any = None) -> None:
        self.result = result

    def failed(self, error: Exception) -> None:
        self.error = error

    def tell(self) -> None:
        """Let whoever waits go on; in the loop that asked."""
        if self.future.done():
            return
        if self.error is not None:
            self.future.set_exception(self.error)
        else:
            self.future.set_result(self.result)


@dataclass(slots=True)
class Ticket(Question):
    """One piece of work."""

    work: Work | Append


def older(run: str) -> JournalConflictError:
    """Return the error of an append behind an event that is not there any more."""
    return JournalConflictError(f"an older state of the journal of {run} has been put back")


def settle(questions: Sequence[Question]) -> None:
    """Tell everybody what became of their questions; each loop once, for waking one has a price."""
    by_loop: dict[asyncio.AbstractEventLoop, list[Question]] = {}
    for question in questions:
        by_loop.setdefault(question.loop, []).append(question)
    for loop, asked in by_loop.items():
        with suppress(RuntimeError):  # a loop that is gone, and with it whoever waited
            loop.call_soon_threadsafe(_tell, asked)


def _tell(questions: Sequence[Question]) -> None:
    for question in questions:
        question.tell()

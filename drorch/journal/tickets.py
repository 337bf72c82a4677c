"""What is handed to the writer: pieces of work, and appends, which PostgreSQL takes in bulk."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from sqlalchemy import Connection

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


@dataclass(slots=True)
class Ticket:
    """One piece of work, and who waits for it."""

    work: Work | Append
    loop: asyncio.AbstractEventLoop
    future: asyncio.Future[Any]

    def done(self, result: Any = None) -> None:
        self._settle(lambda: self.future.set_result(result))

    def failed(self, error: Exception) -> None:
        self._settle(lambda: self.future.set_exception(error))

    def _settle(self, tell: Callable[[], None]) -> None:
        try:
            self.loop.call_soon_threadsafe(lambda: None if self.future.done() else tell())
        except RuntimeError:
            return  # the loop that asked is gone, and so is whoever waited

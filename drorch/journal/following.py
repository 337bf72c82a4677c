"""Where events stand in the order of everything, and pages of it as people and programs see it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from sqlalchemy import Connection, func, select

from drorch.errors import RunNotFoundError
from drorch.journal.pages import recorded_json
from drorch.journal.store import Store, events_
from drorch.ports.journal import Recorded
from drorch.run.views import Json


class Spot(NamedTuple):
    """The place of an event among those of all runs; it stays what it is for ever."""

    txn: int
    run: str
    seq: int


BEGINNING = Spot(0, "", 0)
"""Before the first event of all."""


class Told(NamedTuple):
    """An event as JSON, with its run, and its place among those of all runs."""

    spot: Spot
    event: Json


async def newest_spot(store: Store, back: int = 0) -> Spot:
    """Return the place of the newest event that none can precede any more.

    Or that of the event which is *back* events older; `BEGINNING` where there are not so many.
    Raises `JournalUnavailableError`.
    """

    def work(connection: Connection) -> Spot:
        query = (
            select(events_.c.txn, events_.c.run, events_.c.seq)
            .where(events_.c.txn < store.backend.settled(connection))
            .order_by(events_.c.txn.desc(), events_.c.run.desc(), events_.c.seq.desc())
            .offset(back)
            .limit(1)
        )
        row = connection.execute(query).first()
        return Spot(*row) if row else BEGINNING

    return await store.reading(work)


async def stands(store: Store, spot: Spot) -> bool:
    """Tell whether an event is at *spot*; the beginning is always there."""
    if spot == BEGINNING:
        return True
    query = select(events_.c.seq).where(
        events_.c.run == spot.run, events_.c.seq == spot.seq, events_.c.txn == spot.txn
    )
    return await store.reading(lambda c: c.execute(query).first() is not None)


async def everything_page(store: Store, after: Spot, limit: int) -> Sequence[Told]:
    """Return at most *limit* events of all runs behind *after*, oldest first.

    Raises `JournalUnavailableError`, and `JournalError` for what cannot be read.
    """
    lines = await store.feed(after, limit)
    return [
        Told(
            Spot(line.txn, line.run, line.seq),
            {"run": line.run, **recorded_json(Recorded(line.seq, line.event.at, line.event))},
        )
        for line in lines
    ]


async def last_seq(store: Store, run: str) -> int:
    """Return the number of the newest event of *run*. Raises `RunNotFoundError`."""
    newest = select(func.max(events_.c.seq)).where(events_.c.run == run)
    found: int | None = await store.reading(lambda c: c.execute(newest).scalar())
    if found is None:
        raise RunNotFoundError(f"there is no run {run!r} here", hint="'drorch runs' lists the runs")
    return found

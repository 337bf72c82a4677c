"""Looks through a whole journal for what is not whole: lost rows, and rows nobody can read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from pydantic import ValidationError
from sqlalchemy import Connection, Row, func, select

from drorch.errors import JournalError
from drorch.journal import codec
from drorch.journal.backend import Backend
from drorch.journal.store import events_, runs_
from drorch.run import events as ev

_AT_ONCE = 2000
_SHOWN = 20
"""So many unreadable events of one run are named; more would hide the others."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Flaw:
    """Something that is not whole. ``run`` is empty when it is the database itself."""

    run: str
    message: str


@dataclass(slots=True)
class Checked:
    """What was looked at, and what was found."""

    runs: int = 0
    events: int = 0
    flaws: list[Flaw] = field(default_factory=list)


def check_journal(backend: Backend) -> Checked:
    """Read everything once, in one consistent view, while runs may go on."""
    checked = Checked()
    with backend.reader.connect() as connection:
        if connection.dialect.name == "postgresql":
            patient(connection)
        checked.flaws += _file(connection)
        checked.flaws += _numbers(connection)
        checked.flaws += _events(connection, checked)
        checked.runs = connection.execute(select(func.count()).select_from(runs_)).scalar_one()
    return checked


def patient(connection: Connection) -> None:
    """Let one reading of everything on PostgreSQL take the time that it takes."""
    connection.exec_driver_sql("SET LOCAL statement_timeout = 0")
    connection.exec_driver_sql("SET LOCAL idle_in_transaction_session_timeout = 0")


def first_missing(numbers: Sequence[int]) -> int | None:
    """Return the first number that is not there of 1, 2, 3 ..; None when all are."""
    found = enumerate(numbers, start=1)
    return next((wanted for wanted, number in found if wanted != number), None)


def _file(connection: Connection) -> Iterator[Flaw]:
    """PostgreSQL looks after its own pages (checksums; pg_amcheck)."""
    if connection.dialect.name != "sqlite":
        return
    for (told,) in connection.exec_driver_sql("PRAGMA integrity_check(20)"):
        if told != "ok":
            yield Flaw(run="", message=f"the file is damaged: {told}")


def _numbers(connection: Connection) -> Iterator[Flaw]:
    """Compare what is there with the numbers, and with the list of runs."""
    e, r = events_.c, runs_.c
    counted = (
        select(e.run, func.count().label("count"), func.max(e.seq).label("last"))
        .group_by(e.run)
        .subquery()
    )
    query = select(r.id, counted.c.count, counted.c.last)
    for row in connection.execute(query.outerjoin(counted, counted.c.run == r.id).order_by(r.id)):
        if row.count is None:
            yield Flaw(run=row.id, message="none of its events is there")
        elif row.count != row.last:
            numbers = select(e.seq).where(e.run == row.id).order_by(e.seq)
            gap = first_missing(connection.execute(numbers).scalars().all())
            lost = row.last - row.count
            told = f"event {gap} is missing" if lost == 1 else f"{lost} events are missing"
            yield Flaw(run=row.id, message=f"{told}, the first is number {gap} of {row.last}")
    unlisted = select(e.run).where(e.run.not_in(select(r.id))).distinct().order_by(e.run)
    for (run,) in connection.execute(unlisted):
        yield Flaw(run=run, message="its events are there, the list of runs does not know it")


def _events(connection: Connection, checked: Checked) -> Iterator[Flaw]:
    """Decode everything, and compare how each run ended with what the list says."""
    ended = {row.id: row for row in connection.execute(select(runs_))}
    query = select(events_.c.run, events_.c.seq, events_.c.type, events_.c.version, events_.c.data)
    rows = connection.execution_options(yield_per=_AT_ONCE).execute(
        query.order_by(events_.c.run, events_.c.seq)
    )
    run, bad, last = "", 0, ""
    for row in rows:
        checked.events += 1
        if row.run != run:
            yield from _end(run, last, ended)
            run, bad = row.run, 0
        last = row.type
        if (why := unreadable(row)) and (bad := bad + 1) <= _SHOWN:
            yield Flaw(run=run, message=f"event {row.seq} cannot be read: {why}")
    yield from _end(run, last, ended)


def _end(run: str, last: str, listed: dict[str, Row[Any]]) -> Iterator[Flaw]:
    if run not in listed:
        return
    over = last == ev.RunEnded.type
    if listed[run].ended_at is not None and not over:
        yield Flaw(
            run=run, message=f"it ended ({listed[run].status}), but its last events are missing"
        )
    elif listed[run].ended_at is None and over:
        yield Flaw(run=run, message="its last event ends it, the list of runs says that it is open")


def unreadable(row: Any) -> str:
    """Return why this version of drorch cannot read a stored event; empty when it can."""
    try:
        event = codec.decode(row.type, row.data, row.version)
    except JournalError as error:
        return error.message
    except (ValidationError, ValueError, TypeError, KeyError) as error:
        return f"{type(error).__name__} in its data"
    if (row.seq == 1) != isinstance(event, ev.RunRequested):
        return "a run is requested by its first event, and by no other"
    return ""

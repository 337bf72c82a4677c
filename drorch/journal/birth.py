"""A run that is being made: its line in the list, and whether it is there when nobody has said."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

from sqlalchemy import Connection, insert, select

from drorch.errors import JournalError, JournalUnavailableError
from drorch.journal.ledger import alone
from drorch.journal.tables import EventRow, RunRow
from drorch.journal.tickets import Append, EventLine, Work
from drorch.model.moment import stamp

_runs = RunRow.__table__  # type: ignore[attr-defined]  # SQLModel adds it at run time
_events = EventRow.__table__  # type: ignore[attr-defined]
_LOOKS = 5
_AGAIN = 1.0
"""Seconds between two looks: somebody waits for the answer."""


def new_run(connection: Connection, plan: str, mode: str) -> str:
    """List a new run of *plan*; return its id, PLAN-NUMBER."""
    query = select(_runs.c.number).where(_runs.c.plan == plan).order_by(_runs.c.number.desc())
    number = (connection.execute(query.limit(1)).scalar() or 0) + 1
    run = f"{plan}-{number}"
    row = {
        "id": run,
        "number": number,
        "plan": plan,
        "mode": mode,
        "status": "running",
        "created_at": stamp(datetime.now(UTC)),
        "summary": "{}",
    }
    connection.execute(insert(_runs), row)
    return run


async def was_begun(
    first: Append, error: JournalUnavailableError, carry_out: Callable[[Work], Awaitable[bool]]
) -> bool:
    """Tell whether the run of *first* is there, though its commit ended with *error*.

    The database may have stored it, and only its answer was lost. Raises
    `JournalUnavailableError` in other words when that cannot be found out.
    """
    seen: JournalError = error
    for look in range(_LOOKS):
        if look:
            await asyncio.sleep(_AGAIN)
        try:
            return await carry_out(lambda connection: _is_there(connection, first))
        except JournalError as unseen:
            seen = unseen
    raise JournalUnavailableError(
        f"it is not known whether the run was begun: {error.message}",
        hint="do not start it again before you have looked: 'drorch runs' shows it if it is there. "
        "Then it is carried out as soon as the journal answers, and 'drorch abort' ends it",
    ) from seen


def _is_there(connection: Connection, first: Append) -> bool:
    """Tell whether the run begins as *first* says: another one may have got its number."""
    alone(connection)  # behind a commit that may be under way still: with the record, under a lock
    e = _events.c
    query = select(e.run, e.seq, e.type, e.version, e.data).where(
        e.run == first.run, e.seq <= len(first.lines)
    )
    found = connection.execute(query.order_by(e.seq)).all()
    return [EventLine(*row) for row in found] == list(first.lines)

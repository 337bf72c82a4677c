"""How far each web hook has been told: a place in the order of everything."""

from __future__ import annotations

from sqlalchemy import Connection, select, update

from drorch.journal.access_tables import HookRow
from drorch.journal.following import BEGINNING, Spot
from drorch.journal.store import events_

hooks_ = HookRow.__table__  # type: ignore[attr-defined]  # SQLModel adds it at run time
PLACE = (events_.c.txn, events_.c.run, events_.c.seq)


def newest(connection: Connection, settled: int | None = None) -> Spot:
    """Return the place of the newest event; with *settled*, of those that none can precede."""
    last = select(*PLACE).order_by(*(column.desc() for column in PLACE)).limit(1)
    if settled is not None:
        last = last.where(events_.c.txn < settled)
    row = connection.execute(last).first()
    return Spot(*row) if row is not None else BEGINNING


def begin_at_newest(connection: Connection) -> None:
    """Let every hook go on behind what is here: its place was one of another database."""
    connection.execute(update(hooks_).values(**newest(connection)._asdict()))

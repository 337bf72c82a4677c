"""What differs between SQLite and PostgreSQL, as the store sees it; and errors put into words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from sqlalchemy import Connection, Engine, delete, insert, update

from drorch.journal.tables import ClaimRow, EventRow, InboxRow, RunRow
from drorch.journal.tickets import Append, Ticket
from drorch.journal.url import Place

_events = EventRow.__table__  # type: ignore[attr-defined]  # SQLModel adds it at run time
_runs = RunRow.__table__  # type: ignore[attr-defined]
_claims = ClaimRow.__table__  # type: ignore[attr-defined]
_inbox = InboxRow.__table__  # type: ignore[attr-defined]


class Backend(Protocol):
    """An open database.

    ``reader`` gives each connection one consistent view and never waits for writers.
    """

    place: Place
    engine: Engine
    reader: Engine

    def commit(self, tickets: Sequence[Ticket]) -> None:
        """Carry the tickets out, durably, and note what became of each; it never raises.

        One bad piece spoils no other.
        """

    def held(self) -> dict[tuple[str, str], str]:
        """Return which (connector, machine) is held, and why; a halt as `EVERYTHING`.

        Called in `commit`'s thread. Raises `JournalError`.
        """

    def translate(self, error: Exception, *, doing: str = "written") -> Exception:
        """Return our error for what the database said; a defect of ours stays what it is."""

    def txn(self, connection: Connection) -> int:
        """Return the number of the transaction that *connection* is in, for new events."""

    def settled(self, connection: Connection) -> int:
        """Return the number below which no transaction can store an event any more."""

    def now(self, connection: Connection) -> float:
        """Return the database's own clock, in seconds."""

    def notify(self, connection: Connection, what: str) -> None:
        """Wake whoever listens on this database, once the transaction is over."""

    def close(self) -> None:
        """Let go of files and connections. Safe to repeat."""


def store_append(connection: Connection, append: Append, txn: int) -> None:
    """Store events, answers and what the end of a run changes, one statement after the other."""
    if append.lines:
        connection.execute(insert(_events), [{**e._asdict(), "txn": txn} for e in append.lines])
    for entry, refused in append.answers:
        answered = update(_inbox).where(_inbox.c.id == entry)
        connection.execute(answered.values(answered_at=append.now, refused=refused))
    if append.ending is not None:
        status, at = append.ending
        ended = update(_runs).where(_runs.c.id == append.run)
        connection.execute(ended.values(status=status, ended_at=at))
        connection.execute(delete(_claims).where(_claims.c.run == append.run))

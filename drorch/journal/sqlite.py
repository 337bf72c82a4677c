"""SQLite: one file, one writer, durable through a power cut."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.exc import IntegrityError, OperationalError, SQLAlchemyError

from drorch.errors import JournalConflictError, JournalDamagedError, JournalUnavailableError
from drorch.journal.backend import store_append
from drorch.journal.schema import prepare
from drorch.journal.tickets import Append, Ticket
from drorch.journal.url import Place

_BUSY_MS = 5000
_DAMAGED = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})


class SqliteBackend:
    """WAL with ``synchronous=FULL``: a power cut may come during the recovery from a power cut."""

    def __init__(self, place: Place) -> None:
        """Open or create the file. Raises `JournalUnavailableError`, `JournalDamagedError`."""
        assert place.file is not None  # noqa: S101 (a place without URL is a file)
        self.place = place
        try:
            _make(place.file)
            self.engine = create_engine(
                f"sqlite:///{place.file}", connect_args={"check_same_thread": False}
            )
            event.listen(self.engine, "connect", _configure)
            event.listen(self.engine, "begin", _begin)
            self.reader: Engine = self.engine.execution_options(reads=True)
            prepare(self)
        except (OSError, SQLAlchemyError) as error:
            raise self._cannot_open(error) from error

    def commit(self, tickets: Sequence[Ticket]) -> None:
        try:
            with self.engine.begin() as connection:
                results = [self._carry_out(connection, ticket) for ticket in tickets]
        except Exception as error:  # noqa: BLE001 (a thread's task boundary)
            if len(tickets) == 1 or isinstance(error, OperationalError):
                for ticket in tickets:  # the disk or a lock: each alone would take as long again
                    ticket.failed(self.translate(error))
                return
            for ticket in tickets:  # find the one that spoils the group
                self.commit([ticket])
            return
        for ticket, result in zip(tickets, results, strict=True):
            ticket.done(result)

    def _carry_out(self, connection: Connection, ticket: Ticket) -> Any:
        if isinstance(ticket.work, Append):
            return store_append(connection, ticket.work, self.txn(connection))
        return ticket.work(connection)

    def translate(self, error: Exception, *, doing: str = "written") -> Exception:
        if isinstance(error, IntegrityError):
            return JournalConflictError("somebody else has written at this place of the journal")
        if not isinstance(error, SQLAlchemyError | OSError):
            return error
        reason = getattr(error, "orig", None) or error
        if _code(reason) in _DAMAGED:
            return damaged(self.place, reason)
        return JournalUnavailableError(
            f"the journal cannot be {doing}: {reason}",
            hint="look at the disk of data_dir: is it full, read-only or locked? "
            "Nothing new is started meanwhile; drorch goes on by itself",
        )

    def txn(self, connection: Connection) -> int:
        newest = connection.exec_driver_sql("SELECT max(txn) FROM events").scalar()
        return int(newest or 0) + 1

    def settled(self, connection: Connection) -> int:
        return self.txn(connection)  # one writer: what can be read is settled

    def now(self, connection: Connection) -> float:
        found = connection.exec_driver_sql("SELECT (julianday('now') - 2440587.5) * 86400.0")
        return float(found.scalar_one())

    def notify(self, connection: Connection, what: str) -> None:
        """Nobody can listen on a file: readers look again and again."""

    def close(self) -> None:
        self.engine.dispose()

    def _cannot_open(self, error: Exception) -> Exception:
        reason = getattr(error, "orig", None) or error
        if _code(reason) in _DAMAGED:
            return damaged(self.place, reason)
        return JournalUnavailableError(
            f"cannot open the journal {self.place.shown}: {reason}",
            hint="check that data_dir exists, is on a local disk with free space, and that "
            "this user may write there",
        )


def damaged(place: Place, reason: object) -> JournalDamagedError:
    return JournalDamagedError(
        f"the journal {place.shown} is damaged: {reason}",
        hint="do not delete it. Copy it away with its -wal file, then put back the newest "
        "'drorch db backup'; without one, 'sqlite3 FILE .recover' may save most of it",
    )


def _code(reason: object) -> int:
    """Return SQLite's primary error code, 0 for anything else."""
    found = getattr(reason, "sqlite_errorcode", None)
    return found & 0xFF if isinstance(found, int) else 0


def _make(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    # Made by us, so that SQLite gives its side files (the newest events) the same rights.
    os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))


def _configure(connection: Any, _record: Any) -> None:
    connection.isolation_level = None  # transactions begin where we say, not where sqlite3 guesses
    cursor = connection.cursor()
    cursor.execute(f"PRAGMA busy_timeout={_BUSY_MS}")
    cursor.execute("PRAGMA journal_mode=WAL")
    cursor.execute("PRAGMA synchronous=FULL")
    cursor.execute("PRAGMA foreign_keys=ON")
    cursor.close()


def _begin(connection: Connection) -> None:
    """Take the write lock at once, unless the connection says that it only reads."""
    reads = connection.get_execution_options().get("reads", False)
    connection.exec_driver_sql("BEGIN" if reads else "BEGIN IMMEDIATE")

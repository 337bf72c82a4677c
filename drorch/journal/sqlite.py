"""SQLite: one file, one writer, durable through a power cut."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any
from urllib.parse import quote

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.exc import IntegrityError, OperationalError, SQLAlchemyError
from sqlalchemy.pool import QueuePool

from drorch.errors import JournalConflictError, JournalDamagedError, JournalUnavailableError
from drorch.journal.holds import HELD, placed
from drorch.journal.schema import Ready, prepare
from drorch.journal.tickets import Append, Ticket, Work, older
from drorch.journal.url import Place

_BUSY_MS = 5000
_AT_ONCE = 8
"""Events a statement: each statement costs as much again as an event. More gain nothing."""
_IS_THERE = "SELECT 1 FROM events WHERE run = ? AND seq = ?"
_INSERT = "INSERT INTO events (run, seq, type, version, data, txn) VALUES (?, ?, ?, ?, ?, ?)"
_INSERT_SOME = _INSERT + ", (?, ?, ?, ?, ?, ?)" * (_AT_ONCE - 1)
_ANSWER = "UPDATE inbox SET answered_at = ?, refused = ? WHERE id = ?"
_END = "UPDATE runs SET status = ?, ended_at = ? WHERE id = ?"
_FREE = "DELETE FROM claims WHERE run = ?"
_DAMAGED = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})


class SqliteBackend:
    """WAL with ``synchronous=FULL``: a power cut may come during the recovery from a power cut."""

    def __init__(self, place: Place, ready: Ready = prepare) -> None:
        """Open or create the file. Raises `JournalUnavailableError`, `JournalDamagedError`."""
        assert place.file is not None  # noqa: S101 (a place without URL is a file)
        self.place = place
        self._line: sqlite3.Connection | None = None
        try:
            _make(place.file)
            self._file = place.file.absolute()
            self._seen = _which(place.file)
            self.engine = engine_of(place.file, "rw")
            event.listen(self.engine, "connect", _configure)
            event.listen(self.engine, "begin", _begin)
            self.reader: Engine = self.engine.execution_options(reads=True)
            ready(self)
        except (OSError, SQLAlchemyError) as error:
            raise self._cannot_open(error) from error

    def refuse_damaged(self) -> None:
        """Look through the whole file; raise `JournalDamagedError` if a page of it is broken."""
        try:
            with self.reader.connect() as connection:
                told = connection.exec_driver_sql("PRAGMA quick_check(1)").scalar_one()
        except SQLAlchemyError as error:
            raise self.translate(error, doing="read") from error
        if told != "ok":
            raise damaged(self.place, str(told).replace("\n", " "))

    def commit(self, tickets: Sequence[Ticket]) -> None:
        try:
            results = self._carry_out(tickets)
        except Exception as error:  # noqa: BLE001 (a thread's task boundary)
            stuck = isinstance(error, OperationalError | sqlite3.OperationalError)
            if len(tickets) == 1 or stuck:
                for ticket in tickets:  # the disk or a lock: each alone would take as long again
                    ticket.failed(self.translate(error))
                return
            for ticket in tickets:  # find the one that spoils the group
                self.commit([ticket])
            return
        for ticket, result in zip(tickets, results, strict=True):
            ticket.done(result)

    def _carry_out(self, tickets: Sequence[Ticket]) -> list[Any]:
        appends = [ticket.work for ticket in tickets if isinstance(ticket.work, Append)]
        self._follow_file()
        results = self._carried_out(tickets, appends)
        if _which(self._file) != self._seen:
            self._follow_file()
            raise self._gone()
        return results

    def _carried_out(self, tickets: Sequence[Ticket], appends: Sequence[Append]) -> list[Any]:
        if len(appends) == len(tickets):
            with self._alone() as line:
                for append in appends:
                    _store(line, append)
            return [None] * len(appends)
        with self.engine.begin() as connection:
            return [_work(connection, ticket.work) for ticket in tickets]

    def _follow_file(self) -> None:
        """Go over to another file that was put in our file's place; miss one that is gone.

        An open file goes on taking what is written when nobody can find it any more: what was
        durable then would be so for this process alone.
        """
        found = _which(self._file)
        if found != self._seen:
            self._hang_up()
            self.engine.dispose()
            if found is None:
                raise self._gone()
            self._seen = found

    def _gone(self) -> JournalUnavailableError:
        return JournalUnavailableError(
            f"the journal {self.place.shown} was taken away",
            hint="put it back where it was, or a backup: 'drorch db restore FILE'. Nothing new is "
            "started meanwhile; drorch goes on by itself",
        )

    def held(self) -> dict[tuple[str, str], str]:
        self._follow_file()
        try:
            return placed(self.line().execute(HELD))
        except sqlite3.Error as error:
            self._hang_up()
            raise self.translate(error, doing="read") from error

    def line(self) -> sqlite3.Connection:
        """Return the connection that the writer keeps for appends."""
        if self._line is None:
            self._line = _connected(self._file, "rw")
            _configure(self._line, None)
        return self._line

    @contextmanager
    def _alone(self) -> Iterator[sqlite3.Connection]:
        """Give a transaction that writes; SQLAlchemy's own takes four times as long."""
        line = self.line()
        try:
            line.execute("BEGIN IMMEDIATE")
            yield line
            line.execute("COMMIT")
        except BaseException:
            self._hang_up()  # what is not committed is taken back
            raise

    def _hang_up(self) -> None:
        line, self._line = self._line, None
        if line is not None:
            line.close()

    def translate(self, error: Exception, *, doing: str = "written") -> Exception:
        if isinstance(error, IntegrityError | sqlite3.IntegrityError):
            return JournalConflictError("somebody else has written at this place of the journal")
        if not isinstance(error, SQLAlchemyError | sqlite3.Error | OSError):
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
        self._hang_up()
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


def _work(connection: Connection, work: Work | Append) -> Any:
    if isinstance(work, Append):
        line = connection.connection.driver_connection
        assert isinstance(line, sqlite3.Connection)  # noqa: S101 (an engine of SQLite)
        _store(line, work)
        return None
    return work(connection)


def _store(line: sqlite3.Connection, append: Append) -> None:
    """Store what `drorch.journal.backend.store_append` stores, in the driver's own words."""
    if append.lines:
        before = append.before
        if before and line.execute(_IS_THERE, (append.run, before)).fetchone() is None:
            raise older(append.run)
        newest = line.execute("SELECT max(txn) FROM events").fetchone()[0] or 0
        rows = [(*event, newest + 1) for event in append.lines]
        whole = len(rows) - len(rows) % _AT_ONCE
        flat = chain.from_iterable
        some = [tuple(flat(rows[n : n + _AT_ONCE])) for n in range(0, whole, _AT_ONCE)]
        line.executemany(_INSERT_SOME, some)
        line.executemany(_INSERT, rows[whole:])
    for entry, refused in append.answers:
        line.execute(_ANSWER, (append.now, refused, entry))
    if append.ending is not None:
        line.execute(_END, (*append.ending, append.run))
        line.execute(_FREE, (append.run,))


def engine_of(file: Path, mode: str) -> Engine:
    """Return an engine for *file*, whatever its folder is called.

    *mode* is SQLite's: ``ro``, ``rw`` (a file that was taken away is missed, and no empty one
    replaces it) or ``rwc``.
    """
    return create_engine("sqlite://", creator=partial(_connected, file, mode), poolclass=QueuePool)


def _connected(file: Path, mode: str) -> sqlite3.Connection:
    address = f"file:{quote(str(file.absolute()))}?mode={mode}"
    return sqlite3.connect(address, uri=True, check_same_thread=False)


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


def _which(path: Path) -> tuple[int, int] | None:
    """Return what tells a file from every other one, None if there is none."""
    try:
        found = os.stat(path)  # noqa: PTH116 (twice a commit: a Path takes three times as long)
    except FileNotFoundError:
        return None
    return found.st_dev, found.st_ino


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

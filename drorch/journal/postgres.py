"""PostgreSQL: shared by several orchestrators, one autocommit statement for a batch of appends.

One statement leaves no transaction open between two messages: an orchestrator that is stopped or
cut off in the middle blocks nobody.
"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, LiteralString

from sqlalchemy import Connection, Engine, create_engine
from sqlalchemy.exc import DBAPIError, IntegrityError, SQLAlchemyError

from drorch.errors import (
    ConfigurationError,
    DrorchError,
    JournalConflictError,
    JournalDamagedError,
    JournalUnavailableError,
)
from drorch.journal.holds import HELD, placed
from drorch.journal.listening import CHANNEL, EVENTS_TOLD
from drorch.journal.schema import Ready, prepare
from drorch.journal.tickets import Append, Ticket, older, settle
from drorch.journal.url import Place

if TYPE_CHECKING:
    import psycopg

_SESSION = (
    "-c synchronous_commit=on -c timezone=UTC -c lock_timeout=10s -c statement_timeout=30s "
    "-c idle_in_transaction_session_timeout=10s"
)
_CONNECTION = {
    "application_name": "drorch",
    "connect_timeout": 4,
    "keepalives_idle": 4,
    "keepalives_interval": 2,
    "keepalives_count": 3,
    "tcp_user_timeout": 6000,  # milliseconds: a cable that was pulled is noticed
}
_IDLE = 2.0
"""Seconds after which the writer's connection is tried before it is used again."""
_STORED = """
WITH line AS (
  SELECT l->>0 AS run, (l->>1)::int AS seq, l->>2 AS type, (l->>3)::int AS version, l->>4 AS data
  FROM jsonb_array_elements(%(lines)s::jsonb) AS l),
wanted AS (
  SELECT * FROM unnest(%(runs)s::text[], %(epochs)s::bigint[], %(befores)s::int[])
    AS t(run, epoch, before)),
fence AS (
  SELECT leases.run FROM leases JOIN wanted USING (run, epoch) ORDER BY run FOR SHARE OF leases),
owned AS (
  SELECT run FROM fence UNION ALL SELECT run FROM wanted WHERE epoch IS NULL),
may AS (
  SELECT run FROM wanted JOIN owned USING (run)
  WHERE before = 0
    OR EXISTS (SELECT FROM events WHERE events.run = wanted.run AND events.seq = wanted.before)),
stored AS (
  INSERT INTO events (run, seq, type, version, data, txn)
  SELECT run, seq, type, version, data, pg_current_xact_id()::text::bigint
  FROM line JOIN may USING (run))
"""
_CONSEQUENCES = """,
answered AS (
  UPDATE inbox SET answered_at = a.at, refused = a.refused
  FROM unnest(%(a_run)s::text[], %(a_id)s::int[], %(a_refused)s::text[], %(a_at)s::text[])
    AS a(run, id, refused, at) JOIN may USING (run)
  WHERE inbox.id = a.id),
ended AS (
  UPDATE runs SET status = e.status, ended_at = e.at
  FROM unnest(%(e_run)s::text[], %(e_status)s::text[], %(e_at)s::text[]) AS e(run, status, at)
    JOIN may USING (run)
  WHERE runs.id = e.run),
freed AS (
  DELETE FROM claims USING may WHERE claims.run = may.run AND claims.run = ANY(%(e_run)s::text[]))
"""
_IS_THERE = "SELECT 1 FROM events WHERE run = %s AND seq = %s"
_TOLD = """
SELECT run, pg_notify(%(channel)s, %(told)s) FROM may
"""
_APPEND = _STORED + _TOLD
_APPEND_AND_ANSWER = _STORED + _CONSEQUENCES + _TOLD
"""Where somebody gets an answer, or a run ends; to go through all that takes as long again."""
_HINT = (
    "is PostgreSQL running and reachable from here? Nothing new is started meanwhile; drorch goes "
    "on by itself"
)


class PostgresBackend:
    """Readings are of one snapshot; what one statement stores is durable when it returns."""

    def __init__(self, place: Place, ready: Ready = prepare) -> None:
        """Connect, and make the tables of an empty database. Raises `JournalUnavailableError`."""
        if find_spec("psycopg") is None:
            raise ConfigurationError(
                "PostgreSQL needs a driver that is not installed",
                hint="install it with: pip install 'drorch[postgres]'",
            )
        assert place.url is not None  # noqa: S101 (a place without a file is a URL)
        self.place = place
        self.engine = self.connected()
        self.reader: Engine = self.engine.execution_options(
            isolation_level="REPEATABLE READ", postgresql_readonly=True
        )
        self._line: psycopg.Connection[Any] | None = None
        self._used = 0.0
        try:
            ready(self)
        except (OSError, SQLAlchemyError) as error:
            self.engine.dispose()
            raise self._cannot_open(error) from error

    def connected(self) -> Engine:
        """Return a pool of connections that notice when the other end is gone."""
        assert self.place.url is not None  # noqa: S101 (see above)
        return create_engine(
            self.place.url,
            connect_args={**_CONNECTION, "options": _SESSION},
            pool_pre_ping=True,
            pool_size=8,
            max_overflow=8,
            pool_timeout=10,
        )

    def line(self) -> psycopg.Connection[Any]:
        """Return a connection outside the pool, in autocommit."""
        import psycopg  # noqa: PLC0415 (an optional extra)

        assert self.place.url is not None  # noqa: S101 (see above)
        conninfo = self.place.url.set(drivername="postgresql").render_as_string(hide_password=False)
        more: dict[str, Any] = {**_CONNECTION, "options": _SESSION}
        return psycopg.connect(conninfo, autocommit=True, prepare_threshold=2, **more)

    def commit(self, tickets: Sequence[Ticket]) -> None:
        if appends := [ticket for ticket in tickets if isinstance(ticket.work, Append)]:
            self._append(appends)
        for ticket in tickets:
            if not isinstance(ticket.work, Append):
                settle(appends)  # other work may take longer
                self._carry_out(ticket)

    def held(self) -> dict[tuple[str, str], str]:
        try:
            return placed(self._living_line().execute(HELD))
        except Exception as error:
            raise self.translate(error, doing="read") from error

    def _carry_out(self, ticket: Ticket) -> None:
        assert not isinstance(ticket.work, Append)  # noqa: S101 (sorted out by the caller)
        try:
            with self.engine.begin() as connection:
                result = ticket.work(connection)
        except Exception as error:  # noqa: BLE001 (a thread's task boundary)
            ticket.failed(self.translate(error))
        else:
            ticket.done(result)

    def _append(self, tickets: Sequence[Ticket]) -> None:
        """Store one run at most once in a statement: its fence and its numbers belong together."""
        batch: list[Ticket] = []
        runs: set[str] = set()
        for ticket in tickets:
            run = _append_of(ticket).run
            if run in runs:
                self._store(batch)
                batch, runs = [], set()
            batch.append(ticket)
            runs.add(run)
        self._store(batch)

    def _store(self, tickets: Sequence[Ticket]) -> None:
        try:
            line = self._living_line()
            stored = {row[0] for row in line.execute(*_statement(tickets))}
        except Exception as error:  # noqa: BLE001 (a thread's task boundary)
            told = self.translate(error)
            if len(tickets) == 1 or isinstance(told, JournalUnavailableError):
                for ticket in tickets:
                    ticket.failed(told)
                return
            for ticket in tickets:  # find the one that spoils the batch
                self._store([ticket])
            return
        for ticket in tickets:
            if _append_of(ticket).run in stored:
                ticket.done()
            else:
                ticket.failed(self._refusal(line, _append_of(ticket)))

    def _refusal(self, line: psycopg.Connection[Any], append: Append) -> JournalConflictError:
        """Return why nothing of *append* was stored; of two reasons the one that lasts."""
        if append.before:
            try:
                if line.execute(_IS_THERE, (append.run, append.before)).fetchone() is None:
                    return older(append.run)
            except Exception:  # noqa: BLE001 (only the wording depends on it)
                line.close()
        return _overtaken(append.run)

    def _living_line(self) -> psycopg.Connection[Any]:
        """Return the writer's connection: one that was idle may have died, and nobody noticed.

        Found out by the first append of a take-over, that would cost it a second.
        """
        now = time.monotonic()
        if self._line is not None and now - self._used > _IDLE:
            try:
                self._line.execute("SELECT 1")
            except Exception:  # noqa: BLE001 (whatever it died of, it is replaced)
                self._line.close()
        if self._line is None or self._line.closed:
            self._line = self.line()
        self._used = now
        return self._line

    def translate(self, error: Exception, *, doing: str = "written") -> Exception:
        if isinstance(error, DrorchError):
            return error
        import psycopg  # noqa: PLC0415 (an optional extra)

        reason = error.orig if isinstance(error, DBAPIError) else error
        if isinstance(reason, psycopg.IntegrityError) or isinstance(error, IntegrityError):
            return JournalConflictError("somebody else has written at this place of the journal")
        if isinstance(reason, psycopg.errors.UndefinedTable | psycopg.errors.UndefinedColumn):
            return JournalDamagedError(
                f"tables of the journal {self.place.shown} are missing: {_first_line(reason)}",
                hint="nothing is made anew by itself: put back a backup of this database, or name "
                "the right one in [database] url",
            )
        if not isinstance(error, SQLAlchemyError | OSError | psycopg.Error):
            return error
        return JournalUnavailableError(
            f"the journal {self.place.shown} cannot be {doing}: {_first_line(reason)}", hint=_HINT
        )

    def txn(self, connection: Connection) -> int:
        found = connection.exec_driver_sql("SELECT pg_current_xact_id()::text::bigint")
        return int(found.scalar_one())

    def settled(self, connection: Connection) -> int:
        found = connection.exec_driver_sql(
            "SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint"
        )
        return int(found.scalar_one())

    def now(self, connection: Connection) -> float:
        found = connection.exec_driver_sql("SELECT extract(epoch FROM clock_timestamp())::float8")
        return float(found.scalar_one())

    def notify(self, connection: Connection, what: str) -> None:
        connection.exec_driver_sql("SELECT pg_notify(%s, %s)", (CHANNEL, what))

    def close(self) -> None:
        if self._line is not None:
            self._line.close()
        self.engine.dispose()

    def _cannot_open(self, error: Exception) -> Exception:
        reason = error.orig if isinstance(error, DBAPIError) else error
        told = _first_line(reason)
        hint = "is PostgreSQL running there, and does its pg_hba.conf let this machine in?"
        if "password" in told or "authentication" in told:
            hint = "check the user in [database] url, and password = { file = ... } beside it"
        elif "does not exist" in told:
            hint = "make it once: createuser drorch; createdb --owner drorch drorch"
        elif "permission denied" in told:
            hint = "the user needs to own the database, or CREATE on its schema public"
        return JournalUnavailableError(
            f"cannot open the journal {self.place.shown}: {told}", hint=hint
        )


def _append_of(ticket: Ticket) -> Append:
    assert isinstance(ticket.work, Append)  # noqa: S101 (sorted out by the caller)
    return ticket.work


def _overtaken(run: str) -> JournalConflictError:
    return JournalConflictError(f"another orchestrator has taken the run {run} over")


def _statement(tickets: Sequence[Ticket]) -> tuple[LiteralString, dict[str, Any]]:
    appends = [_append_of(ticket) for ticket in tickets]
    lines = [line for append in appends for line in append.lines]
    values: dict[str, Any] = {
        # As five arrays they would take the driver ten times as long.
        "lines": json.dumps(lines, ensure_ascii=False, separators=(",", ":")),
        "runs": [append.run for append in appends],
        "epochs": [append.epoch for append in appends],
        "befores": [append.before for append in appends],
        "channel": CHANNEL,
        "told": EVENTS_TOLD,
    }
    answers = [(a.run, *answer, a.now) for a in appends for answer in a.answers]
    endings = [(a.run, *a.ending) for a in appends if a.ending is not None]
    if not (answers or endings):
        return _APPEND, values
    values |= _spread(("a_run", "a_id", "a_refused", "a_at"), answers)
    values |= _spread(("e_run", "e_status", "e_at"), endings)
    return _APPEND_AND_ANSWER, values


def _spread(names: Sequence[str], rows: Sequence[Sequence[Any]]) -> dict[str, list[Any]]:
    columns = [list(column) for column in zip(*rows, strict=True)] or [[] for _ in names]
    return dict(zip(names, columns, strict=True))


def _first_line(reason: object) -> str:
    return str(reason).strip().splitlines()[0] if str(reason).strip() else type(reason).__name__

"""Which shape the tables have: made new, refused when unknown, moved on by `upgrade` alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, TypeAlias

from sqlalchemy import Connection, inspect, text
from sqlmodel import SQLModel

from drorch.errors import DrorchError, JournalDamagedError, JournalUnavailableError
from drorch.journal.known import refuse_lost, remember
from drorch.journal.tables import IMPORTED, REVISION

if TYPE_CHECKING:
    from drorch.journal.backend import Backend

Ready: TypeAlias = "Callable[[Backend], None]"
"""Says whether an open database may be used as it is; raises when not."""

_FIRST = "0001"
_SCRIPTS = "drorch.journal:migrations"
_FIRST_TABLES = frozenset({"plans", "runs", "events", "claims", "estates", "inbox", "holds"})
_LOCK = 0x64726F72
"""The number of the lock under which tables are made or changed on PostgreSQL."""


class UpgradeRefusedError(DrorchError):
    """The tables must not change now."""

    code = "upgrade-refused"


def prepare(backend: Backend) -> None:
    """Make the tables of an empty database; refuse one of another version, or of somebody else.

    Raises `JournalUnavailableError`, `JournalDamagedError` with what to do next. Nothing is
    changed then.
    """
    if not _is_current(backend):
        with backend.engine.begin() as connection:
            alone(connection)
            if revision(backend.place.shown, connection) is None:  # nobody was quicker
                refuse_lost(backend.place)
                create(connection)
    remember(backend.place)


def require(backend: Backend) -> None:
    """Refuse a database without tables too: there is nothing to look at."""
    if not _is_current(backend):
        raise JournalUnavailableError(
            f"there is no journal at {backend.place.shown}",
            hint="check data_dir and [database] url; 'drorch runs' makes an empty journal there",
        )


def as_it_is(backend: Backend) -> None:
    """Let every version pass, for whoever changes it."""


def _is_current(backend: Backend) -> bool:
    with backend.reader.connect() as connection:
        found = revision(backend.place.shown, connection)
    if found not in (None, REVISION):
        refuse(backend.place.shown, found)
    return found is not None


def refuse(shown: str, found: str) -> None:
    """Refuse tables of another version; an unknown one is a newer one's."""
    if found > REVISION:
        raise JournalUnavailableError(
            f"the journal {shown} was written by a newer drorch (schema {found}, "
            f"this one knows {REVISION})",
            hint="use the newer drorch; nothing has been changed",
        )
    raise JournalUnavailableError(
        f"the journal {shown} is of an older drorch (schema {found}, this one needs {REVISION})",
        hint="end or finish its open runs, stop every drorch that uses it, make a copy with the "
        "old version, and run 'drorch db upgrade'; nothing has been changed",
    )


def revision(shown: str, connection: Connection) -> str | None:
    """Return the version of the tables, None for an empty database.

    Raises `JournalDamagedError` when some are missing, `JournalUnavailableError` when the tables
    are somebody else's.
    """
    known = set(inspect(connection).get_table_names())
    if not known:
        return None
    if not known & _FIRST_TABLES:
        raise JournalUnavailableError(
            f"{shown} is not a journal of drorch: it holds other tables "
            f"({', '.join(sorted(known)[:3])})",
            hint="give drorch a database of its own: createdb --owner drorch drorch",
        )
    found = _stamped(connection, known)
    wanted = set(SQLModel.metadata.tables) if found == REVISION else _FIRST_TABLES
    if found <= REVISION and (lost := wanted - known):  # what a newer one has, nobody knows here
        raise JournalDamagedError(
            f"tables of the journal {shown} are missing: {', '.join(sorted(lost))}",
            hint="nothing is made anew by itself: put back a backup of this database",
        )
    return found


def _stamped(connection: Connection, known: set[str]) -> str:
    if "alembic_version" in known:
        found = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
        if found is not None:
            return str(found)
    return _FIRST  # from before versions were written down


def alone(connection: Connection) -> None:
    """Keep everybody else who would make or change tables waiting until the transaction ends.

    On SQLite a transaction that writes is alone anyway.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})


def create(connection: Connection) -> None:
    """Make the tables of today."""
    SQLModel.metadata.create_all(connection)
    connection.execute(
        text("CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL PRIMARY KEY)")
    )
    connection.execute(
        text("INSERT INTO alembic_version (version_num) VALUES (:now)"), {"now": REVISION}
    )


def upgrade(
    backend: Backend, connection: Connection, *, to: str = REVISION
) -> tuple[str | None, str]:
    """Move the tables to *to* in the transaction of *connection*; return the old and the new.

    Raises `UpgradeRefusedError` while a run is open: whoever drives it knows the old tables; and
    `JournalError` for tables that are newer, not whole or not ours.
    """
    alone(connection)
    found = revision(backend.place.shown, connection)
    if found is not None and found > to:
        refuse(backend.place.shown, found)
    if found is not None and found < to:
        _keep_still(connection)
        _refuse_open(connection)
        _refuse_attended(backend, connection)
    if found != to:
        _move(connection, found, to)
    return found, to


def _move(connection: Connection, found: str | None, to: str) -> None:
    from alembic import command  # noqa: PLC0415 (takes long to load, and is needed once a year)
    from alembic.config import Config  # noqa: PLC0415

    config = Config()
    config.set_main_option("script_location", _SCRIPTS)
    config.attributes["connection"] = connection
    if found is not None:
        command.stamp(config, found)
    command.upgrade(config, to)


def _keep_still(connection: Connection) -> None:
    """Let no run begin between the look and the change, and let the change take its time."""
    if connection.dialect.name == "postgresql":
        connection.execute(text("SET LOCAL statement_timeout = 0"))
        connection.execute(text("LOCK TABLE runs, events IN ACCESS EXCLUSIVE MODE"))


def _refuse_open(connection: Connection) -> None:
    found = connection.execute(
        text("SELECT id FROM runs WHERE ended_at IS NULL AND status <> :imported ORDER BY id"),
        {"imported": IMPORTED},
    )
    runs = [str(row[0]) for row in found]
    if runs:
        raise UpgradeRefusedError(
            f"{_some(runs)} {'is' if len(runs) == 1 else 'are'} open: the journal is not changed "
            "under a run",
            hint="let every run end, or 'drorch abort' it with the version that began it",
        )


def _refuse_attended(backend: Backend, connection: Connection) -> None:
    if "nodes" not in inspect(connection).get_table_names():
        return
    now = backend.now(connection)
    found = connection.execute(
        text("SELECT name FROM nodes WHERE seen >= :now - patience ORDER BY name"), {"now": now}
    )
    names = [str(row[0]) for row in found]
    if names:
        raise UpgradeRefusedError(
            f"{_some(names)} {'lives' if len(names) == 1 else 'live'} on this journal and would "
            "not know the new tables",
            hint="stop every 'drorch serve' that uses it, then upgrade; one that was killed counts "
            "as alive for the length of [server] lease",
        )


def _some(names: Sequence[str]) -> str:
    return f"{', '.join(names[:5])}{' and others' if len(names) > 5 else ''}"

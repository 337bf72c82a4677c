"""Which shape the tables have: made new, refused when unknown, moved on by `upgrade` alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import Connection, inspect, text
from sqlmodel import SQLModel

from drorch.errors import DrorchError, JournalUnavailableError
from drorch.journal.tables import REVISION

if TYPE_CHECKING:
    from drorch.journal.backend import Backend

_FIRST = "0001"
_SCRIPTS = "drorch.journal:migrations"


class UpgradeRefusedError(DrorchError):
    """The tables must not change now."""

    code = "upgrade-refused"


def prepare(backend: Backend) -> None:
    """Make the tables of an empty database; refuse one of another version.

    Raises `JournalUnavailableError` with what to do next. Nothing is changed then.
    """
    with backend.engine.connect() as connection:
        found = revision(connection)
        connection.rollback()
    if found == REVISION:
        return
    if found is None:
        with backend.engine.begin() as connection:
            if revision(connection) is None:  # nobody was quicker
                _create(connection)
        return
    refuse(backend, found)


def refuse(backend: Backend, found: str) -> None:
    """Refuse tables of another version; an unknown one is a newer one's."""
    if found > REVISION:
        raise JournalUnavailableError(
            f"the journal {backend.place.shown} was written by a newer drorch (schema {found}, "
            f"this one knows {REVISION})",
            hint="use the newer drorch; nothing has been changed",
        )
    raise JournalUnavailableError(
        f"the journal {backend.place.shown} is of an older drorch (schema {found}, this one "
        f"needs {REVISION})",
        hint="end or finish its open runs, stop every drorch that uses it, make a copy with the "
        "old version, and run 'drorch db upgrade'; nothing has been changed",
    )


def revision(connection: Connection) -> str | None:
    """Return the version of the tables, None for an empty database."""
    known = set(inspect(connection).get_table_names())
    if "alembic_version" in known:
        stamped = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
        if stamped is not None:
            return str(stamped)
    return _FIRST if "events" in known else None  # from before versions were written down


def _create(connection: Connection) -> None:
    SQLModel.metadata.create_all(connection)
    connection.execute(
        text("CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL PRIMARY KEY)")
    )
    connection.execute(
        text("INSERT INTO alembic_version (version_num) VALUES (:now)"), {"now": REVISION}
    )


def upgrade(connection: Connection, *, to: str = REVISION) -> tuple[str | None, str]:
    """Move the tables to *to* in the transaction of *connection*; return the old and the new.

    Raises `UpgradeRefusedError` while a run is open: whoever drives it knows the old tables.
    """
    from alembic import command  # noqa: PLC0415 (takes long to load, and is needed once a year)
    from alembic.config import Config  # noqa: PLC0415

    found = revision(connection)
    if found == to:
        return found, to
    if found is not None:
        _refuse_open(connection)
    config = Config()
    config.set_main_option("script_location", _SCRIPTS)
    config.attributes["connection"] = connection
    if found is not None:
        command.stamp(config, found)
    command.upgrade(config, to)
    return found, to


def _refuse_open(connection: Connection) -> None:
    found = connection.execute(text("SELECT id FROM runs WHERE ended_at IS NULL ORDER BY id"))
    runs = [str(row[0]) for row in found]
    if runs:
        raise UpgradeRefusedError(
            f"{', '.join(runs[:5])}{' and others' if len(runs) > 5 else ''} "
            f"{'is' if len(runs) == 1 else 'are'} open: the journal is not changed under a run",
            hint="let every run end, or 'drorch abort' it with the version that began it",
        )

"""Copies a whole journal into one SQLite file while runs go on, and puts such a copy back."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Connection, Engine, delete, func, insert, select, text
from sqlalchemy.exc import DBAPIError, OperationalError, SQLAlchemyError
from sqlmodel import SQLModel

from drorch.errors import ConfigurationError, DrorchError, JournalError, JournalUnavailableError
from drorch.journal.backend import Backend
from drorch.journal.checking import patient
from drorch.journal.hook_cursors import begin_at_newest
from drorch.journal.opening import opened
from drorch.journal.schema import alone, as_it_is, create, refuse, revision
from drorch.journal.sqlite import damaged, engine_of
from drorch.journal.store import events_, open_backend, runs_
from drorch.journal.tables import IMPORTED, REVISION
from drorch.journal.url import Place

_AT_ONCE = 2000
_OF_THE_MOMENT = frozenset({"nodes", "leases", "hooks"})
_NEXT_ENTRY = """
SELECT setval(pg_get_serial_sequence('{0}', 'id'), (SELECT coalesce(max(id), 0) + 1 FROM {0}),
              false)
"""
_NOBODY_DRIVES = "UPDATE leases SET epoch = epoch + 1, holder = '', expires = 0"
"""Who drove a run when the backup was made may still live, and knows more than is there now."""
_NUMBERED = ("inbox", "outbox", "stops")


class RestoreRefusedError(DrorchError):
    """There is something already where the backup should go."""

    code = "restore-refused"


@dataclass(frozen=True, slots=True, kw_only=True)
class Copied:
    """What is in the copy; ``still_open`` are the runs that somebody may drive on."""

    runs: int
    events: int
    still_open: tuple[str, ...]


def back_up(place: Place, target: Path) -> Copied:
    """Write the journal at *place*, as it is at one moment, into the new file *target*.

    On return the file is whole and on the disk; before that there is none of that name. Raises
    `ConfigurationError` for a target that exists or cannot be written, and `JournalError`.
    """
    with opened(place) as backend, new_file(target) as fresh:
        if place.url is None:
            _vacuum(backend.engine, fresh)
        else:
            _copy_all(backend, fresh)
        with _only_reading(fresh) as engine, engine.connect() as connection:
            return _counted(connection)


def restore(file: Path, place: Place) -> Copied:
    """Put the backup *file* into the database at *place*, which has to be empty; all or nothing.

    Raises `RestoreRefusedError` when it is not, and `JournalError`.
    """
    if not file.is_file():
        raise ConfigurationError(f"there is no file {file}", hint="'drorch db backup' makes one")
    with _only_reading(file) as backup:
        try:
            with backup.connect() as source:
                _refuse_version(file, source)
                if place.file is None:
                    return _restore_tables(source, place)
            return _restore_file(backup, place.file)
        except SQLAlchemyError as error:
            raise _cannot_read(file, error) from error


def _cannot_read(file: Path, error: SQLAlchemyError) -> JournalError:
    reason = getattr(error, "orig", None) or error
    if isinstance(error, OperationalError):
        return JournalUnavailableError(
            f"{file} cannot be put back: {reason}",
            hint="is there room on the disk, and may this user read the file?",
        )
    return damaged(Place(shown=str(file), file=file), reason)


def _refuse_version(file: Path, source: Connection) -> None:
    found = revision(str(file), source)
    if found is None:
        raise ConfigurationError(f"{file} is empty", hint="name a file of 'drorch db backup'")
    if found < REVISION:
        raise JournalUnavailableError(
            f"{file} is of an older drorch (schema {found}, this one needs {REVISION})",
            hint='put it into an empty data_dir as drorch.db, run "drorch db upgrade" with url = '
            '"sqlite" there, and make a new backup of that',
        )
    if found > REVISION:
        refuse(str(file), found)


def _restore_file(backup: Engine, file: Path) -> Copied:
    if file.exists() and not _is_empty(file):
        raise _occupied(str(file), "move it away, with its -wal file, and do not delete it yet")
    for leftover in (file, *(file.with_name(f"{file.name}{end}") for end in ("-wal", "-shm"))):
        leftover.unlink(missing_ok=True)
    file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with new_file(file) as fresh, backup.connect() as connection:
        _vacuum(backup, fresh)
        return _counted(connection)


def _is_empty(file: Path) -> bool:
    """Tell whether *file* is a database without tables, as a refused start leaves it."""
    place = Place(shown=str(file), file=file)
    try:
        with opened(place, as_it_is) as backend, backend.reader.connect() as connection:
            return revision(place.shown, connection) is None
    except JournalError:
        return False


def _vacuum(source: Engine, fresh: Path) -> None:
    """Copy out of one snapshot of SQLite; outside SQLAlchemy, which would begin a transaction."""
    line = source.raw_connection()
    try:
        line.cursor().execute("VACUUM INTO ?", (str(fresh),))
    except sqlite3.Error as error:
        told = DBAPIError.instance("VACUUM INTO", None, error, sqlite3.Error)
        raise told from error
    finally:
        line.close()


def _restore_tables(source: Connection, place: Place) -> Copied:
    target = open_backend(place, as_it_is)
    try:
        with target.engine.begin() as connection:
            patient(connection)
            alone(connection)
            _make_room(place, connection)
            _copy(source, connection)
            # Numbers of another database's transactions mean nothing here: what is restored
            # comes before all that is new.
            connection.execute(events_.update().values(txn=0))
            begin_at_newest(connection)
            connection.execute(text(_NOBODY_DRIVES))
            for table in _NUMBERED:
                connection.execute(text(_NEXT_ENTRY.format(table)))
            return _counted(connection)
    except SQLAlchemyError as error:
        raise target.translate(error) from error
    finally:
        target.close()


def _make_room(place: Place, connection: Connection) -> None:
    found = revision(place.shown, connection)
    if found is None:
        create(connection)
        return
    if found != REVISION:
        refuse(place.shown, found)
    for table in SQLModel.metadata.sorted_tables:
        if table.name in _OF_THE_MOMENT:
            connection.execute(delete(table))
        elif connection.execute(select(table).limit(1)).first() is not None:
            raise _occupied(place.shown, "make an empty one and name it in [database] url")


def _occupied(shown: str, hint: str) -> RestoreRefusedError:
    return RestoreRefusedError(
        f"{shown} is not empty: a backup is put back into an empty place only", hint=hint
    )


def _copy_all(backend: Backend, fresh: Path) -> None:
    """Copy every table out of one snapshot of PostgreSQL."""
    with (
        backend.reader.connect() as source,
        _sqlite(fresh) as engine,
        engine.begin() as connection,
    ):
        patient(source)
        create(connection)
        _copy(source, connection)


def _copy(source: Connection, target: Connection) -> None:
    stream = source.execution_options(yield_per=_AT_ONCE)
    for table in SQLModel.metadata.sorted_tables:
        with stream.execute(select(table)) as rows:
            for part in rows.mappings().partitions():
                target.execute(insert(table), [dict(row) for row in part])


def _counted(connection: Connection) -> Copied:
    still_open = (
        select(runs_.c.id)
        .where(runs_.c.ended_at.is_(None), runs_.c.status != IMPORTED)
        .order_by(runs_.c.id)
    )
    return Copied(
        runs=connection.execute(select(func.count()).select_from(runs_)).scalar_one(),
        events=connection.execute(select(func.count()).select_from(events_)).scalar_one(),
        still_open=tuple(connection.execute(still_open).scalars()),
    )


@contextmanager
def _sqlite(file: Path, mode: str = "rwc") -> Iterator[Engine]:
    engine = engine_of(file, mode)
    try:
        yield engine
    finally:
        engine.dispose()


@contextmanager
def _only_reading(file: Path) -> Iterator[Engine]:
    """Yield the file without making side files: it may be on a stick that is locked."""
    with _sqlite(file, "ro") as engine:
        yield engine


@contextmanager
def new_file(target: Path) -> Iterator[Path]:
    """Yield a file beside *target* that takes its name once it is whole and on the disk."""
    fresh = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        _refuse_existing(target)
        os.close(os.open(fresh, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
        try:
            yield fresh
            _to_disk(fresh)
            os.link(fresh, target)  # unlike a rename it replaces nobody else's file
        finally:
            fresh.unlink()
        _to_disk(target.parent)
    except FileExistsError as error:
        raise _exists(target) from error
    except OSError as error:
        raise JournalUnavailableError(
            f"{target} cannot be written: {error.strerror or error}",
            hint="does the folder exist, is its disk full, may this user write there?",
        ) from error


def _refuse_existing(target: Path) -> None:
    if target.exists():
        raise _exists(target)


def _exists(target: Path) -> ConfigurationError:
    return ConfigurationError(
        f"{target} exists already", hint="name a new file: nothing is ever replaced"
    )


def _to_disk(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

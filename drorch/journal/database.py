"""The SQLite database: opening, durability, and refusing what a newer drorch has written."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, text
from sqlalchemy.exc import SQLAlchemyError
from sqlmodel import SQLModel

from drorch.errors import JournalUnavailableError
from drorch.journal.tables import SCHEMA_VERSION

_BUSY_MS = 5000


def open_database(path: Path) -> Engine:
    """Open or create the database at *path*.

    WAL with ``synchronous=FULL``: a power cut may come during the recovery from a power cut.
    Raises `JournalUnavailableError`.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        # Made by us, so that SQLite gives its side files (the newest events) the same rights.
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
        engine = create_engine(f"sqlite:///{path}", connect_args={"check_same_thread": False})
        event.listen(engine, "connect", _configure)
        event.listen(engine, "begin", _begin)
        with engine.begin() as connection:
            _prepare(connection, path)
    except (OSError, SQLAlchemyError) as error:
        reason = getattr(error, "orig", None) or error
        raise JournalUnavailableError(
            f"cannot open the journal {path}: {reason}",
            hint="check that data_dir exists, is on a local disk with free space, and that "
            "this user may write there",
        ) from error
    return engine


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


def _prepare(connection: Connection, path: Path) -> None:
    found = connection.execute(text("PRAGMA user_version")).scalar_one()
    if found > SCHEMA_VERSION:
        raise JournalUnavailableError(
            f"the journal {path} was written by a newer drorch (schema {found}, this one knows "
            f"{SCHEMA_VERSION})",
            hint="use the newer drorch; nothing has been changed",
        )
    if found == 0:
        SQLModel.metadata.create_all(connection)
        connection.execute(text(f"PRAGMA user_version={SCHEMA_VERSION}"))

"""Databases as earlier versions left them, and looks into databases."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import select, text
from sqlmodel import SQLModel

from drorch.journal.backend import Backend
from drorch.journal.opening import opened
from drorch.journal.schema import as_it_is, upgrade
from drorch.journal.store import open_backend
from drorch.journal.url import Place

HISTORY = Path(__file__).parent / "history"


@contextmanager
def bare(place: Place) -> Iterator[Backend]:
    """Yield whatever is at *place*, made when it is not there, of any version."""
    backend = open_backend(place, as_it_is)
    try:
        yield backend
    finally:
        backend.close()


def recorded(file: Path) -> None:
    """Make the file as the very first version left it, with a run that has ended."""
    file.parent.mkdir(parents=True, exist_ok=True)
    line = sqlite3.connect(file)
    line.executescript((HISTORY / "0001.sql").read_text())
    line.close()


def made_at(place: Place, version: str) -> None:
    """Make empty tables as the migrations know that version."""
    with bare(place) as backend, backend.engine.begin() as connection:
        upgrade(backend, connection, to=version)


def with_run(place: Place, *, ended: bool) -> None:
    """Put a run into the tables of any version."""
    over = "'2026-11-01T00:00:00Z'" if ended else "NULL"
    execute(
        place,
        "INSERT INTO runs (id, number, plan, mode, status, created_at, ended_at, summary) VALUES "
        f"('test-1', 1, 'test', 'live', 'running', '2026-11-01T00:00:00Z', {over}, '')",
    )
    execute(
        place,
        "INSERT INTO events (run, seq, type, version, data) "
        "VALUES ('test-1', 1, 'run.paused', 1, '')",
    )


def differences(place: Place) -> list[Any]:
    """Return what separates the tables from those that `create_all` makes."""
    with bare(place) as backend, backend.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        found = compare_metadata(context, SQLModel.metadata)
    return [one for one in found if "alembic_version" not in str(one)]


def everything(place: Place, *without: str) -> dict[str, list[tuple[Any, ...]]]:
    """Return every row of every table."""
    with opened(place) as backend, backend.reader.connect() as connection:
        return {
            table.name: sorted(tuple(row) for row in connection.execute(select(table)))
            for table in SQLModel.metadata.sorted_tables
            if table.name not in without
        }


def execute(place: Place, statement: str) -> None:
    with bare(place) as backend, backend.engine.begin() as connection:
        connection.execute(text(statement))

"""Where the journal is: SQLite in the data folder, or a PostgreSQL that several share."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

from drorch.errors import ConfigurationError

POSTGRES = frozenset({"postgresql", "postgres", "postgresql+psycopg"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A database; ``shown`` names it without its password. ``url`` is None for SQLite.

    ``folder`` is the installation's own, where it remembers which journals it has used.
    """

    shown: str
    file: Path | None = None
    url: URL | None = None
    folder: Path | None = None


def place_of(url: str, folder: Path, password: str | None = None) -> Place:
    """Return the database that ``[database] url`` means. Raises `ConfigurationError`.

    *password* goes with the URL, so that the URL need not hold it.
    """
    if url == "sqlite":
        file = folder / "drorch.db"
        return Place(shown=str(file), file=file, folder=folder)
    try:
        found = make_url(url)
    except (ArgumentError, ValueError):
        found = None
    if found is None or found.drivername not in POSTGRES:
        raise ConfigurationError(
            '[database] url is neither "sqlite" nor a postgresql:// address',
            hint='write url = "postgresql://drorch@db.example:5432/drorch" and give the password '
            'as password = { file = "..." }',
        )
    found = found.set(drivername="postgresql+psycopg")
    if password is not None:
        found = found.set(password=password)
    return Place(shown=_shown(found), url=found, folder=folder)


def _shown(url: URL) -> str:
    """Return the address without password and options: a socket's folder may be an option."""
    host = url.host or url.query.get("host", "localhost")
    port = f":{url.port}" if url.port else ""
    return f"postgresql://{host}{port}/{url.database or ''}"

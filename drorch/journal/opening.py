"""Opens a journal for whoever looks after it, beside the processes that use it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from sqlalchemy.exc import SQLAlchemyError

from drorch.errors import JournalUnavailableError
from drorch.journal.backend import Backend
from drorch.journal.schema import Ready, as_it_is, require, upgrade
from drorch.journal.store import open_backend
from drorch.journal.url import Place


@dataclass(frozen=True, slots=True, kw_only=True)
class Upgraded:
    """``old`` is None for a database that was empty."""

    old: str | None
    new: str


@contextmanager
def opened(place: Place, ready: Ready = require) -> Iterator[Backend]:
    """Yield the journal at *place*, which has to be there. Raises `JournalError`.

    What goes wrong with the database inside the block is raised in drorch's words.
    """
    if place.file is not None and not place.file.exists():
        raise JournalUnavailableError(
            f"there is no journal at {place.shown}",
            hint="check data_dir and [database] url in drorch.toml",
        )
    backend = open_backend(place, ready)
    try:
        yield backend
    except SQLAlchemyError as error:
        raise backend.translate(error, doing="read") from error
    finally:
        backend.close()


def upgrade_database(place: Place) -> Upgraded:
    """Move the tables at *place* to today's version, all or nothing.

    Raises `UpgradeRefusedError` while a run is open or an orchestrator lives, and `JournalError`.
    """
    backend = open_backend(place, as_it_is)
    try:
        with backend.engine.begin() as connection:
            old, new = upgrade(backend, connection)
    except SQLAlchemyError as error:
        raise backend.translate(error, doing="upgraded") from error
    finally:
        backend.close()
    return Upgraded(old=old, new=new)

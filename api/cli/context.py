"""What the global options say, and the way from there to a store or a service."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import typer
from sqlalchemy.exc import SQLAlchemyError

from api.bootstrap import Application
from api.cli.access import Access
from api.cli.exits import Exit
from api.cli.local import LocalAccess
from api.cli.program import program_of
from api.cli.remote import RemoteAccess
from api.cli.salvage import readable
from api.cli.screen import note
from api.locale import _, told
from api.settings import Settings, load_settings
from drorch.errors import ConfigurationError, DrorchError, JournalUnavailableError

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Surroundings:
    """The global options of one command."""

    config: Path | None = None
    server: str | None = None
    token: str | None = None
    ca: Path | None = None

    @property
    def program(self) -> str:
        """How ``drorch`` has to be called from here, in commands that are there to be typed."""
        return program_of(self.config, self.server, self.ca)

    @property
    def zone(self) -> str:
        """The zone whose time lists show; empty for this machine's."""
        try:
            return self.settings().server.timezone
        except ConfigurationError:  # a service elsewhere is asked: nothing else needs the file
            return ""

    def settings(self) -> Settings:
        return load_settings(self.config)

    @asynccontextmanager
    async def application(self, *, anchors: bool = True) -> AsyncIterator[Application]:
        """Open the local store and the connectors.

        What was done meanwhile is anchored at the end, unless told not to by *anchors*: nobody
        may be there who would do so later.
        """
        with readable(self.settings()) as (settings, only_read):
            async with _opened(settings) as app:
                app.store.only_read(only_read)
                try:
                    yield app
                finally:
                    if anchors and not only_read:
                        await asyncio.shield(asyncio.to_thread(_anchor, app))

    @asynccontextmanager
    async def access(self, *, anchors: bool = True) -> AsyncIterator[Access]:
        """Open the service that ``--server`` names, else the local store. See `application`."""
        if self.server:
            async with RemoteAccess(self.server, self.token, self.ca) as remote:
                yield remote
        else:
            async with self.application(anchors=anchors) as app:
                yield LocalAccess(app)


def _anchor(app: Application) -> None:
    """Write a check-point of the record; that it cannot be written must not spoil the command."""
    try:
        app.anchor.write()
    except (DrorchError, SQLAlchemyError, OSError) as error:
        why = told(str(error))
        note(_("warning: the record of acts was not anchored: {why}", why=why), style="yellow")


def _opened(settings: Settings) -> Application:
    """Open the store, or say how to go on at once without it."""
    try:
        return Application(settings)
    except JournalUnavailableError as error:
        if settings.place.file is None:
            raise
        raise _unwritable(settings, error.message, error.hint) from error
    except OSError as error:
        why = _(
            "data_dir {folder} cannot be used: {why}",
            folder=settings.data_dir,
            why=error.strerror or error,
        )
        raise _unwritable(settings, why, _("check that this user may write there")) from error


def _unwritable(settings: Settings, message: str, hint: str) -> JournalUnavailableError:
    if os.access(settings.data_dir, os.W_OK):
        return JournalUnavailableError(message, hint=hint)
    other = "DRORCH_DATA_DIR=~/drorch-tmp drorch run PLAN --mode live"
    return JournalUnavailableError(
        message,
        hint=_(
            "{hint}. To recover at once, without what was recorded there: {command} "
            "(what runs is verified, not restarted; holds and a halt are not known there)",
            hint=told(hint),
            command=other,
        ),
    )


def surroundings(context: typer.Context) -> Surroundings:
    """Return the global options that were given with a command."""
    found = context.find_object(Surroundings)
    return found if found is not None else Surroundings()


def run_async(work: Coroutine[Any, Any, T]) -> T:
    """Carry *work* out to its end."""
    return asyncio.run(work)


def finish(code: Exit) -> None:
    """End the command with *code*."""
    raise typer.Exit(int(code))

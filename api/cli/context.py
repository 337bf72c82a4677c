"""What the global options say, and the way from there to a store or a service."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import typer

from api.bootstrap import Application
from api.cli.access import Access
from api.cli.exits import Exit
from api.cli.local import LocalAccess
from api.cli.program import program_of
from api.cli.remote import RemoteAccess
from api.settings import Settings, load_settings

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Surroundings:
    """The global options of one command."""

    config: Path | None = None
    server: str | None = None
    token: str | None = None

    @property
    def program(self) -> str:
        """How ``drorch`` has to be called from here, in commands that are there to be typed."""
        return program_of(self.config, self.server)

    def settings(self) -> Settings:
        return load_settings(self.config)

    @asynccontextmanager
    async def application(self) -> AsyncIterator[Application]:
        """Open the local store and the connectors."""
        async with Application(self.settings()) as app:
            yield app

    @asynccontextmanager
    async def access(self) -> AsyncIterator[Access]:
        """Open the service that ``--server`` names, else the local store."""
        if self.server:
            async with RemoteAccess(self.server, self.token) as remote:
                yield remote
        else:
            async with self.application() as app:
                yield LocalAccess(app)


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

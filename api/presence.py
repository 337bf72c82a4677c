"""Tells everybody on the store that this orchestrator lives, and what is wrong with it."""

from __future__ import annotations

import asyncio
import socket
from contextlib import suppress
from datetime import UTC, datetime

import structlog

from api.bootstrap import Application
from api.settings import Settings
from api.version import VERSION
from drorch.errors import DrorchError
from drorch.journal.nodes import Identity
from drorch.journal.pages import open_runs
from drorch.journal.site import site_id
from drorch.model.moment import stamp

log = structlog.get_logger()

_LONGEST = 5.0


def identity(app: Application, address: str) -> Identity:
    """Return who this process is, from now on."""
    return Identity(
        site=site_id(app.settings.data_dir),
        name=app.driver,
        version=VERSION,
        started_at=stamp(datetime.now(UTC)),
        address=address,
    )


def own_address(settings: Settings) -> str:
    """Return where this orchestrator's pages are, as its own machine calls itself."""
    return f"{socket.gethostname()}:{settings.server.port}"


async def be_present(app: Application, address: str) -> None:
    """Appear among the orchestrators until cancelled; an orderly end takes this one off."""
    who = identity(app, address)
    every = min(_LONGEST, app.settings.server.lease / 5)
    try:
        while True:
            try:
                await app.nodes.appear(who, await _note(app))
            except DrorchError as error:
                log.warning("node.unseen", reason=error.message)
            await asyncio.sleep(every)
    finally:
        with suppress(DrorchError, TimeoutError):
            async with asyncio.timeout(1):
                await app.nodes.leave(who)


async def _note(app: Application) -> str:
    """Return which runs were lost to others, as long as they are open."""
    lost = app.supervisor.lost
    if not lost:
        return ""
    still_open = {line.id for line in await open_runs(app.store)}
    for run in lost.keys() - still_open:
        del lost[run]
    return "; ".join(sorted(lost.values()))

"""``drorch status-page``: the public page as files, for a host that citizens may load."""

from __future__ import annotations

import asyncio
import signal
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Annotated

import typer

from api.cli.access import Access
from api.cli.context import Surroundings, run_async, surroundings
from api.cli.exits import WrongUseError
from api.cli.screen import note
from api.locale import _
from api.status.board import Board, board_from
from api.status.bulletin import Bulletin
from api.status.words import written
from drorch.errors import ConfigurationError
from plans.units import parse_duration

_SHORTEST = 5.0


def status_page(
    context: typer.Context,
    *,
    out: Annotated[Path, typer.Option(metavar="DIR", help="The folder; made if need be.")],
    every: Annotated[
        str, typer.Option(metavar="DURATION", help="Go on, and write anew so often: 30s.")
    ] = "",
) -> None:
    """Write the public status page as files for another web server.

    The page in each language, status.json, style and icons. Each file is replaced whole; nothing
    in them leads back here. Without --server the local store is read, no service is needed.
    """
    run_async(_publish(surroundings(context), out, _seconds(every) if every else None))


def _seconds(every: str) -> float:
    duration, shortest = parse_duration(every), f"{_SHORTEST:g}s"
    if duration is None or duration.total_seconds() < _SHORTEST:
        raise WrongUseError(
            _("--every {span} is no time to wait", span=repr(every)),
            hint=_("write 30s; at least {least}", least=shortest),
        )
    return duration.total_seconds()


async def _publish(where: Surroundings, folder: Path, every: float | None) -> None:
    async with where.access(anchors=False) as access:
        _write(await _board(access), folder)
        note(written(str(folder)))
        if every is not None:
            await _go_on(access, folder, every)


async def _board(access: Access) -> Board:
    return board_from(await access.public_status())


async def _passes(seconds: float, over: asyncio.Event) -> bool:
    """Wait; return whether it is over before that."""
    with suppress(TimeoutError):
        await asyncio.wait_for(over.wait(), seconds)
    return over.is_set()


async def _go_on(access: Access, folder: Path, every: float) -> None:
    """Write until interrupted. What cannot be read any more is shown as it was, and as old.

    SIGTERM ends it between two pages: it leaves no half of one behind.
    """
    over = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, over.set)
    bulletin = Bulletin(lambda: _board(access))
    board = await bulletin.board()
    while not await _passes(every, over):
        board = await bulletin.board() or board
        if board is None:
            continue
        try:
            _write(board, folder)
        except ConfigurationError as error:
            note(f"{error.message}; {error.hint}", style="yellow")


def _write(board: Board, folder: Path) -> None:
    publishing = import_module("api.status.publishing")  # brings the web side, which is heavy
    try:
        publishing.publish(board, folder)
    except OSError as error:
        raise ConfigurationError(
            _("{folder} cannot be written: {why}", folder=folder, why=error.strerror or error),
            hint=_("give a folder of your own: --out DIR"),
        ) from error

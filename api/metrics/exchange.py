"""How the engine's figures reach the HTTP side: a socket in ``data_dir``, asked at a scrape.

Not a file, which would be written all the time and fail just when the disk is full; not the
database, for the same reason. Without a scrape this costs the engine nothing.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path

import structlog

from api.metrics.figures import Figures, unpacked

log = structlog.get_logger()

_NAME = "figures.sock"
_PATIENCE = 0.5
"""Seconds that a scrape waits for the engine; it is busy with something better then."""
_MOST = 4 * 1024 * 1024


@asynccontextmanager
async def shown(figures: Figures, folder: Path) -> AsyncIterator[None]:
    """Give *figures* to whoever asks at the socket in *folder*, which only this user can."""

    async def answer(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError, TimeoutError):
            async with asyncio.timeout(_PATIENCE):
                writer.write(figures.packed())
                await writer.drain()
        writer.close()

    try:
        with _reached(folder) as path:
            with suppress(FileNotFoundError):
                os.unlink(path)  # noqa: PTH108 (a path of the descriptor's, of no use as a Path)
            server = await asyncio.start_unix_server(answer, path)
            os.chmod(path, 0o600)  # noqa: PTH101 (see above)
    except OSError as error:
        log.warning("metrics.engine-hidden", reason=str(error), folder=str(folder))
        yield
        return
    try:
        yield
    finally:
        server.close()


async def asked(folder: Path) -> Figures | None:
    """Return the figures of the engine on *folder*; None when it doesn't answer at once."""
    try:
        async with asyncio.timeout(_PATIENCE):
            with _reached(folder) as path:
                reader, writer = await asyncio.open_unix_connection(path)
            try:
                data = await _whole(reader)
            finally:
                writer.close()
        return unpacked(data)
    except (OSError, TimeoutError, ValueError):
        return None


async def _whole(reader: asyncio.StreamReader) -> bytes:
    data = bytearray()
    while len(data) < _MOST and (more := await reader.read(65536)):
        data += more
    return bytes(data)


@contextmanager
def _reached(folder: Path) -> Iterator[str]:
    """Give a short path of the socket: the system takes no more than 107 characters."""
    descriptor = os.open(folder, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{descriptor}/{_NAME}"
    finally:
        os.close(descriptor)

"""A proxy before libvirtd's socket that can withhold an order's reply or talk rubbish."""

from __future__ import annotations

import asyncio
import struct
from pathlib import Path

_REMOTE_PROGRAM = 0x20008086
_CREATE_WITH_FLAGS = 196
_DESTROY_FLAGS = 234
_HEADER = struct.Struct(">IIIIII")
_REPLY = 1


class LibvirtProxy:
    """Passes libvirt's messages on, one by one: a length, then program, version, procedure..."""

    def __init__(self, target: Path, path: Path) -> None:
        self.path = path
        self._target = target
        self._lose = False
        self._rubbish = False
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        self.path.unlink(missing_ok=True)
        self._server = await asyncio.start_unix_server(self._accepted, self.path)
        self.path.chmod(0o777)

    async def close(self) -> None:
        assert self._server is not None
        self._server.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def lose_next_order_reply(self) -> None:
        """Let the next start or stop be carried out, then cut instead of passing the reply on."""
        self._lose = True

    def talk_rubbish(self) -> None:
        """Answer every connection from now on with what is no libvirt message."""
        self._rubbish = True

    def _accepted(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.get_running_loop().create_task(self._serve(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            if self._rubbish:
                await _message(reader)
                writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
                await reader.read()  # until the client has had enough
                return
            inner, outer = await asyncio.open_unix_connection(self._target)
            async with asyncio.TaskGroup() as group:
                group.create_task(_pass_on(reader, outer))
                group.create_task(self._replies(inner, writer))
        except* (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    async def _replies(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            message = await _message(reader)
            if self._lose and _is_order_reply(message):
                self._lose = False
                raise ConnectionAbortedError
            writer.write(message)
            await writer.drain()


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while True:
            writer.write(await _message(reader))
            await writer.drain()
    finally:
        writer.close()


async def _message(reader: asyncio.StreamReader) -> bytes:
    length = await reader.readexactly(4)
    return length + await reader.readexactly(int.from_bytes(length, "big") - 4)


def _is_order_reply(message: bytes) -> bool:
    _, program, _, procedure, kind, _ = _HEADER.unpack_from(message)
    return (
        program == _REMOTE_PROGRAM
        and procedure in {_CREATE_WITH_FLAGS, _DESTROY_FLAGS}
        and kind == _REPLY
    )

"""A way between a client and a server of loopback that a test can cut, stall, heal and listen to."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
import threading
from collections.abc import Callable
from typing import Any

_CHUNK = 2**16
_RESET = struct.pack("ii", 1, 0)
"""SO_LINGER of no seconds: closing sends RST."""


class Proxy:
    """Listens on ``port`` and passes everything on to *target*, in a thread of its own.

    *heard* gets what clients send, before it is passed on.
    """

    def __init__(self, target: int, heard: Callable[[bytes], None] | None = None) -> None:
        self.target = target
        self._heard = heard
        self._loop = asyncio.new_event_loop()
        self._open = asyncio.Event()
        self._lines: set[asyncio.StreamWriter] = set()
        self._ways: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None
        self.port = 0
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._do(self._listen)
        self._open.set()

    def cut(self) -> None:
        """Reset every connection and refuse new ones, as a host that is there without a server."""
        self._do(self._cut)

    def stall(self) -> None:
        """Let nothing pass, and tell nobody: what is sent now arrives when it is healed."""
        self._loop.call_soon_threadsafe(self._open.clear)

    def heal(self) -> None:
        """Let everything pass again, the held-back first."""
        self._loop.call_soon_threadsafe(self._open.set)
        self._do(self._listen)

    def close(self) -> None:
        self._do(self._cut)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _do(self, what: Callable[[], Any]) -> None:
        asyncio.run_coroutine_threadsafe(what(), self._loop).result(10)

    async def _listen(self) -> None:
        if self._server is None:
            self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
            self.port = self._server.sockets[0].getsockname()[1]

    async def _cut(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None
        for line in list(self._lines):
            found = line.get_extra_info("socket")
            if found is not None:
                with contextlib.suppress(OSError):
                    found.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            line.transport.abort()
        for way in list(self._ways):
            way.cancel()
        await asyncio.gather(*self._ways, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._lines.add(writer)
        way = asyncio.current_task()
        assert way is not None
        self._ways.add(way)
        far: asyncio.StreamWriter | None = None
        try:
            await self._open.wait()
            back, far = await asyncio.open_connection("127.0.0.1", self.target)
            self._lines.add(far)
            out = self._pass(reader, far, self._heard)
            await asyncio.gather(out, self._pass(back, writer, None))
        except (OSError, asyncio.CancelledError):
            pass
        finally:
            for line in filter(None, (writer, far)):
                self._lines.discard(line)
                line.transport.abort()
            self._ways.discard(way)

    async def _pass(
        self,
        source: asyncio.StreamReader,
        sink: asyncio.StreamWriter,
        heard: Callable[[bytes], None] | None,
    ) -> None:
        while data := await source.read(_CHUNK):
            await self._open.wait()
            if heard is not None:
                heard(data)
            sink.write(data)
            await sink.drain()
        await self._open.wait()
        if sink.can_write_eof():
            sink.write_eof()

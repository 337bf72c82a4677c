"""One connection, read within bounds: never more than asked for, and let go of at once."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections.abc import AsyncIterator, Callable
from typing import Self, TypeVar

T = TypeVar("T")

_BUFFER = 8192  # also the longest line
_QUOTED = 1024  # enough to find a secret in before the evidence is shortened
_LARGEST_DATAGRAM = 65535


class CutOffError(ConnectionError):
    """The other side stopped, or would not stop, in the middle; *data* is what it said."""

    def __init__(self, message: str, data: bytes) -> None:
        super().__init__(message)
        self.message = message
        self.data = data


class Conversation:
    """A TCP connection, later perhaps with TLS. Without deadlines: the prober has one for all."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def open(cls, address: str, port: int) -> Conversation:
        """Connect to an address that the network guard has allowed."""
        return cls(*await asyncio.open_connection(address, port, limit=_BUFFER))

    async def secure(self, context: ssl.SSLContext, name: str) -> None:
        """Begin TLS on this connection; *name* is what the certificate is compared with."""
        try:
            await self._writer.start_tls(context, server_hostname=name)
        except ConnectionError as error:  # says nothing by itself
            raise CutOffError("it closed the connection during the TLS handshake", b"") from error

    async def send(self, data: bytes) -> None:
        self._writer.write(data)
        await self._writer.drain()

    async def some(self, limit: int) -> bytes:
        """Return what is there, at least one byte; empty when the other side has closed."""
        return await self._reader.read(limit)

    async def exactly(self, count: int) -> bytes:
        """Return *count* bytes; raises `ConnectionError` when the other side closes before."""
        try:
            return await self._reader.readexactly(count)
        except asyncio.IncompleteReadError as error:
            raise _closed(error.partial) from error

    async def line(self) -> bytes:
        """Return one line without its end.

        Raises `ConnectionError` when there is none in the first 8 KiB or before the end.
        """
        try:
            line = await self._reader.readuntil(b"\n")
        except asyncio.IncompleteReadError as error:
            raise _closed(error.partial) from error
        except asyncio.LimitOverrunError as error:
            start = await self._reader.read(_QUOTED)
            raise CutOffError("it sent a line without end, beginning", start) from error
        return line.rstrip(b"\r\n")

    @property
    def address(self) -> str:
        """The address of the other side."""
        return str(self._writer.get_extra_info("peername")[0])

    @property
    def certificate(self) -> bytes:
        """The other side's certificate (DER) once TLS has begun, else empty."""
        tls = self._writer.get_extra_info("ssl_object")
        return (tls.getpeercert(binary_form=True) or b"") if tls is not None else b""

    def abort(self) -> None:
        """Let go at once; whatever the other side still sends is dropped."""
        self._writer.transport.abort()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        self.abort()
        await asyncio.sleep(0)  # lets the loop close the socket before the answer is given


async def datagram(
    address: str, port: int, payload: bytes, wanted: Callable[[bytes], T | None]
) -> T:
    """Send one datagram and return what *wanted* makes of the first answer that it takes.

    *wanted* returns None for datagrams that are no answer to ours; they are passed over.
    """
    loop = asyncio.get_running_loop()
    async with _connected(address, port) as sock:
        await loop.sock_sendall(sock, payload)
        while True:
            answer = wanted(await loop.sock_recv(sock, _LARGEST_DATAGRAM))
            if answer is not None:
                return answer
            await asyncio.sleep(0)  # a flood is read without waiting; deadlines need their turn


@contextlib.asynccontextmanager
async def _connected(address: str, port: int) -> AsyncIterator[socket.socket]:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as sock:
        sock.setblocking(False)
        sock.connect((address, port))  # a datagram socket: only sets the peer, never waits
        yield sock


def _closed(partial: bytes) -> CutOffError:
    if not partial:
        return CutOffError("it closed the connection without a word", b"")
    return CutOffError("it closed the connection after", partial[:_QUOTED])

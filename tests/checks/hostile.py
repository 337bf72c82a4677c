"""Servers that misbehave, for every protocol that a check speaks."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any, TypeAlias, cast

from typing_extensions import override

Behaviour: TypeAlias = Callable[[asyncio.StreamWriter, bytes], Awaitable[None]]

HALF_GREETINGS: Mapping[str, bytes] = {
    "http": b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nalmost there",
    "https": b"\x16\x03\x03\x00\x7a\x02\x00\x00\x76\x03\x03",
    "ldap": b"\x30\x82\x01\x00\x02\x01\x01\x64\x81\xf0\x04\x00",
    "ldaps": b"\x16\x03\x03\x00\x7a\x02\x00\x00\x76\x03\x03",
    "mysql": b"\x4a\x00\x00\x00\x0a8.0.36-fake\x00\x08\x00",
    "mysql-login": b"\x4a\x00\x00\x00\x0a8.0.36-fake\x00\x08\x00",
    "postgres": b"E\x00\x00\x00\x60SFATAL\x00C57P",
    "postgres-login": b"S\x16\x03\x03\x00\x7a\x02",
    "redis": b"+PO",
    "redis-secret": b"-ERR invalid pass",
    "smb": b"\x00\x00\x00\x80\xfeSMB\x40\x00",
    "smb-login": b"\x00\x00\x00\x80\xfeSMB\x40\x00",
    "smtp": b"220-mail.lab.test ESMTP\r\n220-",
    "smtp-starttls": b"220 mail.lab.test ESMTP\r\n250-STARTTLS\r\n",
    "ssh": b"SSH-2.0-OpenS",
    "tls": b"\x16\x03\x03\x00\x7a\x02\x00\x00\x76\x03\x03",
}


def asked(kind: str, port: int) -> tuple[str, dict[str, Any]]:
    """Return the check and its parameters for one key of `HALF_GREETINGS`."""
    host = {"host": "127.0.0.1", "port": port}
    login = {**host, "user": "probe", "secret": "probe", "database": "app"}
    questions: dict[str, tuple[str, dict[str, Any]]] = {
        "http": ("http", {"url": f"http://127.0.0.1:{port}/health", "contains": "well"}),
        "https": ("http", {"url": f"https://127.0.0.1:{port}/health", "verify": False}),
        "ldap": ("ldap", host),
        "ldaps": ("ldap", {**host, "tls": True}),
        "mysql": ("mysql", host),
        "mysql-login": ("mysql", login),
        "postgres": ("postgres", host),
        "postgres-login": ("postgres", login),
        "redis": ("redis", host),
        "redis-secret": ("redis", {**host, "secret": "probe"}),
        "smb": ("smb", host),
        "smb-login": ("smb", {**login, "share": "data"}),
        "smtp": ("smtp", host),
        "smtp-starttls": ("smtp", {**host, "starttls": True}),
        "ssh": ("ssh", host),
        "tls": ("tls", host),
    }
    return questions[kind]


async def _silent(writer: asyncio.StreamWriter, half: bytes) -> None:
    await _forever()


async def _close(writer: asyncio.StreamWriter, half: bytes) -> None:
    writer.close()


async def _reset(writer: asyncio.StreamWriter, half: bytes) -> None:
    sock = writer.get_extra_info("socket")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


async def _rubbish(writer: asyncio.StreamWriter, half: bytes) -> None:
    writer.write(bytes(range(256)) * 16 + b"\x1b]0;pwned\x07\r\n")
    await _forever()


async def _rubbish_and_close(writer: asyncio.StreamWriter, half: bytes) -> None:
    writer.write(b"\x1b[2J\xff\xfe\r\n" * 20)
    writer.close()


async def _zeros(writer: asyncio.StreamWriter, half: bytes) -> None:
    writer.write(bytes(4096))
    await _forever()


async def _drip(writer: asyncio.StreamWriter, half: bytes) -> None:
    for byte in half:
        writer.write(bytes([byte]))
        await asyncio.sleep(0.02)
    while True:
        writer.write(b"A")
        await asyncio.sleep(0.02)


async def _half(writer: asyncio.StreamWriter, half: bytes) -> None:
    writer.write(half)
    await _forever()


async def _half_and_flood(writer: asyncio.StreamWriter, half: bytes) -> None:
    writer.write(half)
    await _flood(writer, half)


async def _flood(writer: asyncio.StreamWriter, half: bytes) -> None:
    while True:
        writer.write(b"A" * 65536)
        await writer.drain()
        await asyncio.sleep(0)


async def _lines(writer: asyncio.StreamWriter, half: bytes) -> None:
    while True:
        writer.write(b"220-still thinking\r\n" * 100)
        await writer.drain()
        await asyncio.sleep(0)


async def _huge_line(writer: asyncio.StreamWriter, half: bytes) -> None:
    writer.write(b"x" * 10_000_000)
    await _forever()


async def page(writer: asyncio.StreamWriter, half: bytes) -> None:
    """Say what was given, properly to its end (closing at once could lose it)."""
    writer.write(half)
    writer.write_eof()
    await _forever()


async def _forever() -> None:
    await asyncio.Event().wait()


BEHAVIOURS: Mapping[str, Behaviour] = {
    "silent": _silent,
    "close": _close,
    "reset": _reset,
    "rubbish": _rubbish,
    "rubbish-close": _rubbish_and_close,
    "zeros": _zeros,
    "drip": _drip,
    "half": _half,
    "half-flood": _half_and_flood,
    "flood": _flood,
    "lines": _lines,
    "huge-line": _huge_line,
}


@contextlib.asynccontextmanager
async def behaving(behaviour: Behaviour, half: bytes) -> AsyncIterator[int]:
    """Serve on a port of loopback while the block lasts; everything is gone after it."""
    tasks: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            await behaviour(writer, half)

    def accepted(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(serve(reader, writer))
        tasks.add(task)
        task.add_done_callback(lambda done: writers.append(writer))
        writers.append(writer)

    writers: list[asyncio.StreamWriter] = []
    server = await asyncio.start_server(accepted, "127.0.0.1", 0)
    try:
        yield int(server.sockets[0].getsockname()[1])
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for writer in writers:
            writer.transport.abort()
        server.close()
        await server.wait_closed()


Replies: TypeAlias = Callable[[bytes], list[bytes]]

DATAGRAMS: Mapping[str, Replies] = {
    "silent": lambda _query: [],
    "rubbish": lambda _query: [bytes(range(256))],
    "echo": lambda query: [query],
    "short": lambda query: [query[:5]],
    "stranger": lambda query: [bytes(len(query))],
    "huge": lambda query: [query[:2] + bytes(60_000)],
    "flood": lambda query: [bytes(100)] * 2000,
}


@contextlib.asynccontextmanager
async def answering(replies: Replies) -> AsyncIterator[int]:
    """Answer datagrams on a port of loopback while the block lasts."""

    class Protocol(asyncio.DatagramProtocol):
        transport: asyncio.DatagramTransport

        @override
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            self.transport = cast("asyncio.DatagramTransport", transport)

        @override
        def datagram_received(self, data: bytes, addr: tuple[str | Any, int]) -> None:
            for reply in replies(data):
                self.transport.sendto(reply, addr)

    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(Protocol, local_addr=("127.0.0.1", 0))
    try:
        yield int(transport.get_extra_info("sockname")[1])
    finally:
        transport.abort()


@contextlib.asynccontextmanager
async def stalling(port: int, after: int) -> AsyncIterator[int]:
    """Stand before the real server at *port*, which falls silent after so many bytes."""
    tasks: set[asyncio.Task[None]] = set()

    async def pump(source: asyncio.StreamReader, to: asyncio.StreamWriter, most: int) -> None:
        with contextlib.suppress(OSError):
            while most > 0 and (part := await source.read(min(most, 4096))):
                most -= len(part)
                to.write(part)
                await to.drain()
            await _forever()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection("127.0.0.1", port)
        try:
            await asyncio.gather(pump(reader, back, 1 << 40), pump(there, writer, after))
        finally:
            back.transport.abort()
            writer.transport.abort()

    def accepted(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        tasks.add(asyncio.create_task(serve(reader, writer)))

    server = await asyncio.start_server(accepted, "127.0.0.1", 0)
    try:
        yield int(server.sockets[0].getsockname()[1])
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        server.close()
        await server.wait_closed()

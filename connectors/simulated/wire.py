"""As much HTTP/1.1 as the simulator speaks, with connections that can be cut on purpose.

A web framework would answer 500 where a fault has to answer nothing at all.
"""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import TypeAlias
from urllib.parse import parse_qsl, unquote, urlsplit

_LARGEST_BODY = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """``path`` is split at the slashes and decoded: ``/machines/a%2Fb`` has two parts."""

    method: str
    path: tuple[str, ...]
    query: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    keep_alive: bool = True


@dataclass(frozen=True, slots=True)
class Reply:
    status: int
    body: bytes
    kind: str = "application/json"


Handler: TypeAlias = Callable[[Request], Awaitable[Reply | None]]
"""Answers a request; None cuts the connection without a word."""


def reply(status: int, document: object) -> Reply:
    text = json.dumps(document, ensure_ascii=False, separators=(",", ":"))
    return Reply(status, text.encode())


class Listener:
    """One loopback address that can be opened and closed at will, with all its connections."""

    def __init__(self, handler: Handler, port: int) -> None:
        self.port = port
        self._handler = handler
        self._socket: socket.socket | None = None
        self._conversations: dict[asyncio.Task[None], asyncio.StreamWriter] = {}
        self._arriving: set[asyncio.Task[object]] = set()

    def open(self) -> None:
        """Listen from now on; raises `OSError` when the port is taken. Port 0 finds one."""
        if self._socket is None:
            self._socket = listening_socket(self.port)
            self.port = self._socket.getsockname()[1]
            asyncio.get_running_loop().add_reader(self._socket, self._accept, self._socket)

    def close(self) -> None:
        """Refuse connections from now on, and cut those that are open."""
        if self._socket is not None:
            asyncio.get_running_loop().remove_reader(self._socket)
            self._socket.close()
            self._socket = None
        for task, writer in self._conversations.items():
            writer.transport.abort()
            task.cancel()
        for arriving in self._arriving:
            arriving.cancel()

    def _accept(self, listening: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                accepted, _ = listening.accept()
            except OSError:  # nobody else waits, or the caller has gone again
                return
            accepted.setblocking(False)
            accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            reader = asyncio.StreamReader()
            protocol = asyncio.StreamReaderProtocol(reader, self._meet)
            task: asyncio.Task[object] = loop.create_task(
                loop.connect_accepted_socket(lambda p=protocol: p, accepted)  # type: ignore[misc]
            )
            self._arriving.add(task)
            task.add_done_callback(self._arriving.discard)

    def _meet(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Converse in a task of our own; asyncio's complains when cancelled (CPython 3.11.7)."""
        if self._socket is None:
            writer.transport.abort()
            return
        task = asyncio.get_running_loop().create_task(self._endure(reader, writer))
        self._conversations[task] = writer
        task.add_done_callback(lambda done: self._conversations.pop(done, None))

    async def _endure(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await self._converse(reader, writer)
        except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, ValueError):
            writer.transport.abort()

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while (request := await _request(reader)) is not None:
            answer = await self._handler(request)
            if answer is None:
                writer.transport.abort()
                return
            writer.write(_encoded(answer, request))
            await writer.drain()
            if not request.keep_alive:
                break
        writer.close()


def listening_socket(port: int) -> socket.socket:
    """Return a socket that listens on loopback; raises `OSError` when the port is taken."""
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        listening.setblocking(False)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(("127.0.0.1", port))
        listening.listen(512)
    except OSError:
        listening.close()
        raise
    return listening


async def _request(reader: asyncio.StreamReader) -> Request | None:
    """Return the next request; None when the other side has hung up between two."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError as error:
        if error.partial:
            raise
        return None
    first, *lines = head.decode("latin-1").split("\r\n")
    method, target, version = first.split(" ")
    headers = {k.strip().lower(): v.strip() for k, _, v in (x.partition(":") for x in lines) if k}
    length = int(headers.get("content-length", "0"))
    if not 0 <= length <= _LARGEST_BODY:
        raise ValueError("a body of that size is not for us")
    body = await reader.readexactly(length)
    url = urlsplit(target)
    wish = headers.get("connection", "keep-alive" if version == "HTTP/1.1" else "close")
    return Request(
        method=method,
        path=tuple(unquote(part) for part in url.path.split("/")[1:]),
        query=dict(parse_qsl(url.query)),
        body=body,
        keep_alive=wish.lower() != "close",
    )


def _encoded(answer: Reply, request: Request) -> bytes:
    head = (
        f"HTTP/1.1 {answer.status} {HTTPStatus(answer.status).phrase}\r\n"
        f"content-type: {answer.kind}\r\ncontent-length: {len(answer.body)}\r\n"
        f"connection: {'keep-alive' if request.keep_alive else 'close'}\r\n\r\n"
    )
    return head.encode("latin-1") + (b"" if request.method == "HEAD" else answer.body)

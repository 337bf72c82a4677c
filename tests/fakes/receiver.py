"""A receiver of web hooks on loopback: it verifies with the library that receivers use."""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from standardwebhooks import Webhook, WebhookVerificationError

SECRET = "whsec_" + "QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVo="
OTHER = "whsec_" + "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU="
"""Two secrets of 26 bytes."""


@dataclass(frozen=True)
class Reply:
    """What the receiver answers; *delay* in seconds. Without a status it hangs up."""

    status: int | None = 204
    headers: Mapping[str, str] = field(default_factory=dict)
    delay: float = 0.0


@dataclass(frozen=True)
class Got:
    message: str
    content: dict[str, Any]
    headers: Mapping[str, str]
    size: int
    reply: Reply


class Receiver:
    """``script`` is what it answers next, then ``usual``; ``forged`` are bad signatures."""

    def __init__(self, secret: str = SECRET) -> None:
        self.secret = secret
        self.script: deque[Reply] = deque()
        self.usual = Reply()
        self.got: list[Got] = []
        self.forged: list[str] = []
        self.port = 0
        self._server: asyncio.Server | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hooks/secret-path"

    @property
    def arrived(self) -> list[Got]:
        """Return what it took; what it refused or hung up on came in vain."""
        return [g for g in self.got if g.reply.status is not None and g.reply.status < 300]

    def told(self, kind: str = "") -> list[dict[str, Any]]:
        """Return the content of each message by its id, once, as a receiver deduplicates."""
        seen = {got.message: got.content for got in self.arrived}
        return [content for content in seen.values() if kind in ("", content["type"])]

    async def up(self) -> None:
        self._server = await asyncio.start_server(self._answer, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def down(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            lines = (line.split(": ", 1) for line in head.split("\r\n")[1:] if line)
            headers = {name.lower(): value for name, value in lines}
            body = await reader.readexactly(int(headers.get("content-length", 0)))
            reply = self._take(headers, body)
            await asyncio.sleep(reply.delay)
            if reply.status is not None:
                more = "".join(f"{k}: {v}\r\n" for k, v in reply.headers.items())
                writer.write(
                    f"HTTP/1.1 {reply.status} X\r\n{more}Content-Length: 0\r\n\r\n".encode()
                )
                await writer.drain()
        writer.close()

    def _take(self, headers: Mapping[str, str], body: bytes) -> Reply:
        try:
            content = Webhook(self.secret).verify(body, dict(headers))
        except WebhookVerificationError as error:
            self.forged.append(str(error))
            return Reply(401)
        reply = self.script.popleft() if self.script else self.usual
        assert content == json.loads(body)
        self.got.append(Got(headers["webhook-id"], content, headers, len(body), reply))
        return reply


@asynccontextmanager
async def receiving(secret: str = SECRET) -> AsyncIterator[Receiver]:
    receiver = Receiver(secret)
    await receiver.up()
    try:
        yield receiver
    finally:
        await receiver.down()

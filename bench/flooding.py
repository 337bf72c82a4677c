"""The flood itself: raw connections that ask without end, and others that never finish asking."""

from __future__ import annotations

import asyncio
import contextlib
import re
import resource
import time
from collections import Counter
from typing import Any

from typing_extensions import override

HAMMERS = 50
DASHERS = 50
PIPELINED = 32
SLOW = 500
BODIES = 100
STREAMS = 100
_STATUS = re.compile(rb"HTTP/1\.1 (\d{3}) ")
_HOST = b"Host: localhost\r\n"
_ASK = b"GET /api/v1/runs HTTP/1.1\r\n" + _HOST + b"Authorization: Bearer drt_made_up\r\n\r\n"
SLOWLY = b"GET /api/v1/runs HTTP/1.1\r\n" + _HOST + b"X-Slow: "
BODY = (
    b"POST /api/v1/halt HTTP/1.1\r\n"
    + _HOST
    + b"Content-Type: application/json\r\nContent-Length: 60000\r\n\r\n{"
)
_STREAM = b"GET /api/v1/events HTTP/1.1\r\n" + _HOST + b"Accept: text/event-stream\r\n\r\n"


class Tally:
    """What the flood was answered."""

    def __init__(self) -> None:
        self.sent = 0
        self.answered: Counter[str] = Counter()
        self.cut = 0
        self.slow_cut = 0


class Hammer(asyncio.Protocol):
    """Asks again as soon as the connection takes more."""

    def __init__(self, tally: Tally) -> None:
        self._tally = tally
        self._rest = b""
        self._transport: Any = None

    @override
    def connection_made(self, transport: Any) -> None:
        self._transport = transport
        self._ask(2 * PIPELINED)

    def _ask(self, count: int) -> None:
        if not self._transport.is_closing():
            self._transport.write(_ASK * count)
            self._tally.sent += count

    @override
    def data_received(self, data: bytes) -> None:
        whole = self._rest + data
        found = _STATUS.findall(whole)
        self._rest = b"" if found else whole[-12:]
        for code in found:
            self._tally.answered[code.decode()] += 1
        self._ask(len(found))

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        self._tally.cut += 1


async def _hammering(port: int, tally: Tally) -> None:
    """Ask without end; whoever is cut off comes back."""
    loop = asyncio.get_running_loop()
    while True:
        with contextlib.suppress(OSError):
            transport, _ = await loop.create_connection(lambda: Hammer(tally), "127.0.0.1", port)
            try:
                while not transport.is_closing():  # noqa: ASYNC110 (hundreds of them, one loop)
                    await asyncio.sleep(0.2)
            finally:
                transport.abort()
        await asyncio.sleep(0.05)


async def _dashing(port: int, tally: Tally) -> None:
    """Ask much at once on a new connection, and be gone with the first answer: nothing waits."""
    while True:
        with contextlib.suppress(OSError, TimeoutError):
            async with asyncio.timeout(1):
                reader, writer = await asyncio.open_connection("127.0.0.1", port)
            try:
                writer.write(_ASK * PIPELINED)
                tally.sent += PIPELINED
                async with asyncio.timeout(0.2):
                    if found := _STATUS.findall(await reader.read(4096)):
                        tally.answered.update(code.decode() for code in found)
            finally:
                writer.transport.abort()
        await asyncio.sleep(0)


async def _dripping(port: int, head: bytes, tally: Tally) -> None:
    """Send *head* and then a byte a second, for ever; come back when cut off."""
    while True:
        with contextlib.suppress(OSError):
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            try:
                writer.write(head)
                while not writer.transport.is_closing():
                    writer.write(b"a")
                    await asyncio.sleep(1)
                tally.slow_cut += 1
            finally:
                writer.transport.abort()
        await asyncio.sleep(0.2)


async def flood(port: int, seconds: float) -> dict[str, Any]:
    """Flood the service at *port* for *seconds*; return what came of it."""
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    tally = Tally()
    slow = [*[SLOWLY] * SLOW, *[BODY] * BODIES, *[_STREAM] * STREAMS]
    tasks = [asyncio.create_task(_dripping(port, head, tally)) for head in slow]
    tasks += [asyncio.create_task(_hammering(port, tally)) for _ in range(HAMMERS)]
    tasks += [asyncio.create_task(_dashing(port, tally)) for _ in range(DASHERS)]
    began = time.monotonic()
    await asyncio.sleep(seconds)
    took = time.monotonic() - began
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    answered = sum(tally.answered.values())
    return {
        "seconds": round(took, 1),
        "asked": tally.sent,
        "asked_a_second": round(tally.sent / took),
        "answered": answered,
        "answered_a_second": round(answered / took),
        "codes": dict(tally.answered),
        "cut": tally.cut,
        "slow_cut": tally.slow_cut,
    }

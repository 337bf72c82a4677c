"""Connections as the HTTP side keeps them: as many as it may, and none that nobody reads."""

from __future__ import annotations

import asyncio
import resource
import socket
import sys
from collections import Counter
from contextlib import suppress
from typing import Any, ClassVar

import h11
import structlog
from typing_extensions import override
from uvicorn.protocols.http.h11_impl import H11Protocol, RequestResponseCycle

from api.problems import MEDIA_TYPE, unreadable
from api.routes.guard import HEADERS
from drorch.model.collector import collect_rarely, keep

log = structlog.get_logger()

PATIENCE = 20.0
"""Seconds that a reader may leave its buffer full before it is cut off; it can resume."""
ASKS_WITHIN = 15.0
"""Seconds from the connection, and from the first byte of each later request, to a whole one."""
MOST = 4096
"""Connections at the same time."""
MOST_OF_ONE = MOST // 2
"""Connections of one address: nobody takes all of them."""
SEND_BUFFER = 128 * 1024
"""Bytes that the kernel keeps for a reader; beyond them 64 KiB wait here, and then it is late."""
_DESCRIPTORS = 65_536


class PatientConnection(H11Protocol):
    """Cuts off who asks and does not read the answer: it would keep its buffers for ever.

    And who connects and does not ask: a request has to be there within `ASKS_WITHIN`, however
    slowly its lines come, the first as well as every other. (uvicorn's own limit between two
    requests ends with the first byte of the next one.) Beyond `MOST` connections, and beyond
    `MOST_OF_ONE` from the same address, nobody else is let in.

    Readers are watched here, as the loop says when a buffer is full: who is quick costs no timer.
    """

    patience = PATIENCE
    held: ClassVar[Counter[str]] = Counter()
    """How many connections each address has."""
    _cutting: asyncio.TimerHandle | None = None
    _asking: asyncio.TimerHandle | None = None
    _address = ""

    @override
    def connection_made(self, transport: Any) -> None:
        own: socket.socket | None = transport.get_extra_info("socket")
        if own is not None:
            own.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER)
        super().connection_made(transport)
        self._address = self.client[0] if self.client else ""
        self.held[self._address] += 1
        if len(self.connections) > MOST or self.held[self._address] > MOST_OF_ONE:
            transport.abort()
            return
        self._expect()

    @override
    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self._is_answering():
            self._relax()
        elif self._asking is None:
            self._expect()

    def _is_answering(self) -> bool:
        cycle: RequestResponseCycle | None = self.cycle  # declared without the None it begins with
        return cycle is not None and not cycle.response_complete

    def _expect(self) -> None:
        self._asking = self.loop.call_later(ASKS_WITHIN, self._give_up)

    def _relax(self) -> None:
        if self._asking is not None:
            self._asking.cancel()
            self._asking = None

    def _give_up(self) -> None:
        log.info("caller.cut", client=str(self.client), reason="it does not ask")
        self.transport.abort()

    @override
    def send_400_response(self, msg: str) -> None:
        """Answer what is no HTTP as every other error is answered: as a problem."""
        broken = sys.exc_info()[1]
        hint = broken.error_status_hint if isinstance(broken, h11.RemoteProtocolError) else 400
        status, body = unreadable(too_large=hint == 431)
        headers = [("Content-Type", MEDIA_TYPE), ("Connection", "close"), *HEADERS.items()]
        parts = (h11.Response(status_code=status, headers=headers), h11.Data(data=body))
        with suppress(h11.LocalProtocolError):  # an answer has begun: then there is none to give
            for part in (*parts, h11.EndOfMessage()):
                self.transport.write(self.conn.send(part) or b"")
        self.transport.close()

    @override
    def pause_writing(self) -> None:
        super().pause_writing()
        self._cutting = self.loop.call_later(self.patience, self._cut)

    @override
    def resume_writing(self) -> None:
        self._relent()
        super().resume_writing()

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        self._relent()
        self._relax()
        self.held[self._address] -= 1
        if self.held[self._address] <= 0:
            del self.held[self._address]
        super().connection_lost(exc)

    def _relent(self) -> None:
        if self._cutting is not None:
            self._cutting.cancel()
            self._cutting = None

    def _cut(self) -> None:
        log.info("reader.cut", client=str(self.client), reason="it does not read")
        self.transport.abort()  # to close it would wait for what nobody reads


def keep_pauses_short() -> None:
    """Let the collector of garbage pass over all that is there now, and stays.

    With a thousand connections it looks through everything again and again, a quarter of a second
    each time, and nobody is answered meanwhile.
    """
    collect_rarely()
    keep()


def raise_descriptors() -> int:
    """Let this process open as many files and connections as the system allows; return how many.

    The usual limit of 1,024 is for programs that use select().
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = _DESCRIPTORS if hard == resource.RLIM_INFINITY else min(hard, _DESCRIPTORS)
    if soft != resource.RLIM_INFINITY and soft < most:
        with suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]

"""Connections as the HTTP side keeps them: as many as it may, and none that nobody reads."""

from __future__ import annotations

import asyncio
import resource
import socket
from contextlib import suppress
from typing import Any

import structlog
from typing_extensions import override
from uvicorn.protocols.http.h11_impl import H11Protocol

from drorch.model.collector import collect_rarely, keep

log = structlog.get_logger()

PATIENCE = 20.0
"""Seconds that a reader may leave its buffer full before it is cut off; it can resume."""
ASKS_WITHIN = 15.0
"""Seconds from the connection to its first whole request; later ones have uvicorn's keep-alive."""
MOST = 4096
"""Connections at the same time."""
SEND_BUFFER = 128 * 1024
"""Bytes that the kernel keeps for a reader; beyond them 64 KiB wait here, and then it is late."""
_DESCRIPTORS = 65_536


class PatientConnection(H11Protocol):
    """Cuts off who asks and does not read the answer: it would keep its buffers for ever.

    And who connects and does not ask: a request has to be there within `ASKS_WITHIN`, however
    slowly its lines come. Beyond `MOST` connections nobody else is let in.

    Readers are watched here, as the loop says when a buffer is full: who is quick costs no timer.
    """

    patience = PATIENCE
    _cutting: asyncio.TimerHandle | None = None
    _asking: asyncio.TimerHandle | None = None

    @override
    def connection_made(self, transport: Any) -> None:
        own: socket.socket | None = transport.get_extra_info("socket")
        if own is not None:
            own.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER)
        super().connection_made(transport)
        if len(self.connections) > MOST:
            transport.abort()
            return
        self._asking = self.loop.call_later(ASKS_WITHIN, self._give_up)

    @override
    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self._asking is not None and self.cycle is not None:
            self._asking.cancel()
            self._asking = None

    def _give_up(self) -> None:
        log.info("caller.cut", client=str(self.client), reason="it does not ask")
        self.transport.abort()

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
        if self._asking is not None:
            self._asking.cancel()
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

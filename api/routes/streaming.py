"""The answer that never ends: a stream of server-sent events."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, TypeVar

import structlog
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send
from typing_extensions import override

from api.auth import Doorkeeper
from api.routes.feeds import Feeds, Source, heartbeat
from drorch.errors import DrorchError

log = structlog.get_logger()

P = TypeVar("P", bound=Hashable)

HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
_SOONEST_MS = 1000
_SPREAD_MS = 2000
ASKED_EVERY = 5.0
"""Seconds after which a listener has to be allowed anew: its token may have been revoked.

It is asked with the next event or heartbeat, so that a stream ends within 15 seconds.
"""

Still = Callable[[], Awaitable[object]]


class EventStream(Response, Generic[P]):
    """Streams what *source* has behind the place *after*.

    *number* is the id of that place, for who is cut off before the first event. *still* is asked
    now and then whether the listener may go on, and raises if not. Who does not read is cut off
    by the connection (`api.connections`), as everybody else who does not.
    """

    media_type = "text/event-stream"

    def __init__(
        self,
        feeds: Feeds,
        source: Source[P],
        after: P,
        *,
        number: str = "",
        still: Still,
    ) -> None:
        super().__init__(headers=HEADERS)
        del self.headers["content-length"]
        self._feeds = feeds
        self._source = source
        self._after = after
        self._number = number
        self._still = still

    @override
    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        del scope  # the answer is the same for whoever asks
        start = {"status": self.status_code, "headers": self.raw_headers}
        await send({"type": "http.response.start", **start})
        streaming = asyncio.create_task(self._stream(send))
        leaving = asyncio.create_task(_left(receive))
        try:
            await asyncio.wait({streaming, leaving}, return_when=asyncio.FIRST_COMPLETED)
            if streaming.done():
                streaming.result()
        finally:
            for task in (streaming, leaving):
                task.cancel()
            await asyncio.gather(streaming, leaving, return_exceptions=True)

    async def _stream(self, send: Send) -> None:
        try:
            await self._send_all(send)
        except DrorchError as error:
            log.warning("stream.ended", feed=self._source.name, reason=error.message)
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _send_all(self, send: Send) -> None:
        message = {"type": "http.response.body", "more_body": True}
        # Not all at the same moment, when a service that was restarted is back.
        again = _SOONEST_MS + secrets.randbelow(_SPREAD_MS)
        hello = f"retry: {again}\n\n".encode() + heartbeat(self._number)
        await send({**message, "body": hello})
        with self._feeds.listening(self._source) as feed:
            due = _asked_again()
            async for chunk in feed.follow(self._after):
                if asyncio.get_running_loop().time() >= due:
                    await self._still()
                    due = _asked_again()
                await send({**message, "body": chunk})


def _asked_again() -> float:
    return asyncio.get_running_loop().time() + ASKED_EVERY


def still_known(request: Request) -> Still:
    """Return what raises as soon as who sent *request* would be refused."""
    keeper: Doorkeeper = request.app.state.doorkeeper
    return lambda: keeper.still(request)


async def _left(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass

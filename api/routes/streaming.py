"""The answer that never ends: a stream of server-sent events, and the end of slow readers."""

from __future__ import annotations

import asyncio
import contextlib

import structlog
from starlette.responses import Response
from starlette.types import Receive, Scope, Send
from typing_extensions import override

from api.routes.feeds import Feeds

log = structlog.get_logger()

PATIENCE = 20.0
"""Seconds that a reader may take for one chunk before it is cut off; it can resume."""
HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}


class EventStream(Response):
    """Streams a run's journal from behind number *after*."""

    media_type = "text/event-stream"

    def __init__(
        self, feeds: Feeds, run: str, after: int, last: int, *, patience: float = PATIENCE
    ) -> None:
        super().__init__(headers=HEADERS)
        del self.headers["content-length"]
        self._feeds = feeds
        self._run = run
        self._after = after
        self._last = last
        self._patience = patience

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
        async with self._feeds.listening(self._run, self._last) as feed:
            async with contextlib.aclosing(feed.follow(self._after)) as chunks:
                async for chunk in chunks:
                    message = {"type": "http.response.body", "body": chunk, "more_body": True}
                    try:
                        async with asyncio.timeout(self._patience):
                            await send(message)
                    except TimeoutError:
                        log.info("stream.cut", run=self._run, reason="the reader is too slow")
                        return
            await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _left(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass

"""Runs as live streams: each event is read and encoded once, however many people watch."""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime
from itertools import islice

import structlog

from drorch.errors import DrorchError
from drorch.journal.pages import events_page
from drorch.journal.store import Store
from drorch.run.views import Json
from drorch.run.words import stamp

log = structlog.get_logger()

LOOK_EVERY = 0.25
"""Seconds between looks into the journal, while somebody listens."""
HEARTBEAT = 10.0
KEPT = 5000
_PAGE = 500
_AT_ONCE = 200


class Feed:
    """The newest events of one run, encoded. Older ones come from the journal, page by page."""

    def __init__(self, store: Store, run: str, floor: int) -> None:
        self._store = store
        self._run = run
        self._frames: deque[bytes] = deque(maxlen=KEPT)
        self.last = floor
        self.listeners = 0
        self.closed = False
        self._news = asyncio.Event()

    async def look_for_ever(self) -> None:
        """Follow the journal until cancelled; what goes wrong is tried again."""
        while True:
            try:
                await self._look()
            except DrorchError as error:
                log.warning("feed.unreadable", run=self._run, reason=error.message)
            except Exception:
                # The listeners are told by the data's age; a feed that died would be silent.
                log.exception("feed.broke", run=self._run)
            await asyncio.sleep(LOOK_EVERY)

    async def _look(self) -> None:
        more = True
        while more:
            events, more = await events_page(self._store, self._run, self.last, _PAGE)
            for event in events:
                self._frames.append(encoded(event))
                self.last = event["seq"]
            if events:
                self._wake()

    def close(self) -> None:
        self.closed = True
        self._wake()

    def _wake(self) -> None:
        news, self._news = self._news, asyncio.Event()
        news.set()

    async def follow(self, after: int) -> AsyncGenerator[bytes, None]:
        """Yield chunks of whole frames behind number *after*, and heartbeats, until closed."""
        yield b"retry: 2000\n\n" + heartbeat()
        while not self.closed:
            news = self._news
            chunk, after = await self._behind(after)
            if chunk:
                yield chunk
                continue
            try:
                await asyncio.wait_for(news.wait(), HEARTBEAT)
            except TimeoutError:
                yield heartbeat()

    async def _behind(self, after: int) -> tuple[bytes, int]:
        floor = self.last - len(self._frames)
        if after < floor:
            events, _ = await events_page(self._store, self._run, after, min(_PAGE, floor - after))
            return b"".join(map(encoded, events)), events[-1]["seq"] if events else floor
        if after >= self.last:
            return b"", after
        start = after - floor
        frames = list(islice(self._frames, start, start + _AT_ONCE))
        return b"".join(frames), after + len(frames)


def encoded(event: Json) -> bytes:
    """Return an event as one frame of a stream."""
    data = json.dumps(event, ensure_ascii=False, separators=(",", ":"))
    return f"id: {event['seq']}\ndata: {data}\n\n".encode()


def heartbeat() -> bytes:
    """Return the frame that says: still here, nothing new."""
    at = json.dumps({"at": stamp(datetime.now(UTC))})
    return f"event: clock\ndata: {at}\n\n".encode()


class Feeds:
    """The feeds of the runs that somebody watches now."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._feeds: dict[str, tuple[Feed, asyncio.Task[None]]] = {}

    @asynccontextmanager
    async def listening(self, run: str, last: int) -> AsyncIterator[Feed]:
        """Give the feed of *run*, whose newest event is now number *last*."""
        with self._joined(run, last) as feed:
            yield feed

    @contextmanager
    def _joined(self, run: str, last: int) -> Iterator[Feed]:
        if run not in self._feeds:
            feed = Feed(self._store, run, last)
            self._feeds[run] = feed, asyncio.create_task(feed.look_for_ever())
        feed, task = self._feeds[run]
        feed.listeners += 1
        try:
            yield feed
        finally:
            feed.listeners -= 1
            if not feed.listeners:
                task.cancel()
                self._feeds.pop(run, None)

    @property
    def watched(self) -> Sequence[str]:
        return tuple(self._feeds)

    def close(self) -> None:
        """End every stream: its listeners come back and resume."""
        for feed, task in self._feeds.values():
            feed.close()
            task.cancel()

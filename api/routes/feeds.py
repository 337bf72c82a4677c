"""Live streams: each event is read and encoded once, however many people watch."""

from __future__ import annotations

import asyncio
import contextvars
import json
from collections.abc import AsyncGenerator, Hashable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, Generic, NamedTuple, Protocol, TypeVar

import structlog

from api.routes.ring import Ring
from api.schemas.problem_types import TooManyListenersError
from drorch.errors import DrorchError
from drorch.journal.following import Spot, everything_page, last_seq, newest_spot
from drorch.journal.listening import EVENTS
from drorch.journal.pages import events_page
from drorch.journal.store import Store
from drorch.run.views import Json
from drorch.run.words import stamp

log = structlog.get_logger()

MOST_LISTENERS = 2000
"""Streams that one HTTP side keeps open; each takes a descriptor and some 50 KiB."""
LOOK_EVERY = 0.25
"""Seconds between looks into the journal, while somebody listens and nothing is new."""
HEARTBEAT = 10.0
BACK = 500
"""Events that a new feed has at hand: after a restart all come back a few events behind."""
_REST = 0.04
_REST_EACH = 0.0001
"""Seconds between looks that found something, and more of them for each listener: what happens
meanwhile is told to all at once, which leaves the processor to others."""
_WARM = 5.0
"""Seconds for which what has just happened makes it likely that more happens at once."""
_PAGE = 100
_READING = 2
"""Pages that are read at the same time for those far behind: the others who ask come first."""

P = TypeVar("P", bound=Hashable)


class Framed(NamedTuple, Generic[P]):
    """An event as a frame, and its place in its stream."""

    place: P
    frame: bytes


class Source(Protocol[P]):
    """What a stream is of: everything, or one run."""

    @property
    def name(self) -> str:
        """Return what the feed is known by."""

    async def begin(self) -> P:
        """Return the place from where a new feed keeps what it reads."""

    async def page(self, after: P, limit: int) -> Sequence[Framed[P]]:
        """Return at most *limit* events behind *after*, in order."""


class RunSource:
    """The events of one run; a place is a number."""

    def __init__(self, store: Store, run: str) -> None:
        self._store = store
        self._run = run
        self.name = run

    async def begin(self) -> int:
        return max(0, await last_seq(self._store, self._run) - BACK)

    async def page(self, after: int, limit: int) -> Sequence[Framed[int]]:
        events, _ = await events_page(self._store, self._run, after, limit)
        return [Framed(event["seq"], encoded(str(event["seq"]), event)) for event in events]


class EverythingSource:
    """The events of all runs, in an order that no restart changes."""

    name = ""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def begin(self) -> Spot:
        return await newest_spot(self._store, BACK)

    async def page(self, after: Spot, limit: int) -> Sequence[Framed[Spot]]:
        found = await everything_page(self._store, after, limit)
        return [Framed(spot, encoded(cursor(spot), event)) for spot, event in found]


class Feed(Generic[P]):
    """The newest events of a source, encoded. Older ones come from the journal, page by page."""

    def __init__(self, store: Store, source: Source[P], reading: asyncio.Semaphore) -> None:
        self._store = store
        self._source = source
        self._reading = reading
        self._ring: Ring[P] | None = None
        self._pages: dict[P, asyncio.Task[tuple[bytes, P]]] = {}
        self._clock = heartbeat()
        self._beat = 0
        self._told_at = asyncio.get_running_loop().time()
        self._news = asyncio.Event()
        self._unreadable = False
        self.listeners = 0
        self.closed = False

    async def look_for_ever(self) -> None:
        """Follow the journal until cancelled; what goes wrong is tried again."""
        loop = asyncio.get_running_loop()
        warm_until = loop.time()
        while True:
            found = await self._tried()
            self._tell_time()
            rest = min(_REST + self.listeners * _REST_EACH, LOOK_EVERY)
            if found:
                warm_until = loop.time() + _WARM
                await asyncio.sleep(rest)
            else:
                is_warm = loop.time() < warm_until
                await self._store.hint(EVENTS, rest if is_warm else LOOK_EVERY)

    async def _tried(self) -> bool:
        try:
            found = await self._look()
        except DrorchError as error:
            if not self._unreadable:  # once: it is looked again four times a second
                log.warning("feed.unreadable", feed=self._source.name, reason=error.message)
            self._unreadable = True
            return False
        except Exception:
            # The listeners are told by the data's age; a feed that died would be silent.
            log.exception("feed.broke", feed=self._source.name)
            return False
        self._unreadable = False
        return found

    async def _look(self) -> bool:
        ring = self._ring
        if ring is None:
            ring = Ring(await self._source.begin())
        found, more = False, True
        while more:
            page = await self._source.page(ring.last, _PAGE)
            for place, frame in page:
                ring.add(place, frame)
            more = len(page) == _PAGE
            found = found or bool(page)
            if page or self._ring is None:
                self._ring = ring
                self._wake()
        return found

    def _tell_time(self) -> None:
        now = asyncio.get_running_loop().time()
        if now - self._told_at >= HEARTBEAT:
            self._told_at = now
            self._clock = heartbeat()
            self._beat += 1
            self._wake()

    def close(self) -> None:
        self.closed = True
        self._wake()

    def _wake(self) -> None:
        news, self._news = self._news, asyncio.Event()
        news.set()

    async def follow(self, after: P) -> AsyncGenerator[bytes, None]:
        """Yield chunks of whole frames behind the place *after*, and heartbeats, until closed.

        Raises `JournalError` where a reader far behind cannot be served; it can resume.
        """
        beat = self._beat
        while not self.closed:
            news = self._news
            chunk, after = await self._behind(after)
            if chunk:
                yield chunk
            elif beat != self._beat:
                beat = self._beat
                yield self._clock
            else:
                await news.wait()

    async def _behind(self, after: P) -> tuple[bytes, P]:
        if self._ring is None:
            return b"", after
        if after in self._ring:
            return self._ring.behind(after)
        reading = self._pages.get(after)
        if reading is None:  # many may have been cut off at the same place
            reading = self._pages[after] = asyncio.create_task(self._page(after))
        return await asyncio.shield(reading)

    async def _page(self, after: P) -> tuple[bytes, P]:
        try:
            async with self._reading:
                page = await self._source.page(after, _PAGE)
        finally:
            del self._pages[after]
        return b"".join(entry.frame for entry in page), page[-1].place if page else after


def encoded(number: str, event: Json) -> bytes:
    """Return an event as one frame of a stream."""
    data = json.dumps(event, ensure_ascii=False, separators=(",", ":"))
    # What others gave us may hold half a character; that must not end the stream for everybody.
    return f"id: {number}\ndata: {data}\n\n".encode("utf-8", "replace")


def cursor(spot: Spot) -> str:
    """Return a place among the events of all runs as clients send it back."""
    return f"{spot.txn}.{spot.seq}.{spot.run}"


def heartbeat(number: str = "") -> bytes:
    """Return the frame that says: still here, nothing new. With *number*, also from where on."""
    at = json.dumps({"at": stamp(datetime.now(UTC))})
    place = f"id: {number}\n" if number else ""
    return f"event: clock\n{place}data: {at}\n\n".encode()


class Feeds:
    """The feeds that somebody listens to now."""

    def __init__(self, store: Store, most: int = MOST_LISTENERS) -> None:
        self._store = store
        self._feeds: dict[str, tuple[Feed[Any], asyncio.Task[None]]] = {}
        self._reading = asyncio.Semaphore(_READING)
        self.most = most
        self._closed = False

    @property
    def listeners(self) -> int:
        """Return how many streams are open."""
        return sum(feed.listeners for feed, _ in self._feeds.values())

    def admit(self) -> None:
        """Raise `TooManyListenersError` if no more can be served well."""
        if self.listeners >= self.most:
            raise TooManyListenersError(
                f"{self.most} streams of events are open, and this service keeps no more",
                hint="come back in a few seconds; the same events are in pages at "
                "/api/v1/runs/RUN/events, which take no place",
            )

    @contextmanager
    def listening(self, source: Source[P]) -> Iterator[Feed[P]]:
        """Give the feed of *source*; the first listener begins it, the last one ends it."""
        feed = self._opened(source)
        feed.listeners += 1
        try:
            yield feed
        finally:
            feed.listeners -= 1
            if not feed.listeners:
                _, task = self._feeds.pop(source.name)
                task.cancel()

    def _opened(self, source: Source[P]) -> Feed[P]:
        if source.name not in self._feeds:
            feed = Feed(self._store, source, self._reading)
            feed.closed = self._closed
            # It outlives the request that begins it: what it logs has no number of its own.
            looking = asyncio.create_task(feed.look_for_ever(), context=contextvars.Context())
            self._feeds[source.name] = feed, looking
        return self._feeds[source.name][0]

    @property
    def watched(self) -> Sequence[str]:
        """Return the runs that somebody watches, and an empty name for everything."""
        return tuple(self._feeds)

    def close(self) -> None:
        """End every stream: its listeners come back and resume."""
        self._closed = True
        for feed, task in self._feeds.values():
            feed.close()
            task.cancel()

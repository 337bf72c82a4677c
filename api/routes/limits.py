"""How often, and how many at once: so that no reader, however many, starves who decides.

Requests are sorted into lanes with limits of their own. The urgent one is for what people do in a
recovery that is under way: decisions, halt, hold. Whoever fills another lane does not get in its
way, and nobody can fill a lane alone: half of its seats are for those who have shown who they are,
and a seat is taken when the whole request is there, however slowly it came.
"""

from __future__ import annotations

import asyncio
import re
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from typing import NamedTuple

from limits import RateLimitItem, RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import FixedWindowRateLimiter
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.auth import Doorkeeper
from api.login_limits import place_of
from api.problems import answer_drorch_error
from api.routes.guard import BODY_LIMIT, PLAN_PATHS
from api.schemas.access_problems import TooManyRequestsError
from plans.source.text import MOST_BYTES

_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
_URGENT = re.compile(
    r"/api/v1/(halt|holds/[^/]+/[^/]+|runs/[^/]+/[a-z]+|runs/[^/]+/steps/[^/]+/[a-z]+)"
    r"|/runs/[^/]+/(steps/[^/]+/)?[a-z]+"
)
_STREAMS = re.compile(r"/api/v1/(events|runs/[^/]+/events)")
_BODY_WITHIN = 15.0
_PLAN_WITHIN = 30.0
"""Seconds that a request gets to send its body."""
_BODIES_TO_COME = 32
"""Bodies that one asker may be sending slowly; with one more the oldest is given up."""
_SLOWLY = 1.0
"""Seconds before it is said to who asks too often: a connection that hammers is held up by it."""


class Lane(StrEnum):
    """What kind of request it is."""

    URGENT = "urgent"
    CHANGE = "change"
    PLAN = "plan"
    """A plan is large: it has its seat, and its place in memory, while it still comes."""
    READ = "read"
    STREAM = "stream"
    """Live streams, which stay: how many there may be is the feeds' own limit."""


class _Limit(NamedTuple):
    """Requests a minute from one asker, and how many of all at the same time."""

    rate: RateLimitItem
    at_once: int


LIMITS = {
    Lane.URGENT: _Limit(RateLimitItemPerMinute(600), 32),
    Lane.CHANGE: _Limit(RateLimitItemPerMinute(300), 16),
    Lane.PLAN: _Limit(RateLimitItemPerMinute(300), 8),
    Lane.READ: _Limit(RateLimitItemPerMinute(3000), 48),
    Lane.STREAM: _Limit(RateLimitItemPerMinute(6000), 1_000_000),
}


class Asker(NamedTuple):
    """Who is counted. A stranger has not shown who they are, lately, and is an address."""

    name: str
    stranger: bool


def lane_of(method: str, path: str) -> Lane:
    """Return the lane of a request."""
    if method in _SAFE:
        return Lane.STREAM if method == "GET" and _STREAMS.fullmatch(path) else Lane.READ
    if path in PLAN_PATHS:
        return Lane.PLAN
    return Lane.URGENT if _URGENT.fullmatch(path) else Lane.CHANGE


class Admission:
    """Lets requests in by lane; the others are told when to come back."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._limiter = FixedWindowRateLimiter(MemoryStorage())
        self._seats = {lane: _Seats(limit.at_once) for lane, limit in LIMITS.items()}
        self._bodies = _Bodies()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        lane, asker = lane_of(scope["method"], scope["path"]), _asker(scope)
        limit = LIMITS[lane].rate
        if not self._limiter.hit(limit, lane, asker.name):
            await asyncio.sleep(_SLOWLY)
            told = _again(f"more than {limit.amount} requests of this kind within a minute", 10)
            await answer_drorch_error(Request(scope), told)(scope, receive, send)
            return
        try:
            await self._seated(lane, asker, scope, receive, send)
        except TooManyRequestsError as refusal:
            answer = answer_drorch_error(Request(scope), refusal)
            answer.headers["Connection"] = "close"  # what of its body still comes, nobody reads
            await answer(scope, receive, send)
        except _GoneError:
            return

    async def _seated(
        self, lane: Lane, asker: Asker, scope: Scope, receive: Receive, send: Send
    ) -> None:
        seats = self._seats[lane]
        if lane is Lane.PLAN:
            with seats.taken(asker):
                whole = await self._bodies.whole(asker, receive, MOST_BYTES, _PLAN_WITHIN)
                await self._app(scope, whole, send)
            return
        if lane in (Lane.URGENT, Lane.CHANGE):
            receive = await self._bodies.whole(asker, receive, BODY_LIMIT, _BODY_WITHIN)
        with seats.taken(asker):
            await self._app(scope, receive, send)


class _Seats:
    """The requests of one lane that are being answered."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._all = 0
        self._strangers = 0
        self._of: Counter[str] = Counter()

    @contextmanager
    def taken(self, asker: Asker) -> Iterator[None]:
        """Raises `TooManyRequestsError` where no seat is free for *asker*."""
        half = self._most // 2
        if self._all >= self._most or self._of[asker.name] >= half:
            raise _again(f"{self._most} requests of this kind are being answered", 1)
        if asker.stranger and self._strangers >= half:
            raise _again(f"{half} requests of this kind without a log-in are being answered", 1)
        self._move(asker, 1)
        try:
            yield
        finally:
            self._move(asker, -1)

    def _move(self, asker: Asker, by: int) -> None:
        self._all += by
        self._strangers += by * asker.stranger
        self._of[asker.name] += by
        if not self._of[asker.name]:
            del self._of[asker.name]


class _GoneError(Exception):
    """Whoever asked has hung up before all was said."""


class _Bodies:
    """Bodies of requests that are still coming."""

    def __init__(self) -> None:
        self._coming: dict[str, list[asyncio.Timeout]] = defaultdict(list)

    async def whole(self, asker: Asker, receive: Receive, most: int, within: float) -> Receive:
        """Return what gives the whole body at once; of one over *most* bytes, its beginning.

        It has to be there *within* so many seconds. Raises `TooManyRequestsError` when it is
        not, and `_GoneError`.
        """
        messages: list[Message] = []
        patience = asyncio.timeout(within)
        try:
            async with patience:
                with self._waited_for(asker, patience):
                    await _gather(receive, messages, most)
        except TimeoutError:
            raise _again(f"a body has to come within {within:g} s", 1) from None
        waiting = iter(messages)

        async def again() -> Message:
            message = next(waiting, None)
            return message if message is not None else await receive()

        return again

    @contextmanager
    def _waited_for(self, asker: Asker, patience: asyncio.Timeout) -> Iterator[None]:
        coming = self._coming[asker.name]
        coming.append(patience)
        if len(coming) > _BODIES_TO_COME:
            coming.pop(0).reschedule(asyncio.get_running_loop().time())
        try:
            yield
        finally:
            if patience in coming:
                coming.remove(patience)
            if not coming:
                self._coming.pop(asker.name, None)


async def _gather(receive: Receive, messages: list[Message], most: int) -> None:
    taken, more = 0, True
    while more and taken <= most:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise _GoneError
        messages.append(message)
        taken += len(message.get("body", b""))
        more = message.get("more_body", False)


def _asker(scope: Scope) -> Asker:
    """Return who is counted: a token or person that was taken before, else the address.

    Whoever floods with made-up tokens uses up what their address has, and nobody else's.
    """
    keeper = getattr(getattr(scope.get("app"), "state", None), "doorkeeper", None)
    known = keeper.known(Headers(scope=scope)) if isinstance(keeper, Doorkeeper) else None
    if known is not None:
        return Asker(known, stranger=False)
    return Asker(place_of((scope.get("client") or ("",))[0]), stranger=True)


def _again(told: str, seconds: int) -> TooManyRequestsError:
    return TooManyRequestsError(
        told,
        again=seconds,
        hint=f"come back in {seconds} s; one stream of /api/v1/events tells all that happens "
        "without asking again and again",
    )

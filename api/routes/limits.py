"""How often, and how many at once: so that no reader, however many, starves who decides.

Requests are sorted into three lanes with limits of their own. The urgent one is for what people do
in a recovery that is under way: decisions, halt, hold. Whoever fills another lane does not get in
its way.
"""

from __future__ import annotations

import asyncio
import re
from enum import StrEnum
from typing import NamedTuple

from limits import RateLimitItem, RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import FixedWindowRateLimiter
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.auth import Doorkeeper
from api.problems import answer_drorch_error
from api.schemas.access_problems import TooManyRequestsError

_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
_URGENT = re.compile(
    r"/api/v1/(halt|holds/[^/]+/[^/]+|runs/[^/]+/[a-z]+|runs/[^/]+/steps/[^/]+/[a-z]+)"
    r"|/runs/[^/]+/(steps/[^/]+/)?[a-z]+"
)
_STREAMS = re.compile(r"/api/v1/(events|runs/[^/]+/events)")
_BODY_WITHIN = 30.0
"""Seconds that a request gets to send its body."""


class Lane(StrEnum):
    """What kind of request it is."""

    URGENT = "urgent"
    CHANGE = "change"
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
    Lane.READ: _Limit(RateLimitItemPerMinute(3000), 48),
    Lane.STREAM: _Limit(RateLimitItemPerMinute(30_000), 1_000_000),
}


def lane_of(method: str, path: str) -> Lane:
    """Return the lane of a request."""
    if method in _SAFE:
        return Lane.STREAM if _STREAMS.fullmatch(path) else Lane.READ
    return Lane.URGENT if _URGENT.fullmatch(path) else Lane.CHANGE


class Admission:
    """Lets requests in by lane; the others are told when to come back."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._limiter = FixedWindowRateLimiter(MemoryStorage())
        self._inside = dict.fromkeys(Lane, 0)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        lane = lane_of(scope["method"], scope["path"])
        refusal = self._refusal(lane, _asker(scope))
        if refusal is not None:
            await answer_drorch_error(Request(scope), refusal)(scope, receive, send)
            return
        self._inside[lane] += 1
        try:
            await self._app(scope, _in_time(receive), send)
        finally:
            self._inside[lane] -= 1

    def _refusal(self, lane: Lane, asker: str) -> TooManyRequestsError | None:
        limit = LIMITS[lane]
        if not self._limiter.hit(limit.rate, lane, asker):
            told = f"more than {limit.rate.amount} requests of this kind within a minute"
            return _again(told, 10)
        if self._inside[lane] >= limit.at_once:
            return _again(f"{limit.at_once} requests of this kind are being answered", 1)
        return None


def _asker(scope: Scope) -> str:
    """Return who is counted: a token or session that was taken before, else the address.

    Whoever floods with made-up tokens uses up what their address has, and nobody else's.
    """
    keeper = getattr(getattr(scope.get("app"), "state", None), "doorkeeper", None)
    known = keeper.known(Headers(scope=scope)) if isinstance(keeper, Doorkeeper) else None
    return known or (scope.get("client") or ("",))[0]


def _again(told: str, seconds: int) -> TooManyRequestsError:
    return TooManyRequestsError(
        told,
        again=seconds,
        hint=f"come back in {seconds} s; one stream of /api/v1/events tells all that happens "
        "without asking again and again",
    )


def _in_time(receive: Receive) -> Receive:
    """Give up on a body that does not come; what comes behind it may take its time."""
    whole = False
    until: float | None = None

    async def limited() -> Message:
        nonlocal whole, until
        if whole:
            return await receive()
        loop = asyncio.get_running_loop()
        until = until or loop.time() + _BODY_WITHIN
        try:
            async with asyncio.timeout_at(until):
                message = await receive()
        except TimeoutError:
            return {"type": "http.disconnect"}
        whole = not message.get("more_body", False)
        return message

    return limited

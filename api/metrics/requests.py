"""Every request: numbered, counted, timed, and a line in the log about it."""

from __future__ import annotations

import secrets
import time
from collections.abc import Mapping, Sequence

import structlog
from fastapi import Request
from fastapi.routing import APIRoute
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from structlog.contextvars import bind_contextvars, bound_contextvars, unbind_contextvars

from api.metrics.figures import Figures

log = structlog.get_logger()

UNMATCHED = "unmatched"
OTHER = "OTHER"
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_READS = frozenset({"GET", "HEAD", "OPTIONS"})
_GONE = 499
"""The status of a request whose client went away before it was answered."""
_STREAM = "text/event-stream"
_RUN = "run"


class Observed:
    """The outermost layer: it sees what the others refuse, too."""

    def __init__(
        self, app: ASGIApp, *, figures: Figures, routes: Sequence[tuple[str, APIRoute]]
    ) -> None:
        self._app = app
        self._figures = figures
        self._templates: Mapping[int, str] = {
            id(route): f"{prefix}{route.path}" for prefix, route in routes
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = secrets.token_hex(6)
        scope.setdefault("state", {})["request_id"] = request_id
        began = time.perf_counter()
        status, told = _GONE, False

        async def watched(message: Message) -> None:
            nonlocal status, told
            if message["type"] == "http.response.start":
                status = message["status"]
                if Headers(raw=message["headers"]).get("content-type", "").startswith(_STREAM):
                    told = True  # it may stay open for a day: what counts is how soon it began
                    self._tell(scope, status, time.perf_counter() - began)
            await send(message)

        with bound_contextvars(request_id=request_id):
            try:
                await self._app(scope, receive, watched)
            finally:
                if not told:
                    self._tell(scope, status, time.perf_counter() - began)
                unbind_contextvars(_RUN)

    def _tell(self, scope: Scope, status: int, seconds: float) -> None:
        method = scope["method"] if scope["method"] in _METHODS else OTHER
        route = self._template(scope)
        self._figures.answered(method, route, status, seconds)
        say = log.debug if method in _READS else log.info
        run = scope.get("path_params", {}).get(_RUN)
        about = {_RUN: run} if run is not None else {}
        say(
            "http.request",
            method=method,
            route=route,
            status=status,
            ms=round(seconds * 1000, 1),
            who=who(scope),
            **about,
        )

    def _template(self, scope: Scope) -> str:
        """Return the route's pattern: addresses are without number, and may hold a secret."""
        found = self._templates.get(id(scope.get("route")))
        if found is None and scope.get("app_root_path") is not None and scope.get("root_path"):
            return "/static/{path}"  # what is mounted has no route
        return found or UNMATCHED


def who(scope: Scope) -> str:
    """Return who asks, as far as somebody has found out: `Principal.identity`."""
    principal = scope.get("state", {}).get("principal")
    return str(getattr(principal, "identity", ""))


async def name_the_run(request: Request) -> None:
    """Put the run that a request is about into every line of the log made for it."""
    run = request.path_params.get(_RUN)
    if run is not None:
        bind_contextvars(**{_RUN: run})

"""``Idempotency-Key``: the same request again gets the first answer and does nothing again.

That a request had its effect is stored with the effect itself (`drorch.journal.ledger`). Here its
answer is stored, too; where a crash came in between, the answer is made anew from the effect.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from fastapi import Request
from fastapi.responses import JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.routes.desk import Desk
from drorch.access.principal import RequestKey
from drorch.journal.ledger import (
    EffectKnownError,
    Known,
    forget_requests,
    keep_answer,
    known_request,
)
from drorch.model.moment import stamp

KEPT_FOR = timedelta(days=30)
_CLEANED_EVERY = 3600.0
_MOST_BODY = 1024 * 1024
_KEPT_HEADERS = frozenset({"content-type", "location", "etag"})
ONCE = "once_only"
"""The name in a request's state of the body to keep, where the real one holds a secret."""


class Effect(NamedTuple):
    """What a request has done, as the record has it; *by* and *reason* are empty in old rows."""

    action: str
    object: str
    by: str = ""
    reason: str = ""


Again = Callable[[Desk, Effect], Awaitable[Response]]
"""Makes the answer anew from what was done."""


class Remembered:
    """Stores the answers of requests that came with a key, before they are given."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._cleaned = float("-inf")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "POST":
            await self._app(scope, receive, send)
            return
        held: list[Message] = []

        async def watched(message: Message) -> None:
            if _key(scope) is None:
                await send(message)
                return
            held.append(message)
            if message["type"] == "http.response.body" and not message.get("more_body"):
                await self._keep(scope, held)
                for part in held:
                    await send(part)
                held.clear()

        await self._app(scope, receive, watched)

    async def _keep(self, scope: Scope, held: list[Message]) -> None:
        key = _key(scope)
        assert key is not None  # noqa: S101 (asked before)
        status = held[0]["status"]
        body = scope["state"].get(ONCE) or b"".join(m.get("body", b"") for m in held[1:])
        names = ((k.decode().lower(), v.decode("latin-1")) for k, v in held[0]["headers"])
        headers = {name: value for name, value in names if name in _KEPT_HEADERS}
        desk: Desk = scope["app"].state.desk
        succeeded = 200 <= status < 300
        known = await desk.app.store.reading(lambda c: known_request(c, key))
        if (known is None and not succeeded) or len(body) > _MOST_BODY:
            return  # nothing was done, so the same may be tried again
        text = body.decode("utf-8", "replace")
        await desk.app.store.writing(lambda c: keep_answer(c, key, status, headers, text))
        await self._clean(desk)

    async def _clean(self, desk: Desk) -> None:
        now = asyncio.get_running_loop().time()
        if now - self._cleaned > _CLEANED_EVERY:
            self._cleaned = now
            before = stamp(datetime.now(UTC) - KEPT_FOR)
            await desk.app.store.writing(lambda c: forget_requests(c, before))


def _key(scope: Scope) -> RequestKey | None:
    key = scope.get("state", {}).get("request_key")
    return key if isinstance(key, RequestKey) else None


async def answer_again(
    request: Request, error: EffectKnownError, again: Mapping[str, Again]
) -> Response:
    """Return the answer to a request that had its effect before."""
    known: Known = error.known
    if known.status is not None:
        headers = {**known.headers, "Idempotency-Replayed": "true"}
        return Response(known.body, known.status, headers)
    effect = Effect(*(str(known.effect.get(name, "")) for name in Effect._fields))
    desk: Desk = request.app.state.desk
    make = again.get(effect.action, _plain)
    answer = await make(desk, effect)
    answer.headers["Idempotency-Replayed"] = "true"
    return answer


async def _plain(desk: Desk, effect: Effect) -> Response:
    """Say what was done; its own answer was lost in a crash."""
    del desk
    content = {"done": effect.object, "note": "this was done before; its first answer was lost"}
    return JSONResponse(json.loads(json.dumps(content)))

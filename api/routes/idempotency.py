"""``Idempotency-Key``: the same request again gets the same answer and does nothing again."""

from __future__ import annotations

import hashlib
import time
from collections import OrderedDict
from dataclasses import dataclass, field

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.problems import answer_drorch_error
from api.schemas.problem_types import InvalidRequestError, KeyInUseError, KeyReusedError
from drorch.errors import DrorchError

KEPT_FOR = 24 * 3600.0
"""Seconds. Answers are kept in this process's memory: a restart of it forgets them."""
_MOST = 1000
_LONGEST_KEY = 200


@dataclass(slots=True)
class _Answer:
    """What was answered to a request; ``messages`` is empty while it is being worked on."""

    fingerprint: str
    at: float
    messages: list[Message] = field(default_factory=list)


class Remembered:
    """Keeps the answers of POST requests that came with a key."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._answers: OrderedDict[str, _Answer] = OrderedDict()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        key = self._key(scope)
        if key is None:
            await self._app(scope, receive, send)
            return
        request = Request(scope, receive)
        body = await request.body()
        fingerprint = _fingerprint(scope, body)
        known = self._known(key)
        if (refusal := _refusal(key, known, fingerprint)) is not None:
            await answer_drorch_error(request, refusal)(scope, receive, send)
        elif known is not None:
            for message in known.messages:
                await send(_marked(message))
        else:
            await self._first(key, fingerprint, body, scope, send)

    def _key(self, scope: Scope) -> str | None:
        if scope["type"] != "http" or scope["method"] != "POST":
            return None
        return Headers(scope=scope).get("idempotency-key")

    def _known(self, key: str) -> _Answer | None:
        known = self._answers.get(key)
        if known is not None and time.monotonic() - known.at > KEPT_FOR:
            del self._answers[key]
            return None
        return known

    async def _first(
        self, key: str, fingerprint: str, body: bytes, scope: Scope, send: Send
    ) -> None:
        answer = _Answer(fingerprint, time.monotonic())
        self._answers[key] = answer
        messages: list[Message] = []
        sent = False

        async def receive() -> Message:
            nonlocal sent
            sent, before = True, sent
            if before:
                return {"type": "http.disconnect"}
            return {"type": "http.request", "body": body, "more_body": False}

        async def kept(message: Message) -> None:
            messages.append(message)
            await send(message)

        try:
            await self._app(scope, receive, kept)
        finally:
            if messages and messages[0]["status"] < 500:
                answer.messages = messages
            else:
                self._answers.pop(key, None)
            while len(self._answers) > _MOST:
                self._answers.popitem(last=False)


def _fingerprint(scope: Scope, body: bytes) -> str:
    where = f"{scope['method']} {scope['path']} {scope['query_string']!r}\n"
    return hashlib.sha256(where.encode() + body).hexdigest()


def _refusal(key: str, known: _Answer | None, fingerprint: str) -> DrorchError | None:
    if not 1 <= len(key) <= _LONGEST_KEY:
        return InvalidRequestError(f"Idempotency-Key has 1 to {_LONGEST_KEY} characters")
    if known is None:
        return None
    if known.fingerprint != fingerprint:
        return KeyReusedError(
            "this Idempotency-Key belongs to another request", hint="make a new key"
        )
    if not known.messages:
        return KeyInUseError(
            "the first request with this key is not answered yet", hint="ask again in a second"
        )
    return None


def _marked(message: Message) -> Message:
    if message["type"] != "http.response.start":
        return message
    replayed = (b"idempotency-replayed", b"true")
    return {**message, "headers": [*message["headers"], replayed]}

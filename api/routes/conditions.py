"""ETags: what a client has read, and whether that is still what is there.

A condition is never asked for. One that is sent is held to, in the transaction of the change.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, is_dataclass
from typing import Annotated, Any, Generic, TypeVar

from fastapi import Header, Request
from fastapi.encoders import jsonable_encoder
from fastapi.responses import JSONResponse, Response

from api.schemas.common import Answers
from api.schemas.problem_types import PreconditionFailedError

T = TypeVar("T")

_ANY = "*"
_LONGEST = 400
_CACHING = {"Cache-Control": "private, no-cache"}
_TAG = {"description": "What is there now.", "schema": {"type": "string", "maxLength": 100}}

IfMatch = Annotated[
    str | None,
    Header(
        max_length=_LONGEST,
        description="Do it only if the ETag is still this one, else 412; `*`: if there is one.",
    ),
]
IfNoneMatch = Annotated[
    str | None,
    Header(
        max_length=_LONGEST,
        description="Reading: 304 if the ETag is still this one. Changing: `*` does it only if "
        "there is none yet, else 412.",
    ),
]
NOT_MODIFIED: Answers = {304: {"description": "It is still as you have read it"}}
TAGGED: Answers = {200: {"description": "As it is now", "headers": {"ETag": _TAG}}}


def tag_of(value: Any) -> str:
    """Return the strong ETag of a value that is shown: another value, another tag."""
    plain = asdict(value) if is_dataclass(value) and not isinstance(value, type) else value
    text = json.dumps(plain, sort_keys=True, default=str)
    return f'"{hashlib.sha256(text.encode()).hexdigest()[:24]}"'


def tags_in(header: str | None) -> Sequence[str]:
    """Return the tags of a header; weak ones, which vouch for nothing, are left out."""
    parts = [part.strip() for part in (header or "").split(",")]
    return [part for part in parts if part and not part.startswith("W/")]


class Conditions(Generic[T]):
    """What a request that changes something was sent for; *tagged* makes the ETag of what is."""

    def __init__(
        self, if_match: str | None, if_none_match: str | None, tagged: Callable[[T], str]
    ) -> None:
        self._match = if_match
        self._none = if_none_match
        self._tagged = tagged

    def check(self, there: T | None) -> None:
        """Raise `PreconditionFailedError` unless *there* is what the client has read."""
        tag = None if there is None else self._tagged(there)
        if self._match is not None and not _names(self._match, tag):
            told = "there is none" if tag is None else f"its ETag is {tag}"
            raise PreconditionFailedError(
                f"If-Match is {self._match[:100]!r}, and {told}: nothing was changed",
                hint="read it again, look at what is new, and send your change with that ETag",
            )
        if self._none is not None and _names(self._none, tag):
            raise PreconditionFailedError(
                f"If-None-Match is {self._none[:100]!r}, and its ETag is {tag}: nothing was done",
                hint="there is one already: read it before you replace it",
            )


def _names(header: str, tag: str | None) -> bool:
    return tag is not None and (header.strip() == _ANY or tag in tags_in(header))


def told(request: Request, content: Any, tag: str) -> Response:
    """Answer a reader with *content* and its *tag*, or with 304 where that is known."""
    headers = {"ETag": tag, **_CACHING}
    known = (request.headers.get("if-none-match") or "").replace("W/", "")
    if known and _names(known, tag):
        return Response(status_code=304, headers=headers)
    return JSONResponse(jsonable_encoder(content), headers=headers)

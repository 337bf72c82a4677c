"""Lists in pages: how many, and where the next page begins."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import Path, Query

from api.schemas.problem_types import InvalidRequestError
from drorch.run.views import Json

Limit = Annotated[int, Query(ge=1, le=1000, description="How many items at most.")]
RunId = Annotated[str, Path(max_length=90, description="The run's id.", examples=["town-1"])]
StepId = Annotated[str, Path(max_length=63, description="The step's id.", examples=["dc01"])]
PlanId = Annotated[str, Path(max_length=63, description="The plan's id.", examples=["town"])]
MOST_REVISIONS = 1_000_000_000
RevisionNumber = Annotated[
    int, Path(ge=1, le=MOST_REVISIONS, description="The revision's number.", examples=[3])
]
ConnectorName = Annotated[
    str, Path(max_length=63, description="The connector's name.", examples=["pve"])
]
MachineName = Annotated[
    str, Path(max_length=255, description="The machine's id, or its name.", examples=["101"])
]
Cursor = Annotated[
    str | None, Query(max_length=300, description="`next` of the page before; opaque.")
]


def to_cursor(place: str) -> str:
    """Return a place in a list as the opaque word that clients send back."""
    return base64.urlsafe_b64encode(place.encode()).decode().rstrip("=")


def from_cursor(cursor: str | None) -> str:
    """Return the place behind *cursor*; empty for the beginning. Raises `InvalidRequestError`."""
    if cursor is None:
        return ""
    try:
        return base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode()
    except (binascii.Error, ValueError) as error:
        raise _not_a_cursor(cursor) from error


def number_from_cursor(cursor: str | None) -> int:
    """Return the number behind *cursor*, 0 for the beginning. Raises `InvalidRequestError`."""
    place = from_cursor(cursor)
    if not place:
        return 0
    if not (place.isascii() and place.isdigit() and len(place) < 16):
        raise _not_a_cursor(cursor)
    return int(place)


def _not_a_cursor(cursor: str | None) -> InvalidRequestError:
    return InvalidRequestError(
        f"{cursor!r} is no cursor of this list", hint="send `next` of the page before, unchanged"
    )


def page_of(items: Sequence[Any], limit: int, cursor: str | None) -> Json:
    """Return one page of a short list that is known whole; its places are numbers."""
    start = number_from_cursor(cursor)
    end = start + limit
    more = to_cursor(str(end)) if end < len(items) else None
    return {"items": list(items[start:end]), "next": more}

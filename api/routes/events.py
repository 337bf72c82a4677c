"""Everything that happens in all runs, as one live stream."""

from __future__ import annotations

import re
from typing import Annotated

from fastapi import APIRouter, Header, Query, Request, Response

from api.auth import READING
from api.routes.desk import Desk, TheDesk
from api.routes.feeds import EverythingSource, cursor
from api.routes.streaming import EventStream, still_known
from api.schemas.common import problems
from api.schemas.problem_types import CursorUnknownError, InvalidRequestError
from api.schemas.runs import MESSAGE
from drorch.journal.following import BEGINNING, Spot, newest_spot, stands

router = APIRouter(tags=["events"])

_LONGEST = 120
_CURSOR = re.compile(r"(?P<txn>[0-9]{1,18})\.(?P<seq>[0-9]{1,9})\.(?P<run>[a-z0-9._-]{0,90})")
_FROM_THE_FIRST = "0"

Place = Annotated[
    str | None,
    Query(
        max_length=_LONGEST,
        description="Begin behind this event: the id of a message of this stream. 0 begins with "
        "the first event of all; without it the stream begins now.",
        examples=["4711.12.town-3"],
    ),
]
LastEventId = Annotated[
    str | None,
    Header(max_length=_LONGEST, description="As `after`, and it goes first: browsers send it."),
]


@router.get(
    "/events",
    operation_id="stream_events",
    dependencies=[READING],
    response_class=Response,
    responses=problems(
        also={
            200: {
                "description": "A stream of server-sent events that stays open.",
                "content": {"text/event-stream": {"schema": MESSAGE}},
            }
        },
    ),
)
async def stream_events(
    request: Request, desk: TheDesk, after: Place = None, last_event_id: LastEventId = None
) -> Response:
    """Stream the events of all runs: from now on, or behind `Last-Event-ID` or `after`.

    Each message has the event with its `run`; its id is a place to resume from, also after a
    restart of the service. Messages called `clock` tell the server's time, at least every ten
    seconds; the first of them has the id of the place from where the stream begins.
    """
    desk.feeds.admit()
    spot = await _begin(desk, last_event_id or after)
    source = EverythingSource(desk.app.store)
    return EventStream(desk.feeds, source, spot, number=cursor(spot), still=still_known(request))


async def _begin(desk: Desk, asked: str | None) -> Spot:
    """Return the place behind which the stream begins. Raises `CursorUnknownError`."""
    if not asked:
        return await newest_spot(desk.app.store)
    spot = spot_of(asked)
    if not await stands(desk.app.store, spot):
        raise CursorUnknownError(
            f"no event of this service is at {asked}",
            hint="was another store or a backup put in its place? Read what you need again: "
            "after=0 begins with the first event of all, without it the stream begins now",
        )
    return spot


def spot_of(asked: str) -> Spot:
    """Return the place that a client names. Raises `InvalidRequestError`."""
    if asked == _FROM_THE_FIRST:
        return BEGINNING
    match = _CURSOR.fullmatch(asked)
    if match is None:
        raise InvalidRequestError(
            f"{asked[:_LONGEST]!r} is no id of a message of this stream",
            hint="send the id of the last message that you have, unchanged, or none at all",
        )
    return Spot(int(match["txn"]), match["run"], int(match["seq"]))

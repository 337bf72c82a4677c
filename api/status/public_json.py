"""The public page for programs: the same board as data."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from api.auth import PUBLIC
from api.routes.conditions import NOT_MODIFIED, TAGGED, IfNoneMatch
from api.schemas import status as shapes
from api.schemas.common import problems
from api.status.board import board_text
from api.status.bulletin import Bulletin
from api.status.pages import kept
from drorch.errors import JournalUnavailableError

router = APIRouter(tags=["services"])


@router.get(
    "/status.json",
    operation_id="public_status",
    dependencies=[PUBLIC],
    response_model=shapes.PublicStatus,
    responses=problems(also=TAGGED | NOT_MODIFIED),
)
async def status_json(request: Request, if_none_match: IfNoneMatch = None) -> Response:
    """Tell everybody how each service is; there is nothing internal in it.

    503 when nothing was ever learned; what is old says so in `stale_since`.
    """
    del if_none_match  # documented here, read by `kept`
    bulletin: Bulletin = request.app.state.bulletin
    board = await bulletin.board()
    if board is None:
        raise JournalUnavailableError(
            "nothing is known of the services at present",
            hint="the journal cannot be read; /readyz says why",
        )
    return kept(request, board_text(board), "application/json")

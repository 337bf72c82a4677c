"""The public page for programs: the same board as data."""

from __future__ import annotations

import json

from fastapi import APIRouter, Request, Response

from api.auth import PUBLIC
from api.routes.conditions import NOT_MODIFIED, TAGGED, IfNoneMatch
from api.schemas import status as shapes
from api.schemas.common import problems
from api.status.board import Board, board_json
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
    return kept(request, as_text(board), "application/json")


def as_text(board: Board) -> bytes:
    """Return the board as the text of ``status.json``."""
    return json.dumps(board_json(board), ensure_ascii=False, indent=1).encode() + b"\n"

"""Orchestrators: who is there, and who drives which run."""

from __future__ import annotations

from fastapi import APIRouter

from api.auth import READING
from api.orchestrators import orchestrators
from api.routes.desk import TheDesk
from api.routes.paging import Cursor, Limit, page_of
from api.schemas import nodes as shapes
from api.schemas.common import problems
from drorch.run.views import Json

router = APIRouter(tags=["nodes"])


@router.get(
    "/nodes",
    operation_id="list_nodes",
    dependencies=[READING],
    response_model=shapes.Orchestrators,
    responses=problems(),
)
async def list_nodes(desk: TheDesk, limit: Limit = 1000, cursor: Cursor = None) -> Json:
    """List the orchestrators on this journal, those that live first, and what each drives."""
    return page_of(await orchestrators(desk.app), limit, cursor)

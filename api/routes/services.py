"""Services: what citizens and counters know, and how each stands now."""

from __future__ import annotations

from fastapi import APIRouter

from api.auth import READING
from api.routes.desk import TheDesk
from api.routes.paging import Cursor, Limit, page_of
from api.schemas import runs as shapes
from api.schemas.common import problems
from drorch.run.services import Json

router = APIRouter(tags=["services"])


@router.get(
    "/services",
    operation_id="list_services",
    dependencies=[READING],
    response_model=shapes.Services,
    responses=problems(),
)
async def list_services(desk: TheDesk, limit: Limit = 1000, cursor: Cursor = None) -> Json:
    """List each service of the stored plans, those restored first at the top.

    `derived_state` is what drorch knows, by `known_by`: an open live run, else what was seen
    within the last rounds of an ordinary day, else the newest live run that has ended. While a
    recovery is under way, what it leaves alone and was up all the time is `not_affected`. Where a
    person has put up a notice, `state` is what they say.
    """
    return page_of(await desk.services(), limit, cursor)

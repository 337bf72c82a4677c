"""Holds: machines that no run may start until somebody lifts it."""

from __future__ import annotations

from fastapi import APIRouter

from api import estates
from api.routes.desk import TheDesk
from api.routes.paging import Cursor, Limit, page_of
from api.schemas import estates as shapes
from api.schemas.common import problems
from api.schemas.problem_types import HoldNotFoundError
from drorch.run.views import Json

router = APIRouter(tags=["holds"])


@router.get("/holds", operation_id="list_holds", response_model=shapes.Holds, responses=problems())
async def list_holds(desk: TheDesk, limit: Limit = 1000, cursor: Cursor = None) -> Json:
    """List the machines that must not be started."""
    return page_of(await estates.holds(desk.app), limit, cursor)


@router.put(
    "/holds/{connector}/{machine}",
    operation_id="put_hold",
    response_model=shapes.Held,
    responses=problems(404),
)
async def put_hold(connector: str, machine: str, wanted: shapes.HoldRequest, desk: TheDesk) -> Json:
    """Forbid every start order for a machine (its id or name), in every run, from now on."""
    held = await estates.hold_machine(
        desk.app, connector, machine, reason=wanted.reason, by=wanted.by or "api"
    )
    return {**held[0], "also": held[1:]}


@router.delete(
    "/holds/{connector}/{machine}",
    operation_id="delete_hold",
    status_code=204,
    responses=problems(404),
)
async def delete_hold(connector: str, machine: str, desk: TheDesk) -> None:
    """Lift the hold of a machine (its id or name): it may be started again."""
    if not await estates.release_machine(desk.app, connector, machine):
        raise HoldNotFoundError(
            f"{connector}/{machine} is not held", hint="GET /api/v1/holds lists what is"
        )

"""Holds: machines that no run may start until somebody lifts it."""

from __future__ import annotations

from dataclasses import asdict

from fastapi import APIRouter, Request, Response

from api import estates
from api.auth import READING, Holder, Releaser, named
from api.routes.conditions import (
    NOT_MODIFIED,
    TAGGED,
    Conditions,
    IfMatch,
    IfNoneMatch,
    tag_of,
    told,
)
from api.routes.desk import TheDesk
from api.routes.paging import ConnectorName, Cursor, Limit, MachineName, page_of
from api.schemas import estates as shapes
from api.schemas.common import problems
from api.schemas.problem_types import HoldNotFoundError
from drorch.journal.shelf import Hold
from drorch.run.views import Json

router = APIRouter(tags=["holds"])


@router.get(
    "/holds",
    operation_id="list_holds",
    dependencies=[READING],
    response_model=shapes.Holds,
    responses=problems(),
)
async def list_holds(desk: TheDesk, limit: Limit = 1000, cursor: Cursor = None) -> Json:
    """List the machines that must not be started."""
    return page_of(await estates.holds(desk.app), limit, cursor)


@router.get(
    "/holds/{connector}/{machine}",
    operation_id="get_hold",
    dependencies=[READING],
    response_model=shapes.HoldPlaced,
    responses=problems(404, also=TAGGED | NOT_MODIFIED),
)
async def get_hold(
    connector: ConnectorName,
    machine: MachineName,
    request: Request,
    desk: TheDesk,
    if_none_match: IfNoneMatch = None,
) -> Response:
    """Return one hold, named as `GET /holds` shows it, with its ETag."""
    del if_none_match  # documented here, read by `told`
    hold = await desk.app.shelf.held(connector, machine)
    if hold is None:
        raise _not_held(connector, machine)
    return told(request, asdict(hold), tag_of(hold))


@router.put(
    "/holds/{connector}/{machine}",
    operation_id="put_hold",
    response_model=shapes.Held,
    responses=problems(404, 412, also=TAGGED),
)
async def put_hold(
    connector: ConnectorName,
    machine: MachineName,
    wanted: shapes.HoldRequest,
    caller: Holder,
    desk: TheDesk,
    *,
    response: Response,
    if_match: IfMatch = None,
    if_none_match: IfNoneMatch = None,
) -> Json:
    """Forbid every start order for a machine (its id or name), in every run, from now on.

    Conditions are about the hold of the name that is given: name the machine by its id.
    """
    conditions = Conditions[Hold](if_match, if_none_match, tag_of)
    caller = named(caller, wanted.by)
    held = await estates.hold_machine(
        desk.app, connector, machine, reason=wanted.reason, caller=caller, check=conditions.check
    )
    if (hold := await desk.app.shelf.held(connector, held[0]["machine"])) is not None:
        response.headers["ETag"] = tag_of(hold)
    return {**held[0], "also": held[1:]}


@router.delete(
    "/holds/{connector}/{machine}",
    operation_id="delete_hold",
    status_code=204,
    responses=problems(404, 412, 502),
)
async def delete_hold(
    connector: ConnectorName,
    machine: MachineName,
    caller: Releaser,
    desk: TheDesk,
    if_match: IfMatch = None,
) -> None:
    """Lift the hold of a machine (its id or name): it may be started again."""
    check = Conditions[Hold](if_match, None, tag_of).check
    if not await estates.release_machine(desk.app, connector, machine, caller, check):
        raise _not_held(connector, machine)


def _not_held(connector: str, machine: str) -> HoldNotFoundError:
    return HoldNotFoundError(
        f"{connector}/{machine} is not held", hint="GET /api/v1/holds lists what is"
    )

"""Halt: nothing new goes out anywhere until an admin lifts it."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse

from api.access import halt_json
from api.auth import READING, Halter, Lifter
from api.routes.conditions import NOT_MODIFIED, TAGGED, IfNoneMatch, tag_of, told
from api.routes.desk import Desk, TheDesk
from api.routes.idempotency import Effect
from api.schemas import access as shapes
from api.schemas.common import problems
from drorch.run.views import Json

router = APIRouter(tags=["halt"])


@router.get(
    "/halt",
    operation_id="get_halt",
    dependencies=[READING],
    response_model=shapes.Halt,
    responses=problems(also=TAGGED | NOT_MODIFIED),
)
async def get_halt(request: Request, desk: TheDesk, if_none_match: IfNoneMatch = None) -> Response:
    """Tell whether drorch is halted, by whom and why."""
    del if_none_match  # documented here, read by `told`
    content = halt_json(await desk.app.site.halted())
    return told(request, content, tag_of(content))


@router.post("/halt", operation_id="halt", response_model=shapes.Halt, responses=problems())
async def post_halt(wanted: shapes.HaltRequest, caller: Halter, desk: TheDesk) -> Json:
    """Let no start, stop or callout out anywhere, in any run, within a second.

    What was ordered before goes on; checks and notifications go on, too.
    """
    act = caller.act("halt", "site", reason=wanted.reason)
    return halt_json(await desk.app.site.halt(wanted.reason, act))


async def halted_again(desk: Desk, effect: Effect) -> Response:
    """Answer once more for a halt: what holds now."""
    del effect
    return JSONResponse(halt_json(await desk.app.site.halted()))


@router.delete("/halt", operation_id="lift_halt", status_code=204, responses=problems(409))
async def delete_halt(caller: Lifter, desk: TheDesk) -> None:
    """Lift the halt: runs go on by themselves."""
    await desk.app.site.lift(caller.act("halt.lift", "site"))

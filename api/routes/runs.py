"""Runs: start them, list them, read them, follow their journal."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Header, Query, Request, Response
from fastapi.encoders import jsonable_encoder
from fastapi.responses import JSONResponse

from api.auth import READING, Rehearser, named
from api.operations import Wish, chosen, start_run
from api.routes.desk import Desk, TheDesk
from api.routes.feeds import RunSource
from api.routes.idempotency import Effect
from api.routes.paging import (
    Cursor,
    Limit,
    RunId,
    StepId,
    from_cursor,
    number_from_cursor,
    page_of,
    to_cursor,
)
from api.routes.streaming import EventStream, still_known
from api.schemas import runs as shapes
from api.schemas.common import problems
from api.schemas.problem_types import ConfirmationNeededError, InvalidRequestError
from drorch.access.principal import Caller
from drorch.access.roles import to_start
from drorch.journal.following import last_seq
from drorch.journal.pages import Place, RunFilter, events_page
from drorch.journal.shelf import StoredPlan
from drorch.model.plan import Plan
from drorch.run.status import Mode, RunStatus, StepStatus
from drorch.run.views import Json, shown_status, step_json

router = APIRouter(tags=["runs"])

_LAST = 2**53 - 1
"""No number of an event is higher: every reader of JSON can tell it from its neighbours."""


@router.post(
    "/runs",
    operation_id="start_run",
    status_code=202,
    response_model=shapes.Run,
    responses=problems(404, 409, 502),
)
async def post_run(
    wanted: shapes.RunRequest, response: Response, caller: Rehearser, desk: TheDesk
) -> Json:
    """Create a run; the engine takes it up within a second. A live one is looked at first.

    Where the policy wants two people for a live run, it awaits the approval of another one. A
    live run takes the role responder.
    """
    caller = named(caller, wanted.by)
    caller.by.allow(to_start(Mode(wanted.mode)))
    _confirmed(wanted)
    plan, stored = await desk.plan(wanted.plan, wanted.revision)
    run, _ = await start_run(desk.app, wish_of(caller, wanted, plan, stored), keep_lease=False)
    response.headers["Location"] = f"/api/v1/runs/{run}"
    return await desk.shown(await desk.reader.state(run))


def wish_of(caller: Caller, wanted: shapes.RunRequest, plan: Plan, stored: StoredPlan) -> Wish:
    """Return what *wanted* asks to start, in the name of *caller*."""
    return Wish(
        chosen=chosen(stored, plan),
        mode=Mode(wanted.mode),
        caller=caller,
        reason=wanted.reason,
        only=wanted.only,
        break_glass=wanted.break_glass,
    )


async def run_again(desk: Desk, effect: Effect) -> Response:
    """Answer once more for a run that was created before."""
    run = effect.object.removeprefix("run/")
    shown = await desk.shown(await desk.reader.state(run))
    return JSONResponse(jsonable_encoder(shown), 202, headers={"Location": f"/api/v1/runs/{run}"})


def _confirmed(wanted: shapes.RunRequest) -> None:
    if wanted.mode == "live" and wanted.confirm != wanted.plan:
        raise ConfirmationNeededError(
            f"a live run of {wanted.plan} powers real machines on and has to be confirmed",
            hint=f'send "confirm": "{wanted.plan}" with the request',
        )


@router.get(
    "/runs",
    operation_id="list_runs",
    dependencies=[READING],
    response_model=shapes.Runs,
    responses=problems(),
)
async def list_runs(
    desk: TheDesk,
    *,
    status: Annotated[list[RunStatus] | None, Query()] = None,
    mode: Annotated[list[Mode] | None, Query()] = None,
    plan: Annotated[str | None, Query(max_length=63)] = None,
    limit: Limit = 20,
    cursor: Cursor = None,
) -> Json:
    """List the runs, newest first; filters may be repeated."""
    wanted = RunFilter(plan=plan or "", modes=mode or (), statuses=status or ())
    lines, more = await desk.reader.runs(wanted, limit, place_of(cursor))
    items = [await desk.run_json(line) for line in lines]
    return {"items": items, "next": to_cursor(" ".join(lines[-1].place)) if more else None}


def place_of(cursor: str | None) -> Place | None:
    """Return the place behind *cursor*. Raises `InvalidRequestError`."""
    if not (place := from_cursor(cursor)):
        return None
    created_at, _, run = place.partition(" ")
    if not (run and place.isprintable()):
        raise InvalidRequestError("this is no cursor of the list of runs")
    return Place(created_at, run)


@router.get(
    "/runs/{run}",
    operation_id="get_run",
    dependencies=[READING],
    response_model=shapes.Run,
    responses=problems(404),
)
async def get_run(run: RunId, desk: TheDesk) -> Json:
    """Return a run: status, counts, services, findings."""
    return await desk.shown(await desk.reader.state(run))


@router.get(
    "/runs/{run}/steps",
    operation_id="list_steps",
    dependencies=[READING],
    response_model=shapes.Steps,
    responses=problems(404),
)
async def list_steps(
    run: RunId,
    desk: TheDesk,
    status: Annotated[list[StepStatus] | None, Query()] = None,
    limit: Limit = 1000,
    cursor: Cursor = None,
) -> Json:
    """List the steps of a run in the plan's order."""
    state = await desk.reader.state(run)
    wanted = [n for n in range(len(state.steps)) if not status or shown_status(state, n) in status]
    page = page_of(wanted, limit, cursor)
    return {**page, "items": [step_json(state, number) for number in page["items"]]}


@router.get(
    "/runs/{run}/steps/{step}",
    operation_id="get_step",
    dependencies=[READING],
    response_model=shapes.Step,
    responses=problems(404),
)
async def get_step(run: RunId, step: StepId, desk: TheDesk) -> Json:
    """Return one step with its checks and their last results."""
    return step_json(*await desk.step(run, step))


@router.get(
    "/runs/{run}/events",
    operation_id="list_events",
    dependencies=[READING],
    response_model=shapes.Events,
    responses=problems(
        404, also={200: {"content": {"text/event-stream": {"schema": shapes.MESSAGE}}}}
    ),
)
async def list_events(
    run: RunId,
    request: Request,
    desk: TheDesk,
    *,
    after: Annotated[int, Query(ge=0, le=_LAST, description="Begin behind this number.")] = 0,
    last_event_id: Annotated[int | None, Header(ge=0, le=_LAST)] = None,
    limit: Limit = 200,
    cursor: Cursor = None,
) -> Response | Json:
    """Return the journal in pages, or, for `Accept: text/event-stream`, as a live stream.

    The stream begins behind `Last-Event-ID`, or behind `after`, and stays open with heartbeats
    (events called `clock`) also when the run has ended. Each message's id is the event's number.
    """
    if "text/event-stream" in request.headers.get("accept", ""):
        desk.feeds.admit()
        begin = after if last_event_id is None else last_event_id
        last = await last_seq(desk.app.store, run)
        source = RunSource(desk.app.store, run)
        still = still_known(request)
        return EventStream(desk.feeds, source, min(begin, last), still=still)
    begin = number_from_cursor(cursor) or after
    events, more = await events_page(desk.app.store, run, begin, limit)
    return {"items": events, "next": to_cursor(str(events[-1]["seq"])) if more else None}

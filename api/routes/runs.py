"""Runs: start them, list them, read them, follow their journal."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Header, Query, Request, Response

from api.operations import ChosenPlan, Wish, start_run
from api.routes.desk import TheDesk
from api.routes.paging import Cursor, Limit, from_cursor, number_from_cursor, page_of, to_cursor
from api.routes.streaming import EventStream
from api.schemas import runs as shapes
from api.schemas.common import problems
from api.schemas.problem_types import ConfirmationNeededError, InvalidRequestError
from api.telling import told_report
from drorch.journal.pages import Place, RunFilter, events_page, is_imported
from drorch.run.status import Mode, RunStatus, StepStatus
from drorch.run.views import Json, shown_status, step_json

router = APIRouter(tags=["runs"])


@router.post(
    "/runs",
    operation_id="start_run",
    status_code=202,
    response_model=shapes.Run,
    responses=problems(404, 409, 502),
)
async def post_run(wanted: shapes.RunRequest, response: Response, desk: TheDesk) -> Json:
    """Create a run; the engine takes it up within a second. A live one is looked at first."""
    _confirmed(wanted)
    plan, stored = await desk.plan(wanted.plan, wanted.revision)
    chosen = ChosenPlan(plan=plan, revision=stored.revision, source=stored.source, file=stored.plan)
    by = wanted.by or "api"
    mode = Mode(wanted.mode)
    wish = Wish(chosen=chosen, mode=mode, by=by, reason=wanted.reason, only=wanted.only)
    run, _ = await start_run(desk.app, wish, keep_lease=False)
    response.headers["Location"] = f"/api/v1/runs/{run}"
    return await desk.shown(await desk.reader.state(run))


def _confirmed(wanted: shapes.RunRequest) -> None:
    if wanted.mode == "live" and wanted.confirm != wanted.plan:
        raise ConfirmationNeededError(
            f"a live run of {wanted.plan} powers real machines on and has to be confirmed",
            hint=f'send "confirm": "{wanted.plan}" with the request',
        )


@router.get("/runs", operation_id="list_runs", response_model=shapes.Runs, responses=problems())
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
    lines, more = await desk.reader.runs(wanted, limit, _place(cursor))
    items = [await desk.run_json(line) for line in lines]
    return {"items": items, "next": to_cursor(" ".join(lines[-1].place)) if more else None}


def _place(cursor: str | None) -> Place | None:
    """Return the place behind *cursor*. Raises `InvalidRequestError`."""
    if not (place := from_cursor(cursor)):
        return None
    created_at, _, run = place.partition(" ")
    if not (run and place.isprintable()):
        raise InvalidRequestError("this is no cursor of the list of runs")
    return Place(created_at, run)


@router.get(
    "/runs/{run}", operation_id="get_run", response_model=shapes.Run, responses=problems(404)
)
async def get_run(run: str, desk: TheDesk) -> Json:
    """Return a run: status, counts, services, findings."""
    return await desk.shown(await desk.reader.state(run))


@router.get(
    "/runs/{run}/steps",
    operation_id="list_steps",
    response_model=shapes.Steps,
    responses=problems(404),
)
async def list_steps(
    run: str,
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
    response_model=shapes.Step,
    responses=problems(404),
)
async def get_step(run: str, step: str, desk: TheDesk) -> Json:
    """Return one step with its checks and their last results."""
    return step_json(*await desk.step(run, step))


@router.get(
    "/runs/{run}/events",
    operation_id="list_events",
    response_model=shapes.Events,
    responses=problems(
        404, also={200: {"content": {"text/event-stream": {"schema": {"type": "string"}}}}}
    ),
)
async def list_events(
    run: str,
    request: Request,
    desk: TheDesk,
    *,
    after: Annotated[int, Query(ge=0, description="Begin behind this number.")] = 0,
    last_event_id: Annotated[int | None, Header(ge=0)] = None,
    limit: Limit = 200,
    cursor: Cursor = None,
) -> Response | Json:
    """Return the journal in pages, or, for `Accept: text/event-stream`, as a live stream.

    The stream begins behind `Last-Event-ID`, or behind `after`, and stays open with heartbeats
    (events called `clock`) also when the run has ended. Each message's id is the event's number.
    """
    if "text/event-stream" in request.headers.get("accept", ""):
        last = (await desk.reader.state(run)).seq
        begin = after if last_event_id is None else last_event_id
        return EventStream(desk.feeds, run, min(begin, last), last)
    begin = number_from_cursor(cursor) or after
    events, more = await events_page(desk.app.store, run, begin, limit)
    return {"items": events, "next": to_cursor(str(events[-1]["seq"])) if more else None}


@router.get("/runs/{run}/report", operation_id="get_report", responses=problems(404))
async def get_report(run: str, desk: TheDesk) -> Json:
    """Return the after-action report as JSON, also while the run goes on."""
    recorded = await desk.app.store.read(run)
    plan, imported = (await desk.reader.state(run)).plan, await is_imported(desk.app.store, run)
    return told_report(desk.app, plan, recorded, imported=imported)

"""The first page and the list of runs."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse

from api import estates
from api.auth import READING
from api.dashboard import overview
from api.dashboard.around import around
from api.dashboard.glance import FleetGlance
from api.dashboard.rendering import page
from api.orchestrators import orchestrators
from api.rendering.visitor import visitor_of
from api.routes.desk import Desk, TheDesk
from api.routes.paging import Cursor, to_cursor
from api.routes.runs import place_of
from api.telling import connector_types
from drorch.journal.pages import RunFilter, runs_page
from drorch.run.views import Json

router = APIRouter()

_NEWEST = 10
_A_PAGE = 50


def fleet_glance(desk: Desk) -> FleetGlance:
    """Return what looks at the fleet for the pages over this desk."""

    async def look() -> Json:
        return await estates.fleet(desk.app, await desk.stored_plans())

    return FleetGlance(desk.app.clock, look)


@router.get("/", response_class=HTMLResponse, dependencies=[READING])
async def start_page(request: Request, desk: TheDesk) -> HTMLResponse:
    """Show the open run first; else whether a recovery could begin now."""
    glance: FleetGlance = request.app.state.glance
    lines = (await runs_page(desk.app.store, _NEWEST)).lines
    plans = await overview.plan_lines(desk)
    open_runs = await overview.open_cards(desk)
    names = sorted(desk.app.connectors)
    seen = await glance.newest() if names else None
    types = connector_types(desk.app.settings.connectors)
    return page(
        "start.html",
        visitor=visitor_of(request),
        open_runs=open_runs,
        live=any(one["is_live"] for one in open_runs),
        halt=await desk.app.site.halted(),
        ready=overview.readiness_words(plans, seen),
        plans=plans,
        seen=seen,
        cover=overview.coverage(seen) if seen else None,
        connectors=overview.connector_lines(names, types, seen) if seen else [],
        connectors_configured=bool(names),
        runs=overview.run_lines([await desk.run_json(line) for line in lines]),
        nodes=await orchestrators(desk.app),
        **around(desk),
    )


@router.get("/runs", response_class=HTMLResponse, dependencies=[READING])
async def runs_list(
    request: Request,
    desk: TheDesk,
    cursor: Cursor = None,
    plan: Annotated[str, Query(max_length=63)] = "",
) -> HTMLResponse:
    """List the runs, newest first, a page at a time."""
    lines, more = await desk.reader.runs(RunFilter(plan=plan), _A_PAGE, place_of(cursor))
    return page(
        "runs.html",
        visitor=visitor_of(request),
        runs=overview.run_lines([await desk.run_json(line) for line in lines]),
        next=to_cursor(" ".join(lines[-1].place)) if more else None,
        is_later=cursor is not None,
        **around(desk),
    )

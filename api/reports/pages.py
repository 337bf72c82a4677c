"""The page of a report, and the style of its printed pages."""

from __future__ import annotations

import asyncio

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, Response

from api.auth import READING
from api.locale import day_and_time
from api.rendering.visitor import visitor_of
from api.reports.making import report_of
from api.reports.marks import page_style
from api.reports.page import PAGES, report_context
from api.routes.desk import TheDesk
from api.telling import told_run
from api.version import VERSION

router = APIRouter()


@router.get("/runs/{run}/report", response_class=HTMLResponse, dependencies=[READING])
async def report_page(run: str, request: Request, desk: TheDesk) -> HTMLResponse:
    """Show the after-action report: what was back when, and where the time went."""
    report = await report_of(desk.app, desk.reader, run)
    visitor, now = visitor_of(request), desk.app.clock.now()

    def shown() -> HTMLResponse:
        context = report_context(report, now)
        return PAGES.page("report.html", visitor=visitor, **context, now=now, version=VERSION)

    return await asyncio.to_thread(shown)


@router.get("/runs/{run}/report.css", dependencies=[READING])
async def report_style(run: str, desk: TheDesk) -> Response:
    """Return the header and footer of the report's printed pages, which name run and plan."""
    told = told_run(desk.app, await desk.reader.state(run))
    written = day_and_time(desk.app.clock.now(), told["timezone"])
    return Response(page_style(told, written), media_type="text/css; charset=utf-8")

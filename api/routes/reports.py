"""The after-action report of a run: for programs, for people, for spreadsheets."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.encoders import jsonable_encoder
from fastapi.responses import JSONResponse, Response

from api.auth import READING
from api.dashboard.run_pages import report_page
from api.reports import steps_csv
from api.routes.desk import TheDesk
from api.routes.paging import RunId
from api.schemas.common import problems
from api.schemas.reports import Report
from api.telling import told_report
from drorch.journal.pages import is_imported

router = APIRouter(tags=["runs"])


class ReportFormat(StrEnum):
    """How a report is told."""

    JSON = "json"
    HTML = "html"
    CSV = "csv"


_TEXT = {"schema": {"type": "string"}}


@router.get(
    "/runs/{run}/report",
    operation_id="get_report",
    dependencies=[READING],
    response_model=Report,
    responses=problems(
        404,
        also={
            200: {
                "description": "The report, in the format that was asked for",
                "content": {"text/html": _TEXT, "text/csv": _TEXT},
            }
        },
    ),
)
async def get_report(
    run: RunId,
    request: Request,
    desk: TheDesk,
    format: Annotated[  # noqa: A002 (the contract's own word)
        ReportFormat, Query(description="json, html (a page to print) or csv (a row a step).")
    ] = ReportFormat.JSON,
) -> Response:
    """Return the after-action report, also while the run goes on."""
    if format is ReportFormat.HTML:
        return await report_page(run, request, desk)
    recorded = await desk.app.store.read(run)
    plan, imported = (await desk.reader.state(run)).plan, await is_imported(desk.app.store, run)
    report = told_report(desk.app, plan, recorded, imported=imported)
    if format is ReportFormat.CSV:
        named = {"Content-Disposition": f'attachment; filename="{run}.csv"'}
        return Response(steps_csv(report), media_type="text/csv; header=present", headers=named)
    return JSONResponse(jsonable_encoder(report))

"""The after-action report of a run: for programs, for people, for spreadsheets."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from datetime import datetime
from enum import StrEnum
from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.responses import HTMLResponse, JSONResponse, Response

from api.auth import READING
from api.reports import steps_csv
from api.reports.making import report_of
from api.reports.measures import Json
from api.reports.page import standalone, style_source
from api.reports.pdf import as_pdf
from api.routes.desk import TheDesk
from api.routes.guard import POLICY
from api.routes.paging import RunId
from api.schemas.common import problems
from api.schemas.reports import Report

router = APIRouter(tags=["runs"])


class ReportFormat(StrEnum):
    """How a report is told."""

    JSON = "json"
    HTML = "html"
    CSV = "csv"
    PDF = "pdf"


_TEXT = {"schema": {"type": "string"}}
_BYTES = {"schema": {"type": "string", "format": "binary"}}


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
                "content": {"text/html": _TEXT, "text/csv": _TEXT, "application/pdf": _BYTES},
            }
        },
    ),
)
async def get_report(
    run: RunId,
    desk: TheDesk,
    format: Annotated[  # noqa: A002 (the contract's own word)
        ReportFormat,
        Query(description="json, html (one file to keep or print), csv (a row a step) or pdf."),
    ] = ReportFormat.JSON,
    lang: Annotated[  # noqa: ARG001 (whoever answers in a language has read it already)
        str, Query(max_length=20, description="The language of the html and the pdf: it or en.")
    ] = "",
) -> Response:
    """Return the after-action report, also while the run goes on."""
    report = await report_of(desk.app, desk.reader, run)
    return await asyncio.to_thread(_ANSWERS[format], report, desk.app.clock.now())


def _html(report: Json, now: datetime) -> Response:
    """Return the one file; its own style is the one thing that a browser may take from it."""
    text = standalone(report, now)
    policy = f"default-src 'none'; style-src {style_source(text)}; frame-ancestors 'none'"
    return HTMLResponse(text, headers={POLICY: policy})


def _csv(report: Json, now: datetime) -> Response:
    del now
    run = report["run"]["id"]
    named = {"Content-Disposition": f'attachment; filename="{run}.csv"'}
    return Response(steps_csv(report), media_type="text/csv; header=present", headers=named)


def _pdf(report: Json, now: datetime) -> Response:
    run = report["run"]["id"]
    named = {"Content-Disposition": f'attachment; filename="{run}.pdf"'}
    return Response(as_pdf(standalone(report, now)), media_type="application/pdf", headers=named)


def _json(report: Json, now: datetime) -> Response:
    del now
    return JSONResponse(report)


_ANSWERS: Mapping[ReportFormat, Callable[[Json, datetime], Response]] = {
    ReportFormat.HTML: _html,
    ReportFormat.CSV: _csv,
    ReportFormat.JSON: _json,
    ReportFormat.PDF: _pdf,
}

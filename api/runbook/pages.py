"""The print pages: a plan on paper, and a run with what is done already ticked."""

from __future__ import annotations

import asyncio

from fastapi import APIRouter
from fastapi.responses import HTMLResponse

from api.auth import READING
from api.routes.desk import Desk, TheDesk
from api.runbook.checks import Around
from api.runbook.contents import runbook
from api.runbook.page import as_page
from api.telling import connector_types

router = APIRouter()


@router.get("/plans/{plan}/runbook", response_class=HTMLResponse, dependencies=[READING])
async def plan_on_paper(plan: str, desk: TheDesk, revision: int | None = None) -> HTMLResponse:
    """Show a stored plan as it goes on paper."""
    found, stored = await desk.plan(plan, revision)
    book = await asyncio.to_thread(
        runbook,
        found,
        at=desk.app.clock.now(),
        zone=desk.app.settings.server.timezone,
        around=_around(desk),
        revision=stored.revision,
    )
    return await asyncio.to_thread(as_page, book)  # of thousands of steps it takes a second


@router.get("/runs/{run}/runbook", response_class=HTMLResponse, dependencies=[READING])
async def run_on_paper(run: str, desk: TheDesk) -> HTMLResponse:
    """Show a run as it goes on paper now: what is done is ticked, the rest is to do."""
    state = await desk.reader.state(run)
    book = runbook(
        state.plan,
        at=desk.app.clock.now(),
        zone=state.timezone,
        around=_around(desk),
        revision=state.revision,
        state=state,
    )
    return await asyncio.to_thread(as_page, book)  # of thousands of steps it takes a second


def _around(desk: Desk) -> Around:
    settings = desk.app.settings
    return Around(
        types=connector_types(settings.connectors),
        callouts=settings.callouts,
        secrets=settings.secrets,
    )

"""The live page of a run and of a step, and the forms that decide there."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Annotated, Any, Literal
from urllib.parse import parse_qs, quote

from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse, RedirectResponse
from pydantic import ValidationError
from starlette.exceptions import HTTPException

from api.auth import READING, Approver, Decider, Rehearser, named
from api.dashboard.rendering import VERSION, page
from api.dashboard.run_view import band_of, card, run_view
from api.dashboard.visitor import visitor_of
from api.operations import OF_RUN, OF_STEP, Approval
from api.routes.decisions import approve, decide
from api.routes.desk import Desk, TheDesk
from api.schemas.problem_types import InvalidRequestError, MediaTypeError
from api.schemas.runs import ApproveRun, Decide
from api.telling import connector_types, told_report
from api.wording import outlook
from drorch.access.principal import Caller, Means
from drorch.journal.pages import events_page
from drorch.run.views import Json

router = APIRouter()

_RECENT = 25
_SLOWEST = 20
_TIMELINE = 500
Show = Annotated[Literal["", "all", "open"], Query()]
Told = Annotated[Literal["", "taken", "recorded"], Query()]


@router.get("/runs/{run}", response_class=HTMLResponse, dependencies=[READING])
async def run_page(
    run: str, request: Request, desk: TheDesk, show: Show = "", told: Told = ""
) -> HTMLResponse:
    """Show a run as it is now; a script keeps the page fresh, or the browser reloads it."""
    state = await desk.reader.state(run)
    shown, now = await desk.shown(state), desk.app.clock.now()
    view = run_view(state, shown, _types(desk), show, now)
    page_of_events = await events_page(desk.app.store, run, max(0, view["seq"] - _RECENT), _RECENT)
    return page(
        "run.html",
        visitor=visitor_of(request),
        **view,
        **_around(desk),
        driven=state.is_over or state.imported or shown["driven"],
        outlook=outlook(shown),
        outlook_at=now + timedelta(seconds=shown["remaining_s"] or 0),
        events=[_event_line(event) for event in reversed(page_of_events.events)],
        told=told,
    )


@router.get("/runs/{run}/steps/{step}", response_class=HTMLResponse, dependencies=[READING])
async def step_page(run: str, step: str, request: Request, desk: TheDesk) -> HTMLResponse:
    """Show one step with its evidence and its form; this page never reloads by itself."""
    state, number = await desk.step(run, step)
    return page(
        "step.html",
        visitor=visitor_of(request),
        run=run,
        band=band_of(state, _types(desk)),
        card=card(state, number),
        **_around(desk),
    )


@router.get("/runs/{run}/report", response_class=HTMLResponse, dependencies=[READING])
async def report_page(run: str, request: Request, desk: TheDesk) -> HTMLResponse:
    """Show the after-action report: what was back when, and where the time went."""
    state = await desk.reader.state(run)
    recorded = await desk.app.store.read(run)
    report = told_report(desk.app, state.plan, recorded, imported=state.imported)
    slowest = sorted((s for s in report["steps"] if s["took_s"]), key=lambda s: -s["took_s"])
    return page(
        "report.html",
        visitor=visitor_of(request),
        report=report,
        run=report["run"],
        slowest=slowest[:_SLOWEST],
        left=[s for s in report["steps"] if s["status"] not in ("healthy", "skipped")],
        timeline=[_event_line(event) for event in report["timeline"][-_TIMELINE:]],
        timeline_left=max(0, len(report["timeline"]) - _TIMELINE),
        band=band_of(state, _types(desk)),
        **_around(desk),
    )


def _around(desk: Desk) -> dict[str, Any]:
    zone = desk.app.settings.server.timezone
    return {"now": desk.app.clock.now(), "zone": zone, "version": VERSION}


def _types(desk: Desk) -> Mapping[str, str]:
    return connector_types(desk.app.settings.connectors)


def _event_line(event: Json) -> Json:
    """Return an event with what it says beside its type, short enough for one line."""
    quiet = ("checks", "machines", "findings", "until", "retry_at", "handle", "connector")
    parts = [f"{k} {v}" for k, v in event["data"].items() if k not in quiet and v not in ("", None)]
    told = ", ".join(parts)
    return {**event, "words": told if len(told) <= 200 else told[:199] + "…"}


@router.post("/runs/{run}/approve")
async def approve_run_by_form(
    run: str, request: Request, caller: Approver, desk: TheDesk
) -> RedirectResponse:
    """Take a form's approval of a live run, bound to what the page has shown of it."""
    fields = await _fields(request)
    given = _given(fields, caller)
    approval = Approval(
        comment=given.comment, digest=fields["digest"], break_glass=fields["break_glass"]
    )
    told = await approve(desk, named(caller, given.by), approval, run)
    return _back(run, told)


@router.post("/runs/{run}/{verb}")
async def decide_run_by_form(
    run: str, verb: str, request: Request, caller: Rehearser, desk: TheDesk
) -> RedirectResponse:
    """Take a form's decision about a run and go back to its page."""
    if verb not in OF_RUN:
        raise HTTPException(404)
    given = _given(await _fields(request), caller)
    told = await decide(desk, caller, given, verb, run=run)
    return _back(run, told)


@router.post("/runs/{run}/steps/{step}/{verb}")
async def decide_step_by_form(
    run: str, step: str, verb: str, request: Request, *, caller: Decider, desk: TheDesk
) -> RedirectResponse:
    """Take a form's decision about a step and go back to the run's page."""
    if verb not in OF_STEP:
        raise HTTPException(404)
    given = _given(await _fields(request), caller)
    told = await decide(desk, caller, given, verb, run=run, step=step)
    return _back(run, told)


def _back(run: str, told: Json) -> RedirectResponse:
    answer = "taken" if told["taken"] else "recorded"
    return RedirectResponse(f"/runs/{quote(run, safe='')}?told={answer}", 303)


async def _fields(request: Request) -> Mapping[str, str]:
    """Return the fields of a form. Raises `MediaTypeError` or `InvalidRequestError`."""
    kind = request.headers.get("content-type", "").split(";")[0].strip().lower()
    if kind != "application/x-www-form-urlencoded":
        raise MediaTypeError(
            "this address takes the page's own forms", hint="programs use /api/v1/runs/..."
        )
    try:
        fields = parse_qs((await request.body()).decode(), max_num_fields=10)
        names = ("comment", "by", "digest", "break_glass")
        told = {name: fields.get(name, [""])[-1].replace("\r\n", "\n") for name in names}
        ApproveRun(**told)  # as strict as the call for programs
    except ValidationError as error:
        raise InvalidRequestError(str(error.errors()[0]["msg"])) from error
    except ValueError as error:
        raise InvalidRequestError("the form cannot be read") from error
    return told


def _given(fields: Mapping[str, str], caller: Caller) -> Decide:
    """Return the decision; where nobody is authenticated the record says that a page was used."""
    by = fields["by"] or ("web page" if caller.by.means is Means.OPEN else "")
    return Decide(comment=fields["comment"], by=by)

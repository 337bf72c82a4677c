"""The forms of a run's pages: what people decide there, with or without scripts."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import quote

from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse
from pydantic import ValidationError
from starlette.exceptions import HTTPException

from api.auth import Approver, Decider, Rehearser, named
from api.dashboard.band import band_of
from api.dashboard.form_fields import fields_of
from api.operations import OF_RUN, OF_STEP, Approval
from api.routes.decisions import approve, decide
from api.routes.desk import Desk, TheDesk
from api.schemas.problem_types import InvalidRequestError
from api.schemas.runs import ApproveRun, Decide
from api.telling import connector_types
from drorch.access.principal import Caller, Means
from drorch.run.views import Json

router = APIRouter()


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
    return await _back(desk, run, told)


@router.post("/runs/{run}/{verb}")
async def decide_run_by_form(
    run: str, verb: str, request: Request, caller: Rehearser, desk: TheDesk
) -> RedirectResponse:
    """Take a form's decision about a run and go back to its page."""
    if verb not in OF_RUN:
        raise HTTPException(404)
    given = _given(await _fields(request), caller)
    told = await decide(desk, caller, given, verb, run=run)
    return await _back(desk, run, told)


@router.post("/runs/{run}/steps/{step}/{verb}")
async def decide_step_by_form(
    run: str, step: str, verb: str, request: Request, *, caller: Decider, desk: TheDesk
) -> RedirectResponse:
    """Take a form's decision about a step and go back to the run's page."""
    if verb not in OF_STEP:
        raise HTTPException(404)
    given = _given(await _fields(request), caller)
    told = await decide(desk, caller, given, verb, run=run, step=step)
    return await _back(desk, run, told)


async def _back(desk: Desk, run: str, told: Json) -> RedirectResponse:
    answer = "taken" if told["taken"] else "recorded"
    state = await desk.reader.state(run)
    mode = band_of(state, connector_types(desk.app.settings.connectors)).address
    return RedirectResponse(f"/runs/{quote(run, safe='')}?mode={mode}&told={answer}", 303)


async def _fields(request: Request) -> Mapping[str, str]:
    """Return what a form decides. Raises `MediaTypeError` or `InvalidRequestError`."""
    fields = await fields_of(request, programs="programs use /api/v1/runs/...")
    told = {name: fields.get(name, "") for name in ("comment", "by", "digest", "break_glass")}
    try:
        ApproveRun(**told)  # as strict as the call for programs
    except ValidationError as error:
        raise InvalidRequestError(str(error.errors()[0]["msg"])) from error
    return told


def _given(fields: Mapping[str, str], caller: Caller) -> Decide:
    """Return the decision; where nobody is authenticated the record says that a page was used."""
    by = fields["by"] or ("web page" if caller.by.means is Means.OPEN else "")
    return Decide(comment=fields["comment"], by=by)

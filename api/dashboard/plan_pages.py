"""The page of a plan, from which a run is started."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from urllib.parse import quote
from uuid import uuid4

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, RedirectResponse
from pydantic import ValidationError

from api.auth import READING, Rehearser, named
from api.dashboard.around import around
from api.dashboard.form_fields import fields_of
from api.dashboard.rendering import page
from api.locale import _
from api.operations import Wish, start_run
from api.rendering.visitor import visitor_of
from api.routes.desk import Desk, TheDesk
from api.routes.graphs import graph_json
from api.routes.runs import wish_of
from api.schemas.problem_types import ConfirmationNeededError, InvalidRequestError
from api.schemas.runs import RunRequest
from drorch.access.principal import Caller, Means, NotAllowedError, RequestKey
from drorch.access.roles import Role, is_allowed, to_start
from drorch.errors import DrorchError
from drorch.journal.ledger import EffectKnownError, known_request
from drorch.journal.shelf import StoredPlan
from drorch.model.graph import expected
from drorch.model.plan import Plan
from drorch.run.status import Mode

router = APIRouter()

_STARTED = (Mode.DRY_RUN, Mode.SIMULATE, Mode.LIVE)


@router.get("/plans/{plan}", response_class=HTMLResponse, dependencies=[READING])
async def plan_page(plan: str, request: Request, desk: TheDesk) -> HTMLResponse:
    """Show a stored plan in the order in which it comes up."""
    found, stored = await desk.plan(plan)
    return await asyncio.to_thread(_plan_page, request, desk, found, stored)


def _plan_page(
    request: Request, desk: Desk, plan: Plan, stored: StoredPlan, refused: DrorchError | None = None
) -> HTMLResponse:
    graph = graph_json(plan)
    visitor = visitor_of(request)
    return page(
        "plan.html",
        409 if refused else 200,
        visitor=visitor,
        plan=plan,
        stored=stored,
        graph=graph,
        critical=set(graph["critical_path"]),
        waves=[[plan.steps[n] for n in wave] for wave in _numbers(plan, graph["waves"])],
        expected=expected,
        modes=[mode for mode in _STARTED if _may(visitor.role, mode)],
        two=desk.app.settings.policy.policy().takes_two(Mode.LIVE),
        refused=refused,
        key=uuid4().hex,
        **around(desk),
    )


def _may(role: str, mode: Mode) -> bool:
    return role in tuple(Role) and is_allowed(Role(role), to_start(mode))


@router.post("/plans/{plan}/runs", response_model=None)
async def start_by_form(
    plan: str, request: Request, caller: Rehearser, desk: TheDesk
) -> RedirectResponse | HTMLResponse:
    """Start a run by the page's form and go to it; what refuses it is said on the page."""
    found, stored = await desk.plan(plan)
    fields = await fields_of(request, programs="programs use POST /api/v1/runs")
    try:
        wanted = _wanted(plan, fields)
        caller = _once(caller, fields.get("key", ""), fields)
        await _refuse_another(desk, caller, fields.get("digest", ""), stored)
        wish = _wish(caller, wanted, found, stored)
        run, _lease = await start_run(desk.app, wish, keep_lease=False)
    except EffectKnownError as error:
        run = str(error.known.effect.get("object", "")).removeprefix("run/")
    except NotAllowedError:
        raise
    except DrorchError as error:
        return await asyncio.to_thread(_plan_page, request, desk, found, stored, error)
    return RedirectResponse(f"/runs/{quote(run, safe='')}", 303)


def _once(caller: Caller, key: str, fields: Mapping[str, str]) -> Caller:
    """Return *caller* with a key for this form as it was sent: twice is once, then."""
    if not key:
        return caller
    content = hashlib.sha256(repr(sorted(fields.items())).encode()).hexdigest()
    known = RequestKey(caller=caller.by.identity, key=f"page-{key[:64]}", fingerprint=content)
    return replace(caller, key=known)


async def _refuse_another(desk: Desk, caller: Caller, shown: str, stored: StoredPlan) -> None:
    """Refuse to start another plan than the page has shown, but not a form that was taken.

    Raises `ConfirmationNeededError` or `EffectKnownError`.
    """
    if shown in ("", stored.digest):
        return
    if (key := caller.key) is not None:
        known = await desk.app.store.reading(lambda c: known_request(c, key))
        if known is not None:
            raise EffectKnownError(known)
    raise ConfirmationNeededError(
        _("the plan was changed since the page was shown: this is revision {n}", n=stored.revision),
        hint=_("look at it, then start it again"),
    )


def _wanted(plan: str, fields: Mapping[str, str]) -> RunRequest:
    """Return what the form asks for. Raises `InvalidRequestError`."""
    only = [part for part in fields.get("only", "").replace(",", " ").split() if part]
    try:
        return RunRequest(
            plan=plan,
            mode=fields.get("mode", "dry-run"),
            reason=fields.get("reason", ""),
            only=only,
            confirm=fields.get("confirm") or None,
            break_glass=fields.get("break_glass", ""),
            by=fields.get("by", ""),
        )
    except ValidationError as error:
        raise InvalidRequestError(str(error.errors()[0]["msg"])) from error


def _wish(caller: Caller, wanted: RunRequest, plan: Plan, stored: StoredPlan) -> Wish:
    mode = Mode(wanted.mode)
    caller = named(caller, wanted.by or ("web page" if caller.by.means is Means.OPEN else ""))
    caller.by.allow(to_start(mode))
    if mode is Mode.LIVE and wanted.confirm != wanted.plan:
        raise ConfirmationNeededError(
            _("a live run powers real machines on: type {plan} to confirm it", plan=wanted.plan)
        )
    return wish_of(caller, wanted, plan, stored)


def _numbers(plan: Plan, waves: Sequence[Sequence[str]]) -> list[list[int]]:
    number = {step.id: place for place, step in enumerate(plan.steps)}
    return [[number[step] for step in wave] for wave in waves]

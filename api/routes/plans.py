"""Plans: check, store, list, read, and show as a graph."""

from __future__ import annotations

import asyncio
import base64
from typing import Annotated, Any

from fastapi import APIRouter, Header, Query, Request, Response
from fastapi.responses import JSONResponse

from api.auth import READING, VALIDATING, Planner
from api.operations import keep_plan
from api.problems import plan_problem
from api.routes.conditions import (
    NOT_MODIFIED,
    TAGGED,
    Conditions,
    IfMatch,
    IfNoneMatch,
    told,
)
from api.routes.desk import Desk, TheDesk
from api.routes.graphs import graph_json
from api.routes.idempotency import Effect
from api.routes.paging import (
    MOST_REVISIONS,
    Cursor,
    Limit,
    PlanId,
    RevisionNumber,
    page_of,
)
from api.schemas import plans as shapes
from api.schemas.common import problems
from api.schemas.examples import PLAN
from api.schemas.problem_types import InvalidRequestError, MediaTypeError
from drorch.journal.shelf import StoredPlan
from drorch.model.graph import Graph
from drorch.model.plan import Plan
from drorch.run.views import Json
from plans import LoadedPlan, lint, read
from plans.source.text import MOST_BYTES

router = APIRouter(tags=["plans"])

YAML = frozenset({"application/yaml", "application/x-yaml", "text/yaml", "text/x-yaml"})
_FILE = "plan.yaml"
_BODY = {
    "requestBody": {
        "required": True,
        "content": {
            "application/yaml": {
                "schema": {"type": "string", "maxLength": MOST_BYTES},
                "example": PLAN,
            }
        },
    }
}
Signature = Annotated[
    str | None,
    Header(
        alias="Drorch-Plan-Signature",
        max_length=8000,
        description="The file of `ssh-keygen -Y sign -n drorch-plan`, in base64 on one line.",
    ),
]
FileName = Annotated[
    str, Query(max_length=200, description="How the plan's file is called in errors.")
]


async def _loaded(request: Request, file: str) -> tuple[LoadedPlan, bytes]:
    """Return the plan in the body. Raises `MediaTypeError` or `InvalidPlanError`."""
    kind = request.headers.get("content-type", "").split(";")[0].strip().lower()
    if kind not in YAML:
        raise MediaTypeError(
            f"a plan is sent as application/yaml, not as {kind or 'a body without a type'}",
            hint="curl -H 'Content-Type: application/yaml' --data-binary @plan.yaml ...",
        )
    source = await request.body()
    return await asyncio.to_thread(read, source, file), source


def _warnings(loaded: LoadedPlan) -> list[Json]:
    return [plan_problem(p) for p in lint(loaded.plan, loaded.positions, loaded.file)]


@router.post(
    "/plans",
    operation_id="store_plan",
    status_code=201,
    response_model=shapes.PlanStored,
    responses=problems(
        412,
        413,
        415,
        also={200: {"model": shapes.PlanStored, "description": "It was stored already"}},
    ),
    openapi_extra=_BODY,
)
async def store_plan(
    request: Request,
    response: Response,
    caller: Planner,
    desk: TheDesk,
    *,
    file: FileName = _FILE,
    signature: Signature = None,
    if_match: IfMatch = None,
    if_none_match: IfNoneMatch = None,
) -> Json:
    """Check a plan and store it as a revision; the same content again is the same revision.

    An unsigned plan is stored, too; where the policy wants signed plans it is not run live.
    `If-Match: "7"` stores it only if revision 7 is still the newest, else 412: so that nobody
    overwrites what somebody else has stored meanwhile.
    """
    loaded, source = await _loaded(request, file)
    armor = _armor(signature)
    check = Conditions[StoredPlan](if_match, if_none_match, revision_tag).check
    kept, is_new = await keep_plan(
        desk.app, loaded.plan, source, caller=caller, signature=armor, check=check
    )
    response.headers["ETag"] = f'"{kept.revision}"'
    response.status_code = 201 if is_new else 200
    response.headers["Location"] = f"/api/v1/plans/{kept.plan.id}/revisions/{kept.revision}"
    return {**_valid(loaded), "revision": kept.revision, "signed_by": kept.signer or None}


def revision_tag(stored: StoredPlan) -> str:
    """Return the ETag of a plan: the number of its newest revision, in quotes."""
    return f'"{stored.revision}"'


def _armor(signature: str | None) -> bytes:
    """Return the signature's file as it was. Raises `InvalidRequestError`."""
    try:
        return base64.b64decode(signature or "", validate=True)
    except ValueError as error:
        raise InvalidRequestError(
            "Drorch-Plan-Signature is not base64",
            hint="send the .sig file of ssh-keygen: base64 -w0 plan.yaml.sig",
        ) from error


async def plan_again(desk: Desk, effect: Effect) -> Response:
    """Answer once more for a plan that was stored before."""
    _, plan, revision = effect.object.split("/")
    stored = await desk.app.shelf.plan(plan, int(revision))
    loaded = await asyncio.to_thread(read, stored.source.encode(), _FILE)
    content = {
        **_valid(loaded),
        "revision": stored.revision,
        "signed_by": stored.signer or None,
    }
    where = {"Location": f"/api/v1/plans/{plan}/revisions/{revision}"}
    return JSONResponse(content, 201, headers={**where, "ETag": revision_tag(stored)})


@router.post(
    "/plans/validate",
    operation_id="validate_plan",
    dependencies=[VALIDATING],
    response_model=shapes.PlanValid,
    responses=problems(413, 415),
    openapi_extra=_BODY,
)
async def validate_plan(request: Request, file: FileName = _FILE) -> Json:
    """Check a plan and store nothing; warnings tell what is legal but unwise."""
    loaded, _ = await _loaded(request, file)
    return _valid(loaded)


def _valid(loaded: LoadedPlan) -> Json:
    plan = loaded.plan
    return {
        "plan": plan.id,
        "title": plan.title,
        "steps": len(plan.steps),
        "digest": plan.digest,
        "warnings": _warnings(loaded),
    }


@router.get(
    "/plans",
    operation_id="list_plans",
    dependencies=[READING],
    response_model=shapes.Plans,
    responses=problems(),
)
async def list_plans(desk: TheDesk, limit: Limit = 100, cursor: Cursor = None) -> Json:
    """List the newest revision of every stored plan."""
    page = page_of(await desk.app.shelf.plans(), limit, cursor)
    page["items"] = [_summary(await desk.compiled(stored), stored) for stored in page["items"]]
    return page


@router.get(
    "/plans/{plan}",
    operation_id="get_plan",
    dependencies=[READING],
    response_model=shapes.PlanDetail,
    responses=problems(404, also=TAGGED | NOT_MODIFIED),
)
async def get_plan(
    plan: PlanId, request: Request, desk: TheDesk, if_none_match: IfNoneMatch = None
) -> Response:
    """Return the newest revision of a plan with its source. Its ETag is the revision."""
    del if_none_match  # documented here, read by `told`
    compiled, stored = await desk.plan(plan)
    content = {**_summary(compiled, stored), "source": stored.source}
    return told(request, content, revision_tag(stored))


def _summary(plan: Plan, stored: StoredPlan) -> Json:
    return {
        "id": stored.plan,
        "title": plan.title,
        "revision": stored.revision,
        "digest": stored.digest,
        "created_at": stored.created_at,
        "steps": len(plan.steps),
        "services": len(plan.services),
        "expected_s": Graph(plan).expected_duration().total_seconds(),
    }


@router.get(
    "/plans/{plan}/revisions",
    operation_id="list_plan_revisions",
    dependencies=[READING],
    response_model=shapes.Revisions,
    responses=problems(404),
)
async def list_revisions(
    plan: PlanId, desk: TheDesk, limit: Limit = 100, cursor: Cursor = None
) -> Json:
    """List every revision of a plan, oldest first."""
    await desk.app.shelf.plan(plan)
    stored = await desk.app.shelf.revisions(plan)
    return page_of([_revision(one) for one in stored], limit, cursor)


@router.get(
    "/plans/{plan}/revisions/{revision}",
    operation_id="get_plan_revision",
    dependencies=[READING],
    response_model=shapes.RevisionSource,
    responses=problems(404, also=TAGGED | NOT_MODIFIED),
)
async def get_revision(
    plan: PlanId,
    revision: RevisionNumber,
    request: Request,
    desk: TheDesk,
    if_none_match: IfNoneMatch = None,
) -> Response:
    """Return one revision of a plan with its source; it never changes."""
    del if_none_match  # documented here, read by `told`
    stored = await desk.app.shelf.plan(plan, revision)
    content = {**_revision(stored), "source": stored.source}
    return told(request, content, revision_tag(stored))


def _revision(stored: StoredPlan) -> dict[str, Any]:
    names = ("plan", "revision", "digest", "created_at")
    return {name: getattr(stored, name) for name in names}


@router.get(
    "/plans/{plan}/graph",
    operation_id="get_plan_graph",
    dependencies=[READING],
    response_model=shapes.PlanGraph,
    responses=problems(404),
)
async def get_graph(
    plan: PlanId,
    desk: TheDesk,
    revision: Annotated[int | None, Query(ge=1, le=MOST_REVISIONS)] = None,
) -> Json:
    """Return steps and groups as nodes, dependencies as edges, waves and the critical path."""
    compiled, stored = await desk.plan(plan, revision)
    return {"plan": plan, "revision": stored.revision, **graph_json(compiled)}

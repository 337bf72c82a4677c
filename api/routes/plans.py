"""Plans: check, store, list, read, and show as a graph."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response

from api.problems import plan_problem
from api.routes.desk import TheDesk
from api.routes.graphs import graph_json
from api.routes.paging import Cursor, Limit, page_of
from api.schemas import plans as shapes
from api.schemas.common import problems
from api.schemas.problem_types import MediaTypeError
from drorch.journal.shelf import StoredPlan
from drorch.model.graph import Graph
from drorch.model.plan import Plan
from drorch.run.views import Json
from plans import LoadedPlan, lint, read

router = APIRouter(tags=["plans"])

YAML = frozenset({"application/yaml", "application/x-yaml", "text/yaml", "text/x-yaml"})
_FILE = "plan.yaml"
_BODY = {
    "requestBody": {
        "required": True,
        "content": {"application/yaml": {"schema": {"type": "string"}}},
    }
}
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
        413, 415, also={200: {"model": shapes.PlanStored, "description": "It was stored already"}}
    ),
    openapi_extra=_BODY,
)
async def store_plan(
    request: Request, response: Response, desk: TheDesk, file: FileName = _FILE
) -> Json:
    """Check a plan and store it as a revision; the same content again is the same revision."""
    loaded, source = await _loaded(request, file)
    plan = loaded.plan
    text = source.decode("utf-8")
    revision, is_new = await desk.app.shelf.save_plan(plan.id, text, plan.digest, "api")
    response.status_code = 201 if is_new else 200
    response.headers["Location"] = f"/api/v1/plans/{plan.id}/revisions/{revision}"
    return {**_valid(loaded), "revision": revision}


@router.post(
    "/plans/validate",
    operation_id="validate_plan",
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


@router.get("/plans", operation_id="list_plans", response_model=shapes.Plans, responses=problems())
async def list_plans(desk: TheDesk, limit: Limit = 100, cursor: Cursor = None) -> Json:
    """List the newest revision of every stored plan."""
    page = page_of(await desk.app.shelf.plans(), limit, cursor)
    page["items"] = [_summary(await desk.compiled(stored), stored) for stored in page["items"]]
    return page


@router.get(
    "/plans/{plan}",
    operation_id="get_plan",
    response_model=shapes.PlanDetail,
    responses=problems(404),
)
async def get_plan(plan: str, desk: TheDesk) -> Json:
    """Return the newest revision of a plan with its source."""
    compiled, stored = await desk.plan(plan)
    return {**_summary(compiled, stored), "source": stored.source}


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
    response_model=shapes.Revisions,
    responses=problems(404),
)
async def list_revisions(
    plan: str, desk: TheDesk, limit: Limit = 100, cursor: Cursor = None
) -> Json:
    """List every revision of a plan, oldest first."""
    await desk.app.shelf.plan(plan)
    stored = await desk.app.shelf.revisions(plan)
    return page_of([_revision(one) for one in stored], limit, cursor)


@router.get(
    "/plans/{plan}/revisions/{revision}",
    operation_id="get_plan_revision",
    response_model=shapes.RevisionSource,
    responses=problems(404),
)
async def get_revision(plan: str, revision: int, desk: TheDesk) -> Json:
    """Return one revision of a plan with its source."""
    stored = await desk.app.shelf.plan(plan, revision)
    return {**_revision(stored), "source": stored.source}


def _revision(stored: StoredPlan) -> dict[str, Any]:
    names = ("plan", "revision", "digest", "created_at")
    return {name: getattr(stored, name) for name in names}


@router.get(
    "/plans/{plan}/graph",
    operation_id="get_plan_graph",
    response_model=shapes.PlanGraph,
    responses=problems(404),
)
async def get_graph(
    plan: str, desk: TheDesk, revision: Annotated[int | None, Query(ge=1)] = None
) -> Json:
    """Return steps and groups as nodes, dependencies as edges, waves and the critical path."""
    compiled, stored = await desk.plan(plan, revision)
    return {"plan": plan, "revision": stored.revision, **graph_json(compiled)}

"""The pages beside a run's: the start page, the reference of the API, the types of problems."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse
from starlette.exceptions import HTTPException

from api.auth import PUBLIC, READING
from api.dashboard.rendering import VERSION, page
from api.dashboard.visitor import visitor_of
from api.orchestrators import orchestrators
from api.routes.desk import TheDesk
from api.routes.graphs import graph_json
from api.schemas.problem_types import catalogue
from drorch.journal.pages import runs_page
from drorch.model.graph import expected
from drorch.model.plan import Plan

router = APIRouter()

_NEWEST = 30


@router.get("/", response_class=HTMLResponse, dependencies=[READING])
async def start_page(request: Request, desk: TheDesk) -> HTMLResponse:
    """List the newest runs and the stored plans."""
    lines = (await runs_page(desk.app.store, _NEWEST)).lines
    runs = [await desk.run_json(line) for line in lines]
    plans = [(stored, await desk.compiled(stored)) for stored in await desk.app.shelf.plans()]
    return page(
        "start.html",
        visitor=visitor_of(request),
        runs=runs,
        plans=plans,
        nodes=await orchestrators(desk.app),
        now=desk.app.clock.now(),
        zone=desk.app.settings.server.timezone,
        version=VERSION,
    )


@router.get("/docs", response_class=HTMLResponse, dependencies=[PUBLIC])
async def docs(request: Request) -> HTMLResponse:
    """Show the OpenAPI document as a page of our own: nothing is loaded from elsewhere."""
    document = request.app.openapi()
    return page("docs.html", info=document["info"], calls=_calls(document), version=VERSION)


@router.get("/plans/{plan}", response_class=HTMLResponse, dependencies=[READING])
async def plan_page(plan: str, request: Request, desk: TheDesk) -> HTMLResponse:
    """Show a stored plan in the order in which it comes up."""
    found, stored = await desk.plan(plan)
    graph = graph_json(found)
    critical = set(graph["critical_path"])
    return page(
        "plan.html",
        visitor=visitor_of(request),
        plan=found,
        stored=stored,
        graph=graph,
        critical=critical,
        waves=[[found.steps[n] for n in wave] for wave in _numbers(found, graph["waves"])],
        expected=expected,
        zone=desk.app.settings.server.timezone,
        version=VERSION,
    )


def _numbers(plan: Plan, waves: Sequence[Sequence[str]]) -> list[list[int]]:
    number = {step.id: place for place, step in enumerate(plan.steps)}
    return [[number[step] for step in wave] for wave in waves]


def _calls(document: Mapping[str, Any]) -> list[dict[str, Any]]:
    calls = []
    for path, methods in document["paths"].items():
        for method, call in methods.items():
            body = call.get("requestBody", {}).get("content", {})
            calls.append(
                {
                    "method": method.upper(),
                    "path": path,
                    "id": call["operationId"],
                    "words": call.get("description") or call.get("summary", ""),
                    "parameters": call.get("parameters", []),
                    "bodies": [(kind, _members(document, it)) for kind, it in body.items()],
                    "answers": [
                        (code, answer.get("description", ""))
                        for code, answer in call["responses"].items()
                    ],
                }
            )
    return calls


def _members(document: Mapping[str, Any], content: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return the members of a JSON body, with what each is."""
    schema = content.get("schema", {})
    for option in schema.get("anyOf", [schema]):
        if "$ref" in option:
            schema = document["components"]["schemas"][option["$ref"].rsplit("/", 1)[-1]]
    needed = schema.get("required", ())
    return [
        (name, f"{_kind(member)}{', required' if name in needed else ''}")
        for name, member in schema.get("properties", {}).items()
    ]


def _kind(member: Mapping[str, Any]) -> str:
    if "enum" in member:
        return " | ".join(str(value) for value in member["enum"])
    if "anyOf" in member:
        return " or ".join(_kind(option) for option in member["anyOf"])
    told = str(member.get("type", "any"))
    return f"{told}, {member['description']}" if "description" in member else told


@router.get("/problems", response_class=HTMLResponse, dependencies=[PUBLIC])
async def problem_list() -> HTMLResponse:
    """List the types of problems."""
    return page("problem_types.html", kinds=catalogue(), version=VERSION)


@router.get("/problems/{code}", response_class=HTMLResponse, dependencies=[PUBLIC])
async def problem_page(code: str) -> HTMLResponse:
    """Say what one type of problem means and what to do about it."""
    kind = catalogue().get(code)
    if kind is None:
        raise HTTPException(404)
    return page("problem_types.html", kinds={code: kind}, version=VERSION)

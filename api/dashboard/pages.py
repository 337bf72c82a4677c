"""The pages that explain: the reference of the API, and the types of problems."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse
from starlette.exceptions import HTTPException

from api.auth import PUBLIC
from api.dashboard.rendering import page
from api.schemas.problem_types import catalogue
from api.version import VERSION

router = APIRouter()

_NEWEST = 30


@router.get("/docs", response_class=HTMLResponse, dependencies=[PUBLIC])
async def docs(request: Request) -> HTMLResponse:
    """Show the OpenAPI document as a page of our own: nothing is loaded from elsewhere."""
    document = request.app.openapi()
    return page("docs.html", info=document["info"], calls=_calls(document), version=VERSION)


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

"""The OpenAPI document: what the framework knows, with who may, what may go wrong, and bounds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeAlias

from fastapi import FastAPI
from fastapi.dependencies.models import Dependant
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute, APIRouter

from api.auth import COOKIE, May, Open
from api.schemas.answer_examples import ANSWERS
from api.schemas.common import Problem, problems
from api.schemas.examples import EXAMPLES
from api.version import VERSION
from drorch.access.roles import LEAST, Permission

Json: TypeAlias = dict[str, Any]
Routers: TypeAlias = Sequence[tuple[str, APIRouter]]

_DESCRIPTION = """\
Recovery plans, runs and what people decide in them.

Send a token (`Authorization: Bearer drt_...`); each call says which role it takes. On loopback,
until the first token or person is made, the service runs open and records who asks as they say
themselves (`by`). Errors are RFC 9457 problems; the `type` of each is a page of this service.
Creating calls take `Idempotency-Key`: the same request again gets the first answer. What can be
edited has an `ETag` and takes `If-Match`. `HEAD` is answered wherever `GET` is; every other
method that an address does not take gets 405. A body over 64 KiB (a plan: 5 MiB) gets 413; line
and headers over 32 KiB get 431.
"""
INFO: Mapping[str, Any] = {
    "title": "drorch",
    "summary": "Disaster recovery orchestrator",
    "description": _DESCRIPTION,
    "version": VERSION,
    "license_info": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
}
TAGS: Mapping[str, str] = {
    "plans": "What depends on what, and how each machine is checked.",
    "runs": "A plan being carried out, rehearsed or simulated.",
    "decisions": "What people say in a run: yes, no, again, leave it out.",
    "events": "Everything that happens, as one live stream.",
    "services": "What citizens and counters know, and what is said of it by hand.",
    "connectors": "The hypervisors, and every machine behind them.",
    "holds": "Machines that must not be started.",
    "halt": "Nothing new goes out anywhere, until it is lifted.",
    "nodes": "The orchestrators, and which run each drives.",
    "access": "Who may: tokens.",
    "audit": "Who did what, in a record that shows tampering.",
    "webhooks": "Whom drorch tells of what happens, and whether it could.",
    "health": "Is it well.",
}
_SECURITY: Json = {
    "token": {
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": "drt_...",
        "description": "An API token, made by `drorch token create` or `POST /api/v1/tokens`.",
    },
    "session": {
        "type": "apiKey",
        "in": "cookie",
        "name": COOKIE,
        "description": "A browser's log-in; what changes something needs `X-CSRF-Token`, too.",
    },
}
_IDEMPOTENCY: Json = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "description": "Your own word for this request, such as a random UUID. The same request with "
    "the same key does nothing again and gets the first answer.",
    "schema": {"type": "string", "minLength": 1, "maxLength": 200, "pattern": "^[!-~]+$"},
    "example": "3f6c1e0a-restart-after-power-cut",
}
_TEXT = {"type": "string", "maxLength": 200}
_HEADERS: Mapping[str, Json] = {
    "401": {"WWW-Authenticate": {"description": "How to log in.", "schema": _TEXT}},
    "429": {"Retry-After": {"description": "Seconds to wait.", "schema": _TEXT}},
    "503": {"Retry-After": {"description": "Seconds to wait.", "schema": _TEXT}},
}
_PLACES: Mapping[str, str] = {"store_plan": "201", "start_run": "202"}
"""Calls that say where what they made is, and with which status."""
_MOST_TEXT = 5 * 1024 * 1024
"""As long as a plan may be: no text in an answer is longer."""
_MOST_ITEMS = 100_000
_MOST_NUMBER = 2**53 - 1
_MOMENTS = frozenset({"at", "since"})


def openapi_document(routers: Routers) -> Json:
    """Return the document over *routers* alone: it takes no store and no configuration."""
    app = FastAPI(**INFO)
    for prefix, router in routers:
        app.include_router(router, prefix=prefix)
    return document_of(app, routes_of(routers))


def routes_of(routers: Routers) -> list[tuple[str, APIRoute]]:
    """Return every route with its prefix."""
    return [
        (prefix, route)
        for prefix, router in routers
        for route in router.routes
        if isinstance(route, APIRoute)
    ]


def declared(route: APIRoute) -> list[May | Open]:
    """Return what a route declares of who may call it; none is a hole."""
    return [call for call in _calls(route.dependant) if isinstance(call, May | Open)]


def _calls(dependant: Dependant) -> Iterator[object]:
    for inner in dependant.dependencies:
        yield inner.call
        yield from _calls(inner)


def document_of(app: FastAPI, routes: Sequence[tuple[str, APIRoute]]) -> Json:
    """Return the finished document of *app*."""
    document = get_openapi(
        title=app.title,
        version=app.version,
        summary=app.summary,
        description=app.description,
        license_info=app.license_info,
        contact={"name": "The people who run this service"},
        servers=[{"url": "/", "description": "This service"}],
        tags=[{"name": name, "description": told} for name, told in TAGS.items()],
        routes=app.routes,
    )
    components = document["components"]
    components["securitySchemes"] = _SECURITY
    _finish_schemas(components["schemas"])
    for prefix, route in routes:
        for method in route.methods or ():
            call = document["paths"].get(prefix + route.path_format, {}).get(method.lower())
            if call is not None:
                _finish_call(call, method, route)
    for node in _nodes(document["paths"]):
        _bound(node)
    return document


def _finish_schemas(schemas: Json) -> None:
    problem = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
    schemas.update(problem.pop("$defs", {}))
    schemas["Problem"] = problem
    for unused in ("HTTPValidationError", "ValidationError"):  # ours are problems
        schemas.pop(unused, None)
    for name, schema in schemas.items():
        for key, member in schema.get("properties", {}).items():
            _date(key, member)
        for node in _nodes(schema):
            _bound(node)
        if (example := EXAMPLES.get(name, ANSWERS.get(name))) is not None:
            schema["examples"] = [example]


def _finish_call(call: Json, method: str, route: APIRoute) -> None:
    call["summary"] = call["operationId"].replace("_", " ").capitalize()
    permission = next((may.permission for may in declared(route)), None)
    statuses = [429, 431, 500]
    if permission is None:
        call["security"] = []
        call["x-required-role"] = "public"
    else:
        statuses += [401, 503]
        _require(call, permission)
    if method == "POST" and permission is not None:
        call.setdefault("parameters", []).append(_IDEMPOTENCY)
        statuses.append(409)
    if "requestBody" in call:
        statuses.append(413)
    _finish_answers(call, statuses)


def _require(call: Json, permission: Permission) -> None:
    role = LEAST[permission]
    call["security"] = [{"token": []}, {"session": []}]
    call["x-required-role"] = str(role)
    call["x-permission"] = str(permission)
    call["description"] = f"{call['description']}\n\nTakes the role **{role}** (`{permission}`)."


def _finish_answers(call: Json, statuses: Sequence[int]) -> None:
    answers = call["responses"]
    told = {str(code): answer for code, answer in problems(*statuses).items()}
    for code in ("403", *(str(status) for status in statuses)):
        answers.setdefault(code, dict(told[code]))
    if call["operationId"] in _PLACES:
        where = {"description": "Where it is.", "schema": _TEXT}
        answers[_PLACES[call["operationId"]]].setdefault("headers", {})["Location"] = where
    for code, answer in answers.items():
        if answer.get("description") == "Successful Response":
            answer["description"] = "As asked for"
        if code in _HEADERS:
            answer["headers"] = _HEADERS[code]
    call["responses"] = dict(sorted(answers.items()))


def _nodes(node: Any) -> Iterator[Json]:
    """Yield every object of a part of the document that is not an example."""
    if isinstance(node, dict):
        yield node
        for key, value in node.items():
            if key not in ("example", "examples", "enum", "default"):
                yield from _nodes(value)
    elif isinstance(node, list):
        for value in node:
            yield from _nodes(value)


def _date(name: str, member: Json) -> None:
    """Mark what is a moment: all of ours are RFC 3339 in UTC."""
    if name in _MOMENTS or name.endswith("_at"):
        for node in (member, *member.get("anyOf", ())):
            if node.get("type") == "string":
                node.setdefault("format", "date-time")
                node.setdefault("maxLength", 40)


def _bound(node: Json) -> None:
    """Give a schema without bounds those that hold for every answer."""
    match node.get("type"):
        case "string" if not {"enum", "const"} & node.keys():
            node.setdefault("maxLength", _MOST_TEXT)
        case "array":
            node.setdefault("maxItems", _MOST_ITEMS)
        case "integer" | "number":
            if "exclusiveMinimum" not in node:
                node.setdefault("minimum", -_MOST_NUMBER)
            node.setdefault("maximum", _MOST_NUMBER)

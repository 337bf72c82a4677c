"""Who may do what: every call of the document, for everybody, as the one table says."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import pytest
from fastapi import FastAPI
from starlette.routing import Mount, Route

from api.access import WantedToken, make_token
from api.app import all_routers, create_app, openapi_document
from api.auth import May, Open
from api.bootstrap import Application
from api.callers import system_caller
from api.openapi import declared, routes_of
from api.routes.feeds import encoded
from connectors.simulated.server import Simulator
from drorch.access.roles import LEAST, Permission, Role, is_allowed
from tests.api.desk import PLAN, YAML, calling, settings

DOCUMENT: Any = openapi_document()
NOBODY = "nobody"
CALLERS = (NOBODY, *Role)
WITHOUT_ROUTE = {"/openapi.json": "PUBLIC: the document itself", "/static": "PUBLIC: style, script"}
"""What the framework serves by itself."""
THINGS = {
    "plan": "town", "revision": "1", "run": "none-1", "step": "san", "service": "registry",
    "connector": "sim", "machine": "102", "name": "sim", "token": "nothing", "webhook": "nothing",
}  # fmt: skip


def operations() -> Iterator[tuple[str, str, Any]]:
    for path, methods in DOCUMENT["paths"].items():
        for method, call in methods.items():
            yield method.upper(), path, call


@dataclass(frozen=True, kw_only=True)
class Town:
    """A service with a token of each role, and nobody's."""

    http: httpx2.AsyncClient
    tokens: Mapping[str, str]

    def headers(self, who: str) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.tokens[who]}"} if who in self.tokens else {}

    async def ask(self, who: str, method: str, path: str, **more: Any) -> httpx2.Response:
        headers = {**self.headers(who), **more.pop("headers", {})}
        return await self.http.request(method, path, headers=headers, **more)


@pytest.fixture
async def town(application: Application) -> AsyncIterator[Town]:
    caller = system_caller("test")
    tokens = {}
    for role in Role:
        wanted = WantedToken(name=f"the-{role}", role=role, days=None)
        tokens[str(role)], _ = await make_token(application, wanted, caller)
    async with calling(application) as http:
        found = Town(http=http, tokens=tokens)
        stored = await found.ask(Role.ADMIN, "POST", "/api/v1/plans", content=PLAN, headers=YAML)
        assert stored.status_code == 201, stored.text
        yield found


def body_of(call: Any) -> dict[str, Any]:
    """Return a body that is legal, but has no effect that would change the next answer."""
    content = call.get("requestBody", {}).get("content", {})
    if "application/yaml" in content:
        return {"content": PLAN, "headers": YAML}
    if not content:
        return {}
    schema = content["application/json"]["schema"]
    for option in schema.get("anyOf", [schema]):
        if "$ref" in option:
            name = option["$ref"].rsplit("/", 1)[-1]
            return {"json": DOCUMENT["components"]["schemas"][name]["examples"][0]}
    return {"json": {}}


@pytest.mark.parametrize(
    ("method", "path", "call"), [*operations()], ids=[f"{m} {p}" for m, p, _ in operations()]
)
async def test_every_call_for_everybody(town: Town, method: str, path: str, call: Any) -> None:
    address = re.sub(r"\{(\w+)\}", lambda found: THINGS[found[1]], path)
    streams = "text/event-stream" in call["responses"].get("200", {}).get("content", {})
    asked = "HEAD" if streams else method  # the same door, and it ends
    for who in CALLERS:
        answer = await town.ask(who, asked, address, **body_of(call))
        told = f"{who} {method} {address}: {answer.status_code} {answer.text[:200]}"
        needed = call["x-required-role"]
        if needed == "public":
            assert answer.status_code not in (401, 403), told
        elif who == NOBODY:
            assert answer.status_code == 401, told
        elif is_allowed(Role(who), Permission(call["x-permission"])):
            # The example is a live run, which takes more than the address does.
            more = call["operationId"] == "start_run" and who == Role.OPERATOR
            assert (answer.status_code == 403) == more, told
            assert answer.status_code not in (401, 500), told
        else:
            assert answer.status_code == 403, told
            assert answer.json()["code"] == "not-allowed", told


def test_the_document_says_what_the_table_says() -> None:
    for _, path, call in operations():
        if call["x-required-role"] == "public":
            assert call["security"] == [], path
        else:
            assert call["x-required-role"] == LEAST[Permission(call["x-permission"])], path
            assert {"token": []} in call["security"], path
    used = {call.get("x-permission") for _, _, call in operations()}
    depends = {Permission.START_LIVE, Permission.ABORT_LIVE}
    assert used - {None} == {str(p) for p in Permission} - {str(p) for p in depends}


async def test_every_route_says_who_may_call_it(application: Application) -> None:
    app = create_app(application)
    silent = [
        f"{prefix}{route.path}"
        for prefix, route in routes_of(all_routers())
        if len(declared(route)) != 1
    ]
    assert silent == [], "declare one of the dependencies of api/auth.py"
    known = {prefix + route.path for prefix, route in routes_of(all_routers())}
    others = {path for path in _paths(app) if path not in known}
    assert others == set(WITHOUT_ROUTE)


def _paths(app: FastAPI) -> Iterator[str]:
    for route in app.routes:
        if isinstance(route, Route | Mount):
            yield route.path
        else:
            yield from (inner.path for inner in getattr(route, "routes", ()))


def test_a_route_that_says_nothing_is_found() -> None:
    app = FastAPI()

    @app.get("/hole")
    async def hole() -> None: ...

    (route,) = [r for r in app.routes if getattr(r, "path", "") == "/hole"]
    assert declared(route) == []  # type: ignore[arg-type]
    assert isinstance(May(None), May | Open)


LIVE = {"plan": "town", "mode": "live", "confirm": "town"}


async def _run(town: Town, who: str, **more: Any) -> httpx2.Response:
    return await town.ask(who, "POST", "/api/v1/runs", json={**LIVE, **more})


async def test_a_live_run_takes_a_responder_to_start_and_to_abort(town: Town) -> None:
    assert (await _run(town, Role.OPERATOR)).status_code == 403
    assert (await _run(town, Role.OPERATOR, mode="simulate")).status_code == 202
    rehearsal = (await _run(town, Role.RESPONDER, mode="simulate")).json()["id"]
    live = (await _run(town, Role.RESPONDER)).json()["id"]
    for run, who, status in (
        (live, Role.VIEWER, 403),
        (live, Role.OPERATOR, 403),
        (rehearsal, Role.VIEWER, 403),
        (rehearsal, Role.OPERATOR, 202),  # somebody else's, and it is a rehearsal
        (live, Role.RESPONDER, 202),
    ):
        answer = await town.ask(who, "POST", f"/api/v1/runs/{run}/abort", json={})
        assert answer.status_code == status, (run, who, answer.text)


async def test_who_asked_for_a_live_run_cannot_approve_it(
    tmp_path: Path, simulator: Simulator
) -> None:
    given = settings(tmp_path / "two", simulator.url).model_dump()
    two = type(settings(tmp_path, ""))(**{**given, "policy": {"live_runs": "two-person"}})
    async with Application(two) as application:
        caller = system_caller("test")
        tokens = {}
        for name, role in (
            ("anna", Role.RESPONDER),
            ("bruno", Role.RESPONDER),
            ("ada", Role.ADMIN),
        ):
            wanted = WantedToken(name=name, role=role, days=None)
            tokens[name], _ = await make_token(application, wanted, caller)
        async with calling(application) as http:
            town = Town(http=http, tokens=tokens)
            await town.ask("ada", "POST", "/api/v1/plans", content=PLAN, headers=YAML)
            run = (await _run(town, "anna")).json()
            assert run["status"] == "awaiting_approval"
            told = (await town.ask("anna", "GET", f"/api/v1/runs/{run['id']}/events")).json()
            frames = [encoded(str(event["seq"]), event) for event in told["items"]]
            assert b'"approve_by":"20' in frames[0]  # a stream takes it as the pages do
            approve = f"/api/v1/runs/{run['id']}/approve"
            own = await town.ask("anna", "POST", approve, json={})
            assert (own.status_code, own.json()["code"]) == (409, "command-rejected")
            foreign = await town.ask("bruno", "POST", approve, json={})
            assert foreign.status_code in (200, 202), foreign.text


async def test_a_token_revokes_another_and_itself_if_it_may(town: Town) -> None:
    for who, victim, status in (
        (Role.RESPONDER, Role.RESPONDER, 403),  # its own, but the table knows no owners
        (Role.RESPONDER, Role.VIEWER, 403),
        (Role.ADMIN, Role.VIEWER, 204),
        (Role.ADMIN, Role.ADMIN, 204),
    ):
        answer = await town.ask(who, "DELETE", f"/api/v1/tokens/the-{victim}")
        assert answer.status_code == status, (who, victim, answer.text)
    assert (await town.ask(Role.VIEWER, "GET", "/api/v1/plans")).status_code == 401
    assert (await town.ask(Role.ADMIN, "GET", "/api/v1/plans")).status_code == 401
    assert (await town.ask(Role.RESPONDER, "GET", "/api/v1/plans")).status_code == 200


async def test_a_hold_of_somebody_else_is_lifted_by_a_responder_alone(town: Town) -> None:
    hold = "/api/v1/holds/sim/102"
    placed = await town.ask(Role.OPERATOR, "PUT", hold, json={"reason": "encrypted"})
    assert placed.status_code == 200
    assert (await town.ask(Role.OPERATOR, "DELETE", hold)).status_code == 403  # its own
    assert (await town.ask(Role.RESPONDER, "DELETE", hold)).status_code == 204

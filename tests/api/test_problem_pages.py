"""Each status of an error, provoked: a problem of RFC 9457 whose type is a page."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import Any

import httpx2
import pytest
from limits import RateLimitItemPerMinute

from api.access import WantedToken, make_token
from api.app import create_app
from api.bootstrap import Application
from api.callers import system_caller
from api.routes.limits import LIMITS, Lane
from connectors.simulated.server import Simulator
from drorch.access.roles import Role
from tests.api.desk import BASE, PLAN, YAML

NEEDED = {"type", "title", "status", "detail", "instance", "code", "hint", "request_id"}
RUN = {"plan": "town", "mode": "live"}
JSON = {"Content-Type": "application/json"}
PROVOKED: Mapping[int, tuple[str, str, Mapping[str, Any]]] = {
    401: ("GET", "/api/v1/plans", {"headers": {"Authorization": "Bearer drt_wrong"}}),
    403: ("POST", "/api/v1/plans", {"headers": {"Origin": "http://elsewhere.example"}}),
    404: ("GET", "/api/v1/plans/none", {}),
    405: ("PATCH", "/api/v1/plans", {}),
    409: ("DELETE", "/api/v1/halt", {}),
    412: ("POST", "/api/v1/plans", {"content": PLAN, "headers": {**YAML, "If-Match": '"7"'}}),
    413: ("POST", "/api/v1/runs", {"content": b" " * 70_000, "headers": JSON}),
    415: ("POST", "/api/v1/plans", {"content": "{}", "headers": JSON}),
    422: ("POST", "/api/v1/runs", {"json": {**RUN, "odd": 1}}),
    503: ("GET", "/readyz", {}),
}


@pytest.fixture
async def robust(application: Application) -> AsyncIterator[httpx2.AsyncClient]:
    """Ask as over a socket: what breaks is an answer, not an exception in the test."""
    app = create_app(application)

    @app.get("/api/v1/breaks")
    async def breaks() -> None:
        raise ZeroDivisionError("a secret of the inside")

    transport = httpx2.ASGITransport(app, raise_app_exceptions=False)
    async with httpx2.AsyncClient(transport=transport, base_url=BASE) as client:
        yield client


async def check(http: httpx2.AsyncClient, answer: httpx2.Response, status: int) -> None:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    told = answer.json()
    assert set(told) >= NEEDED
    assert (told["status"], told["instance"]) == (status, answer.request.url.path)
    assert told["request_id"] == answer.headers["x-request-id"]
    assert told["type"] == f"/problems/{told['code']}"
    page = await http.get(told["type"], headers={"Accept": "text/html"})
    assert (page.status_code, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert told["code"] in page.text


@pytest.mark.parametrize("status", PROVOKED)
async def test_each_status_is_a_problem(robust: httpx2.AsyncClient, status: int) -> None:
    method, path, more = PROVOKED[status]
    answer = await robust.request(method, path, **more)
    await check(robust, answer, status)
    if status == 401:
        assert answer.headers["www-authenticate"].startswith("Bearer")
    if status == 503:
        assert int(answer.headers["retry-after"]) > 0


async def test_what_breaks_is_a_problem_without_internals(robust: httpx2.AsyncClient) -> None:
    answer = await robust.get("/api/v1/breaks")
    await check(robust, answer, 500)
    assert "secret" not in answer.text


async def test_too_many_is_a_problem(
    robust: httpx2.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    few = LIMITS[Lane.CHANGE]._replace(rate=RateLimitItemPerMinute(1))
    monkeypatch.setitem(LIMITS, Lane.CHANGE, few)
    answers = [await robust.post("/api/v1/runs", json=RUN) for _ in range(2)]
    await check(robust, answers[-1], 429)
    assert int(answers[-1].headers["retry-after"]) > 0


async def test_a_hypervisor_that_is_gone_is_a_problem(
    robust: httpx2.AsyncClient, simulator: Simulator
) -> None:
    async with httpx2.AsyncClient(base_url=simulator.url) as control:
        told = await control.post("/faults", json={"kind": "error_rate", "rate": 1.0})
        assert told.status_code < 300, told.text
    await check(robust, await robust.post("/api/v1/connectors/sim/check"), 502)


async def test_a_token_that_may_not_is_told_so(
    robust: httpx2.AsyncClient, application: Application
) -> None:
    wanted = WantedToken(name="reader", role=Role.VIEWER, days=None)
    secret, _ = await make_token(application, wanted, system_caller("test"))
    headers = {"Authorization": f"Bearer {secret}"}
    await check(robust, await robust.get("/api/v1/tokens", headers=headers), 403)

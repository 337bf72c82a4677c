"""Every error is a problem of a known type, with a page that explains it."""

from __future__ import annotations

import sqlite3
from typing import Any

import httpx2
import pytest
from fastapi import FastAPI
from sqlalchemy.exc import OperationalError

from api import problems
from api.bootstrap import Application
from api.routes.guard import Guard
from api.schemas.problem_types import catalogue, kind_of
from drorch.errors import DrorchError, JournalUnavailableError, MachineClaimedError
from tests.api.desk import YAML, Caller

JSON = {"Content-Type": "application/json"}


def check(answer: httpx2.Response, status: int, code: str) -> Any:
    """A problem as RFC 9457 wants it, of a type that has a page."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    told = answer.json()
    assert told["type"] == f"/problems/{code}"
    assert told["status"] == status
    assert told["title"] and told["detail"]
    assert told["instance"] == answer.request.url.path
    assert told["request_id"] == answer.headers["x-request-id"]
    assert code in catalogue()
    return told


@pytest.mark.parametrize(
    ("method", "path", "more", "status", "code"),
    [
        ("GET", "/nothing", {}, 404, "not-found"),
        ("GET", "/api/v1/nothing", {}, 404, "not-found"),
        ("GET", "/static/../settings.py", {}, 404, "not-found"),
        ("GET", "/static/%2e%2e/pages.py", {}, 404, "not-found"),
        ("GET", "/problems/nothing", {}, 404, "not-found"),
        ("POST", "/api/v1/halt/", {"json": {"reason": "x"}}, 404, "not-found"),
        ("DELETE", "/api/v1/plans", {}, 405, "method-not-allowed"),
        ("GET", "/api/v1/runs/none-1", {}, 404, "run-not-found"),
        ("GET", "/api/v1/runs/none-1/steps", {}, 404, "run-not-found"),
        ("GET", "/api/v1/runs/none-1/events", {}, 404, "run-not-found"),
        ("GET", "/api/v1/runs/none-1/events?after=7", {}, 404, "run-not-found"),
        ("GET", "/api/v1/runs/none-1/report", {}, 404, "run-not-found"),
        ("POST", "/api/v1/runs/none-1/pause", {}, 404, "run-not-found"),
        ("POST", "/api/v1/runs/none-1/steps/x/retry", {}, 404, "run-not-found"),
        ("GET", "/api/v1/plans/none", {}, 404, "plan-not-found"),
        ("GET", "/api/v1/plans/none/revisions", {}, 404, "plan-not-found"),
        ("GET", "/api/v1/plans/none/graph", {}, 404, "plan-not-found"),
        ("POST", "/api/v1/runs", {"json": {"plan": "none"}}, 404, "plan-not-found"),
        ("POST", "/api/v1/connectors/none/check", {}, 404, "connector-not-found"),
        ("DELETE", "/api/v1/holds/sim/101", {}, 404, "hold-not-found"),
        ("PUT", "/api/v1/holds/no/1", {"json": {"reason": "x"}}, 404, "connector-not-found"),
        ("PUT", "/api/v1/holds/sim/1", {"json": {"reason": ""}}, 422, "invalid-request"),
        ("POST", "/api/v1/plans", {"content": "x"}, 415, "media-type"),
        ("POST", "/api/v1/plans", {"content": "x", "headers": JSON}, 415, "media-type"),
        ("POST", "/api/v1/plans", {"content": b"\xff", "headers": YAML}, 422, "invalid-plan"),
        ("POST", "/api/v1/runs", {"content": "{", "headers": JSON}, 422, "invalid-request"),
        ("POST", "/api/v1/runs", {"json": {"plan": "x", "mod": 1}}, 422, "invalid-request"),
        ("POST", "/api/v1/runs", {"json": [1]}, 422, "invalid-request"),
        ("POST", "/api/v1/runs", {"content": '{"plan":"x"}'}, 422, "invalid-request"),
        ("POST", "/api/v1/runs", {"json": {"plan": "x", "mode": "drill"}}, 422, "invalid-request"),
        ("POST", "/api/v1/runs", {"json": {"plan": "x", "mode": "live"}}, 422, "confirmation-needed"),
        ("GET", "/api/v1/runs?limit=0", {}, 422, "invalid-request"),
        ("GET", "/api/v1/runs?status=odd", {}, 422, "invalid-request"),
        ("GET", "/api/v1/runs?cursor=odd", {}, 422, "invalid-request"),
        ("GET", "/api/v1/plans?cursor=%C3%A9", {}, 422, "invalid-request"),
        ("GET", "/api/v1/runs/none-1/events?after=9007199254740992", {}, 422, "invalid-request"),
        ("GET", "/readyz", {}, 503, "not-ready"),
    ],
)  # fmt: skip
async def test_each_error_is_a_problem(
    http: httpx2.AsyncClient, *, method: str, path: str, more: Any, status: int, code: str
) -> None:
    check(await http.request(method, path, **more), status, code)


async def test_a_method_that_is_not_taken_is_told_with_those_that_are(
    http: httpx2.AsyncClient,
) -> None:
    answer = await http.delete("/api/v1/plans")
    assert answer.headers["allow"] == "GET, HEAD, POST"
    for path in ("/openapi.json", "/static/style.css", "/healthz"):
        answer = await http.post(path)
        assert (answer.status_code, answer.headers["allow"]) == (405, "GET, HEAD"), path


async def test_the_wrong_parts_of_a_body_have_pointers(http: httpx2.AsyncClient) -> None:
    body = {"plan": "x" * 64, "mode": "odd", "only": [1]}
    told = check(await http.post("/api/v1/runs", json=body), 422, "invalid-request")
    assert [e["pointer"] for e in told["errors"]] == ["/plan", "/mode", "/only/0"]


async def test_what_is_no_json_is_told_with_its_place(http: httpx2.AsyncClient) -> None:
    answer = await http.post("/api/v1/halt", content='{"reason": x}', headers=JSON)
    (found,) = check(answer, 422, "invalid-request")["errors"]
    assert found["pointer"] == ""
    assert found["message"].startswith("this is no JSON at character 11: ")


@pytest.mark.parametrize("reason", ["", "  ", "\n\t", "\u3164", "\u3164 \uffa0"])
async def test_who_stops_something_says_why(http: httpx2.AsyncClient, reason: str) -> None:
    told = {"reason": reason}
    check(await http.post("/api/v1/halt", json=told), 422, "invalid-request")
    check(await http.put("/api/v1/holds/sim/101", json=told), 422, "invalid-request")
    for said in ("?!", "\u7a81"):
        assert (await http.post("/api/v1/halt", json={"reason": said})).status_code == 200


async def test_line_and_headers_are_limited(http: httpx2.AsyncClient) -> None:
    for headers, path in (
        ({"X-Long": "a" * 33_000}, "/healthz"),
        ({f"X-{number}": "a" for number in range(101)}, "/healthz"),
        ({}, "/healthz?" + "a" * 33_000),
        ({}, "/api/v1/" + "a" * 33_000),
    ):
        told = check(await http.get(path, headers=headers), 431, "headers-too-large")
        assert "32 KiB and 100 headers" in told["hint"]
    just = {f"X-{number}": "a" * 400 for number in range(70)}
    assert (await http.get("/healthz", headers=just)).status_code == 200


async def test_bodies_are_limited_whether_they_say_their_size_or_not(
    http: httpx2.AsyncClient,
) -> None:
    async def chunks() -> Any:
        for _ in range(20):
            yield b" " * 8192

    big = b"a" * (5 * 1024 * 1024 + 1)
    check(await http.post("/api/v1/plans", content=big, headers=YAML), 413, "body-too-large")
    check(await http.post("/api/v1/runs", content=chunks(), headers=JSON), 413, "body-too-large")
    # five MiB may be a plan: the loader looks at it
    just = await http.post("/api/v1/plans/validate", content=big[:-1], headers=YAML)
    check(just, 422, "invalid-plan")


async def test_an_invalid_plan_is_told_with_every_line(api: Caller) -> None:
    plan = "drorch: 1\nplan: p\nsteps:\n  a: {vm: sim/1, depends_on: [b]}\n  c: {}\n"
    told = await api.post("/plans?file=town.yaml", 422, content=plan, headers=YAML)
    assert told["code"] == "invalid-plan"
    lines = [(e["file"], e["line"], e["code"]) for e in told["errors"]]
    assert [line for _, line, _ in lines] == [4, 5]
    assert {file for file, _, _ in lines} == {"town.yaml"}
    assert all(e["column"] and e["message"] and e["hint"] for e in told["errors"])
    assert (await api.get("/plans"))["items"] == []


def breaking(error: Exception, path: str = "/breaks") -> httpx2.AsyncClient:
    app = FastAPI()
    app.state.routes = []

    @app.get(path)
    async def breaks() -> None:
        raise error

    problems.register(app)
    app.add_middleware(problems.LastResort)
    app.add_middleware(Guard)
    transport = httpx2.ASGITransport(app)
    return httpx2.AsyncClient(transport=transport, base_url="http://127.0.0.1")


async def test_what_nobody_foresaw_shows_no_internals() -> None:
    async with breaking(RuntimeError("password=hunter2")) as http:
        answer = await http.get("/breaks")
    told = check(answer, 500, "internal")
    assert "hunter2" not in answer.text
    assert told["request_id"] in told["hint"]


async def test_a_journal_that_is_away_is_told_as_such() -> None:
    locked = OperationalError("select 1", {}, sqlite3.OperationalError("disk I/O error"))
    for error in (locked, JournalUnavailableError("disk full")):
        async with breaking(error) as http:
            answer = await http.get("/breaks")
        check(answer, 503, "journal-unavailable")
        assert answer.headers["retry-after"] == "5"
        assert "select" not in answer.text


async def test_a_claim_names_the_run_that_holds_the_machine() -> None:
    async with breaking(MachineClaimedError("taken", run="town-7", hint="wait")) as http:
        told = check(await http.get("/breaks"), 409, "machine-claimed")
    assert told["run_id"] == "town-7"


def descendants(cls: type[DrorchError]) -> list[type[DrorchError]]:
    return [cls] + [d for child in cls.__subclasses__() for d in descendants(child)]


def test_every_error_of_drorch_has_a_kind_and_a_page(application: Application) -> None:
    for error in descendants(DrorchError):
        assert 400 <= kind_of(error).status < 600
        assert error.code in catalogue()


async def test_every_type_of_problem_has_its_page(http: httpx2.AsyncClient) -> None:
    index = (await http.get("/problems")).text
    for code, kind in catalogue().items():
        answer = await http.get(f"/problems/{code}")
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("text/html")
        assert str(kind.status) in answer.text
        assert f'href="/problems/{code}"' in index


async def test_a_browser_gets_the_problem_of_a_page_as_a_page(http: httpx2.AsyncClient) -> None:
    html = {"Accept": "text/html,*/*;q=0.8"}
    answer = await http.get("/runs/none-1", headers=html)
    assert answer.status_code == 404
    assert "There is no such run" in answer.text
    check(await http.get("/runs/none-1"), 404, "run-not-found")
    check(await http.get("/api/v1/runs/none-1", headers=html), 404, "run-not-found")

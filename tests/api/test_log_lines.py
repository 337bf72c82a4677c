"""What the log says of a request: its number in every line, its route, who; never a secret."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import httpx2
import pytest
import structlog
from fastapi import APIRouter, Request
from structlog.testing import LogCapture

from api.app import create_app
from api.bootstrap import Application
from api.metrics.requests import who
from tests.api.desk import BASE, Caller, driven


@pytest.fixture
def lines() -> Any:
    """Catch what is logged, with all that is bound to it."""
    caught = LogCapture()
    structlog.configure(processors=[structlog.contextvars.merge_contextvars, caught])
    yield caught.entries
    structlog.reset_defaults()


async def test_each_request_is_a_line_with_its_number(
    http: httpx2.AsyncClient, lines: list[dict[str, Any]]
) -> None:
    answer = await http.post("/api/v1/runs/none-1/pause?token=CANARY", json={})
    line = next(one for one in lines if one["event"] == "http.request")
    assert line["request_id"] == answer.headers["x-request-id"] == answer.json()["request_id"]
    assert line["log_level"] == "info"
    assert (line["method"], line["route"]) == ("POST", "/api/v1/runs/{run}/pause")
    assert (line["status"], line["run"]) == (answer.status_code, "none-1")
    assert line["ms"] >= 0
    assert "CANARY" not in repr(lines)


async def test_reads_are_told_to_who_debugs(
    http: httpx2.AsyncClient, lines: list[dict[str, Any]]
) -> None:
    await http.get("/api/v1/plans")
    line = next(one for one in lines if one["event"] == "http.request")
    assert line["log_level"] == "debug"


async def test_a_refused_request_has_the_same_number_everywhere(
    http: httpx2.AsyncClient, lines: list[dict[str, Any]]
) -> None:
    answer = await http.get("/readyz", headers={"Host": "evil.example"})
    assert answer.status_code == 403
    line = next(one for one in lines if one["event"] == "http.request")
    assert line["request_id"] == answer.headers["x-request-id"] == answer.json()["request_id"]
    assert line["route"] == "unmatched"


async def test_every_line_made_for_a_request_names_it_and_the_run(
    application: Application, lines: list[dict[str, Any]]
) -> None:
    app = create_app(application)
    room = APIRouter()

    @room.get("/said/{run}")
    async def said(run: str, request: Request) -> str:
        structlog.get_logger().info("it.is-said")
        return str(request.state.request_id)

    app.include_router(room)
    transport = httpx2.ASGITransport(app)
    async with httpx2.AsyncClient(transport=transport, base_url=BASE) as http:
        numbers = [(await http.get(f"/said/town-{n}")).json() for n in range(2)]
    told = [one for one in lines if one["event"] == "it.is-said"]
    assert [one["request_id"] for one in told] == numbers
    assert [one["run"] for one in told] == ["town-0", "town-1"]
    assert not structlog.contextvars.get_contextvars()


async def test_every_line_about_a_run_names_it(
    api: Caller, application: Application, lines: list[dict[str, Any]]
) -> None:
    await api.store()
    run = await api.start("dry-run")
    async with driven(application.settings):
        await api.status(run, "succeeded", "failed")
    about = [one for one in lines if one["event"].startswith("run.")]
    assert about
    assert all(one["run"] == run for one in about)


def test_who_asks_is_told_once_somebody_knows() -> None:
    principal = SimpleNamespace(identity="person:mario", name="Mario")
    assert who({"type": "http", "state": {"principal": principal}}) == "person:mario"
    assert who({"type": "http"}) == ""

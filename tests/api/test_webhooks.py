"""Web hooks over HTTP: how they do, a test message through the outbox, a new beginning after 410."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest

from api.access import WantedToken, make_token
from api.bootstrap import Application
from api.callers import system_caller
from api.metrics.figures import Figures
from api.outgoing import keep_telling
from api.settings import Settings
from connectors.simulated.server import Simulator
from drorch.access.roles import Role
from drorch.outbox.sender import Pace
from tests.api.desk import Caller, calling, settings, until
from tests.fakes.receiver import SECRET, Receiver, Reply, receiving

HURRIED = Pace(look=0.02, lease=5.0)


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with receiving() as running:
        yield running


@pytest.fixture
def configured(
    tmp_path: Path, simulator: Simulator, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> Settings:
    monkeypatch.setenv("HOOK_SECRET", SECRET)
    plain = settings(tmp_path / "data", simulator.url).model_dump()
    hook = {"url": receiver.url, "secret": {"env": "HOOK_SECRET"}, "events": ["run.*"]}
    return Settings.model_validate({**plain, "webhooks": {"desk": hook}})


@asynccontextmanager
async def asked(configured: Settings) -> AsyncIterator[tuple[Caller, Application]]:
    """Give the HTTP side, and an engine of another application that sends."""
    figures = Figures()
    async with (
        Application(configured) as ours,
        calling(ours) as http,
        Application(configured, figures) as engine,
    ):
        telling = asyncio.create_task(keep_telling(engine, figures, HURRIED))
        yield Caller(http), engine
        telling.cancel()
        await asyncio.gather(telling, return_exceptions=True)


async def hook_of(api: Caller) -> Any:
    (found,) = (await api.get("/webhooks"))["items"]
    return found


async def test_there_may_be_none(api: Caller) -> None:
    assert await api.get("/webhooks") == {"items": [], "next": None}
    problem = await api.post("/webhooks/desk/test", 404)
    assert problem["code"] == "webhook-not-found"


async def test_a_test_message_arrives(configured: Settings, receiver: Receiver) -> None:
    async with asked(configured) as (api, _):
        made = await api.post("/webhooks/desk/test", 202)
        await until(lambda: _sent(api))
        (got,) = receiver.got
        found = await hook_of(api)
        entries = (await api.get("/audit"))["items"]
    assert got.message == made["message"]
    assert got.content["type"] == "webhook.test"
    assert got.content["data"] == {"hook": "desk", "actor": "api"}
    assert (found["pending"], found["failed"], found["disabled"]) == (0, 0, False)
    assert entries[0]["entry"]["action"] == "webhook.test"
    assert made["message"] in entries[0]["entry"]["object"]


async def _sent(api: Caller) -> bool:
    found = await hook_of(api)
    return bool(found["last_sent_at"]) and not found["pending"]


async def test_a_run_is_told(configured: Settings, receiver: Receiver) -> None:
    async with asked(configured) as (api, _):
        await until(lambda: _begun(api))
        await api.store()
        run = await api.start("simulate")
        await until(lambda: _told(receiver))
    (content,) = receiver.told("run.requested")
    data = content["data"]
    assert (data["run"], data["plan"], data["mode"]) == (run, "town", "simulate")
    assert receiver.forged == []


async def _begun(api: Caller) -> bool:
    """Send a test: when it has arrived, the hook has begun."""
    if not (await hook_of(api))["last_sent_at"]:
        await api.post("/webhooks/desk/test", 202)
    return await _sent(api)


async def _told(receiver: Receiver) -> bool:
    return bool(receiver.told("run.requested"))


async def test_a_halt_does_not_silence_hooks(configured: Settings, receiver: Receiver) -> None:
    async with asked(configured) as (api, _):
        await api.post("/halt", json={"reason": "ransomware"})
        await api.post("/webhooks/desk/test", 202)
        await until(lambda: _sent(api))
    assert len(receiver.arrived) == 1


async def test_nothing_secret_is_shown(configured: Settings, receiver: Receiver) -> None:
    receiver.usual = Reply(500)
    async with asked(configured) as (api, _):
        await api.post("/webhooks/desk/test", 202)
        answer = await until(lambda: _failing(api))
    assert "secret-path" not in answer
    assert SECRET not in answer
    assert "HOOK_SECRET" not in answer
    assert f"127.0.0.1:{receiver.port}" in answer


async def _failing(api: Caller) -> str:
    answer = await api.http.get("/api/v1/webhooks")
    return answer.text if answer.json()["items"][0]["last_error"] else ""


async def test_a_hook_is_enabled_after_410(configured: Settings, receiver: Receiver) -> None:
    receiver.script.append(Reply(410))
    async with asked(configured) as (api, _):
        await api.post("/webhooks/desk/test", 202)
        await until(lambda: _disabled(api))
        refused = await api.post("/webhooks/desk/test", 409)
        assert refused["code"] == "webhook-disabled"
        assert "410" in refused["detail"]
        enabled = await api.post("/webhooks/desk/enable")
        assert (enabled["disabled"], enabled["disabled_reason"]) == (False, None)
        await api.post("/webhooks/desk/test", 202)
        await until(lambda: _sent(api))
    assert len(receiver.arrived) == 1


async def _disabled(api: Caller) -> bool:
    return bool((await hook_of(api))["disabled"])


async def test_the_same_request_again_is_one_message(
    configured: Settings, receiver: Receiver
) -> None:
    key = {"Idempotency-Key": "one"}
    async with asked(configured) as (api, _):
        made = [await api.post("/webhooks/desk/test", 202, headers=key) for _ in range(3)]
        await until(lambda: _sent(api))
    assert len({one["message"] for one in made}) == 1
    assert len(receiver.got) == 1


@pytest.mark.parametrize("role", [Role.VIEWER, Role.OPERATOR, Role.RESPONDER])
async def test_only_an_admin_tries_and_enables(configured: Settings, role: Role) -> None:
    async with asked(configured) as (api, engine):
        wanted = WantedToken(name="x", role=role, days=1)
        secret, _ = await make_token(engine, wanted, system_caller())
        api.http.headers["Authorization"] = f"Bearer {secret}"
        await until(lambda: _asks_who(api))
        assert len((await api.get("/webhooks"))["items"]) == 1
        for what in ("test", "enable"):
            assert (await api.post(f"/webhooks/desk/{what}", 403))["code"] == "not-allowed"


async def _asks_who(api: Caller) -> bool:
    """Tell that the service has noticed that it is not open any more."""
    bare = httpx2.Headers({"Authorization": ""})
    return (await api.http.get("/api/v1/webhooks", headers=bare)).status_code == 401


async def test_metrics_tell_what_waits(configured: Settings, receiver: Receiver) -> None:
    receiver.usual = Reply(500)
    async with asked(configured) as (api, _):
        await api.post("/webhooks/desk/test", 202)
        await until(lambda: _failing(api))
        text = (await api.http.get("/metrics")).text
    assert 'drorch_webhooks_pending{hook="desk"} 1.0' in text
    assert "drorch_webhooks_failed_total" in text

"""The same request again has no second effect: at once, many times, and over a crash."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import signal
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx2
import pytest
from sqlalchemy import text

from api.access import WantedToken, make_token
from api.bootstrap import Application
from api.callers import system_caller
from api.settings import Settings
from connectors.simulated.server import Simulator
from drorch.access.roles import Role
from tests.api.desk import PLAN, YAML, Caller, calling, driven, settings, until
from tests.api.test_serve import children, service
from tests.api.test_serve import simulator as simulator_process
from tests.fakes.receiver import SECRET

MANY = 20
PATIENCE = 30.0
CREATING: Mapping[str, tuple[str, Mapping[str, Any], Mapping[str, Any]]] = {
    "run.start": (
        "/api/v1/runs",
        {"json": {"plan": "town", "mode": "simulate"}},
        {"json": {"plan": "town", "mode": "simulate", "reason": "another"}},
    ),
    "plan.store": (
        "/api/v1/plans",
        {"content": PLAN.replace("A small town", "A village"), "headers": YAML},
        {"content": PLAN.replace("A small town", "A city"), "headers": YAML},
    ),
    "token.create": (
        "/api/v1/tokens",
        {"json": {"name": "monitoring", "role": "admin"}},
        {"json": {"name": "monitoring", "role": "viewer"}},
    ),
}
"""Address, request, and another request, of each call that makes something."""


async def send(
    http: httpx2.AsyncClient, path: str, request: Mapping[str, Any], key: str
) -> httpx2.Response:
    """Ask until there is an answer that is final: 409 while the first one is worked on."""
    headers = {**request.get("headers", {}), "Idempotency-Key": key}
    loop = asyncio.get_running_loop()
    end = loop.time() + PATIENCE
    while True:
        assert loop.time() < end, "no final answer"
        with contextlib.suppress(httpx2.TransportError):
            answer = await http.post(path, **{**request, "headers": headers})
            if answer.status_code == 429:
                await asyncio.sleep(0.1)
                continue
            if answer.status_code != 409:
                return answer
            assert answer.json()["code"] == "idempotency-key-in-use", answer.text
        await asyncio.sleep(0.05)


def essence(answer: httpx2.Response) -> Any:
    """Return what has to be the same: not what goes on meanwhile, nor a secret shown once."""
    told = answer.json()
    names = ("id", "plan", "revision", "name", "role", "mode", "created_at", "digest", "message")
    return {name: told[name] for name in names if name in told}


async def effects(http: httpx2.AsyncClient, action: str) -> int:
    """Return how many entries the record has of *action*."""
    told = (await http.get(f"/api/v1/audit?action={action}")).json()
    return len(told["items"])


@pytest.mark.parametrize("action", CREATING)
async def test_many_at_once_have_one_effect(http: httpx2.AsyncClient, action: str) -> None:
    path, request, other = CREATING[action]
    await Caller(http).store()
    # The first token closes the service, so the record is asked with it.
    before = await effects(http, action)
    answers = await asyncio.gather(*(send(http, path, request, "one") for _ in range(MANY)))
    made = [a for a in answers if a.status_code != 401]
    assert {a.status_code for a in made} <= {201, 202}, [a.text for a in made]
    assert len({str(essence(a)) for a in made}) == 1
    first = [a for a in made if "idempotency-replayed" not in a.headers]
    assert len(first) == 1
    if action == "token.create":
        secret = first[0].json()["token"]
        assert not [a for a in made if a is not first[0] and a.json()["token"] is not None]
        http.headers["Authorization"] = f"Bearer {secret}"
        again = await http.post(path, **request, headers={"Idempotency-Key": "one"})
        # It is another one who asks now, so it is another request.
        assert (again.status_code, again.json()["code"]) == (409, "access-conflict")
    else:
        changed = await send(http, path, other, "one")
        assert (changed.status_code, changed.json()["code"]) == (422, "idempotency-key-reused")
    assert await effects(http, action) == before + 1


HOOK = {"url": "http://127.0.0.1:9/", "secret": {"env": "HOOK_SECRET"}}
"""A web hook that nothing answers at: what is for it stays in the outbox."""


@pytest.mark.process
@pytest.mark.timeout(200)
@pytest.mark.parametrize("action", [*CREATING, "webhook.test"])
async def test_a_crash_in_between_leaves_one_effect(
    tmp_path: Path, action: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOOK_SECRET", SECRET)
    path, request, other = CREATING.get(action, ("/api/v1/webhooks/desk/test", {}, {"json": {}}))
    log, moment = tmp_path / "serve.log", random.uniform(0, 0.15)
    print("killed after", moment)
    async with simulator_process(tmp_path) as hypervisor:
        plain = settings(tmp_path / "data", hypervisor).model_dump()
        given = Settings.model_validate({**plain, "webhooks": {"desk": HOOK}})
        async with (
            service(given, log) as (_, url),
            httpx2.AsyncClient(base_url=url, timeout=10, headers=await admin(given)) as http,
        ):
            await Caller(http).store()
            before = await effects(http, action)
            sending = [asyncio.create_task(send(http, path, request, "one")) for _ in range(MANY)]
            await asyncio.wait(sending, timeout=moment)
            os.kill(children(log, "http")[-1], signal.SIGKILL)
            answers = await asyncio.gather(*sending)
            assert {a.status_code for a in answers} <= {201, 202}, [a.text for a in answers]
            assert len({str(essence(a)) for a in answers}) == 1
            changed = await send(http, path, other, "one")
            assert (changed.status_code, changed.json()["code"]) == (422, "idempotency-key-reused")
            assert await effects(http, action) == before + 1

            async def reborn() -> bool:
                return len(children(log, "http")) == 2

            await until(reborn)


async def admin(given: Settings) -> Mapping[str, str]:
    async with Application(given) as app:
        wanted = WantedToken(name="it-office", role=Role.ADMIN, days=None)
        secret, _ = await make_token(app, wanted, system_caller("test"))
    return {"Authorization": f"Bearer {secret}"}


LOST = text("UPDATE requests SET status = NULL, headers = '{}', body = ''")
"""What a crash leaves between the effect and its answer."""


@pytest.mark.parametrize(
    ("path", "request_"),
    [
        *((path, request) for path, request, _ in CREATING.values()),
        ("/api/v1/halt", {"json": {"reason": "stop"}}),
        ("/api/v1/runs/{run}/pause", {"json": {"comment": "wait"}}),
        ("/api/v1/runs/{run}/abort", {}),
        ("/api/v1/runs/{run}/steps/san/approve", {"json": {"comment": "green", "by": "mario"}}),
        ("/api/v1/webhooks/desk/test", {}),
        ("/api/v1/webhooks/desk/enable", {}),
    ],
)
async def test_an_answer_that_a_crash_has_lost_is_given_again(
    tmp_path: Path,
    simulator: Simulator,
    monkeypatch: pytest.MonkeyPatch,
    path: str,
    request_: Mapping[str, Any],
) -> None:
    monkeypatch.setenv("HOOK_SECRET", SECRET)
    plain = settings(tmp_path / "data", simulator.url).model_dump()
    given = Settings.model_validate({**plain, "webhooks": {"desk": HOOK}})
    headers = await admin(given)
    async with Application(given) as app, driven(given), calling(app) as http:
        http.headers.update(headers)
        api = Caller(http)
        await api.store()
        run = ""
        if "{run}" in path:
            run = await api.start("live")
            await api.asks(run, "san")
        address = path.format(run=run)
        first = await send(http, address, request_, "one")
        recorded = len((await api.get("/audit?limit=1000"))["items"])
        await app.store.writing(lambda c: c.execute(LOST).rowcount)
        again = await send(http, address, request_, "one")
        assert again.headers["idempotency-replayed"] == "true"
        assert again.status_code == first.status_code
        told, before = again.json(), first.json()
        if "token" in before:
            before["token"] = None  # the secret is stored nowhere
        elif "created_at" in before:  # a run goes on meanwhile
            told, before = essence(again), essence(first)
        assert told == before
        assert again.headers.get("location") == first.headers.get("location")
        assert len((await api.get("/audit?limit=1000"))["items"]) == recorded


@pytest.mark.parametrize("key", ["", "x" * 201, "caf\u00e9", "a\tb"])
async def test_a_key_that_is_none_is_refused(http: httpx2.AsyncClient, key: str) -> None:
    headers = [(b"idempotency-key", key.encode("latin-1"))]
    answer = await http.post("/api/v1/runs", json={"plan": "town"}, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid-request")


async def test_a_request_that_failed_may_be_sent_again(http: httpx2.AsyncClient) -> None:
    headers = {"Idempotency-Key": "later"}
    body = {"plan": "town", "mode": "simulate"}
    assert (await http.post("/api/v1/runs", json=body, headers=headers)).status_code == 404
    await Caller(http).store()
    assert (await http.post("/api/v1/runs", json=body, headers=headers)).status_code == 202


@pytest.mark.parametrize(
    ("path", "body"),
    [("/api/v1/halt", {"reason": "stop"}), ("/api/v1/runs/{run}/pause", {"comment": "wait"})],
)
async def test_what_creates_nothing_is_replayed_too(
    http: httpx2.AsyncClient, path: str, body: Mapping[str, Any]
) -> None:
    api = Caller(http)
    await api.store()
    address = path.format(run=await api.start("live") if "{run}" in path else "")
    first = await send(http, address, {"json": body}, "twice")
    again = await send(http, address, {"json": body}, "twice")
    assert first.status_code in (200, 202)
    assert (again.status_code, again.json()) == (first.status_code, first.json())
    assert again.headers["idempotency-replayed"] == "true"


async def test_two_keys_are_none(api: Caller) -> None:
    await api.store()
    keys = [("Idempotency-Key", "one"), ("Idempotency-Key", "two")]
    body = {"plan": "town", "mode": "dry-run"}
    answer = await api.http.post("/api/v1/runs", json=body, headers=keys)
    assert answer.status_code == 422, answer.text
    assert "one Idempotency-Key" in answer.json()["detail"]

"""The same request again has no second effect: at once, many times, and over a crash."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.api.desk import PLAN, YAML, Caller, settings, until
from tests.api.test_serve import children, service, simulator

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
    names = ("id", "plan", "revision", "name", "role", "mode", "created_at", "digest")
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


@pytest.mark.process
@pytest.mark.timeout(200)
@pytest.mark.parametrize("action", ["run.start", "plan.store"])
async def test_a_crash_in_between_leaves_one_effect(tmp_path: Path, action: str) -> None:
    path, request, other = CREATING[action]
    log = tmp_path / "serve.log"
    async with (
        simulator(tmp_path) as hypervisor,
        service(settings(tmp_path / "data", hypervisor), log) as (_, url),
        httpx2.AsyncClient(base_url=url, timeout=10) as http,
    ):
        await Caller(http).store()
        before = await effects(http, action)
        sending = [asyncio.create_task(send(http, path, request, "one")) for _ in range(MANY)]
        await asyncio.wait(sending, timeout=0.03)
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

"""Runs over HTTP: created here, driven by the engine, listed, paged, reported."""

from __future__ import annotations

from typing import Any

import httpx2
import pytest

from api.bootstrap import Application
from api.schemas import runs as shapes
from connectors.simulated.server import Simulator
from tests.api.desk import PLAN, Caller

ANSWER = {"comment": "all paths green", "by": "bruno"}


async def test_a_live_run_from_its_order_to_its_report(
    api: Caller, http: httpx2.AsyncClient, engine: Application, simulator: Simulator
) -> None:
    await api.store()
    body = {"plan": "town", "mode": "live", "confirm": "town", "reason": "blackout", "by": "anna"}
    created = await http.post("/api/v1/runs", json=body)
    assert created.status_code == 202
    assert created.headers["location"] == "/api/v1/runs/town-1"
    waiting = await api.status("town-1", "waiting")
    assert waiting["counts"]["waiting"] == 1
    step = await api.get("/runs/town-1/steps/san")
    assert step["question"] == "Is the storage online?"
    assert step["who"]["phone"] == "+39 0000 1"
    told = await api.post("/runs/town-1/steps/san/approve", json=ANSWER)
    assert told["taken"] is True
    done = await api.status("town-1", "succeeded", "failed")
    assert (done["status"], done["started_by"], done["reason"]) == ("succeeded", "anna", "blackout")
    assert done["services"][0]["state"] == "up"
    steps = (await api.get("/runs/town-1/steps"))["items"]
    assert [s["id"] for s in steps] == ["san", "db", "web", "mail"]
    assert all(check["healthy"] for s in steps for check in s["checks"])
    report = await api.get("/runs/town-1/report")
    assert report["services"][0]["met"] is True
    events = (await api.get("/runs/town-1/events?limit=1000"))["items"]
    assert "bruno" in [e["actor"] for e in events if e["step"] == "san"]
    accepted = [str(entry.machine) for entry in simulator.world.log if entry.result == "accepted"]
    assert sorted(accepted) == ["101", "102", "103"]
    for item in steps:
        shapes.Step.model_validate(item)
    shapes.Run.model_validate(done)


async def test_a_live_run_has_to_be_confirmed_with_the_plans_id(api: Caller) -> None:
    await api.store()
    for confirm in ({}, {"confirm": "yes"}, {"confirm": None}):
        told = await api.post("/runs", 422, json={"plan": "town", "mode": "live", **confirm})
        assert told["code"] == "confirmation-needed"
    assert (await api.get("/runs"))["items"] == []


async def test_a_second_live_run_is_refused_and_told_which_holds_the_machine(api: Caller) -> None:
    await api.store()
    await api.store(PLAN.replace("plan: town", "plan: other"))
    first = await api.start()
    for plan in ("town", "other"):
        body = {"plan": plan, "mode": "live", "confirm": plan}
        told = await api.post("/runs", 409, json=body)
        assert (told["code"], told["run_id"]) == ("machine-claimed", first)
    await api.start("dry-run")


async def test_what_the_preflight_refuses_creates_nothing(
    api: Caller, simulator: Simulator
) -> None:
    await api.store(PLAN.replace("connector: sim", "connector: pve"))
    await api.store(
        PLAN.replace("  san: {", "  call: {callout: dns}\n  san: {").replace("town", "b")
    )
    await api.store(PLAN.replace("depends_on: [core], ", "").replace("town", "first"))
    body: dict[str, Any] = {"plan": "town", "mode": "live", "confirm": "town"}
    assert (await api.post("/runs", 422, json=body))["code"] == "configuration"
    body = {"plan": "b", "mode": "live", "confirm": "b"}
    assert "dns" in (await api.post("/runs", 422, json=body))["detail"]
    simulator.close()
    body = {"plan": "first", "mode": "live", "confirm": "first"}
    assert (await api.post("/runs", 502, json=body))["hint"]
    assert (await api.get("/runs"))["items"] == []


async def test_dry_runs_and_simulations_end_by_themselves(api: Caller, engine: Application) -> None:
    await api.store()
    dry, simulated = await api.start("dry-run"), await api.start("simulate", only=["registry"])
    ended = await api.status(dry, "failed", "succeeded")
    assert ended["status"] == "succeeded"
    ended = await api.status(simulated, "failed", "succeeded")
    assert (ended["mode"], ended["status"]) == ("simulate", "succeeded")
    assert ended["only"] == ["registry"]
    assert sum(ended["counts"].values()) == 3
    await api.post("/runs", 422, json={"plan": "town", "only": ["nothing"]})


async def test_runs_are_filtered_and_paged_newest_first(api: Caller, engine: Application) -> None:
    await api.store()
    runs = [await api.start("simulate") for _ in range(5)]
    live = await api.start()
    for run in runs:
        await api.status(run, "succeeded")
    await api.status(live, "waiting")
    seen: list[str] = []
    page: dict[str, Any] = {"next": ""}
    while page["next"] is not None:
        cursor = f"&cursor={page['next']}" if page["next"] else ""
        page = await api.get(f"/runs?limit=4{cursor}")
        seen += [r["id"] for r in page["items"]]
    assert seen == [live, *reversed(runs)]

    async def ids(query: str) -> list[str]:
        return [r["id"] for r in (await api.get(f"/runs?{query}"))["items"]]

    assert await ids("status=waiting") == [live]
    assert await ids("status=waiting&status=succeeded&limit=2") == [live, runs[-1]]
    assert await ids("mode=simulate&mode=live") == seen
    assert await ids("mode=live") == [live]
    assert await ids("plan=other") == []


async def test_steps_and_events_come_in_pages(api: Caller, engine: Application) -> None:
    await api.store()
    run = await api.start("simulate")
    await api.status(run, "succeeded")
    first = await api.get(f"/runs/{run}/steps?limit=3")
    rest = await api.get(f"/runs/{run}/steps?limit=3&cursor={first['next']}")
    assert [len(p["items"]) for p in (first, rest)] == [3, 1]
    assert rest["next"] is None
    whole = (await api.get(f"/runs/{run}/events?limit=1000"))["items"]
    assert [e["seq"] for e in whole] == list(range(1, len(whole) + 1))
    assert (whole[0]["type"], whole[0]["data"]["plan"]) == ("run.requested", "town")
    page = await api.get(f"/runs/{run}/events?limit=5&after=2")
    following = await api.get(f"/runs/{run}/events?limit=1000&cursor={page['next']}")
    assert page["items"] + following["items"] == whole[2:]
    assert following["next"] is None
    last = whole[-1]["seq"]
    assert (await api.get(f"/runs/{run}/events?after={last}")) == {"items": [], "next": None}


async def test_services_have_the_state_of_the_newest_live_run(
    api: Caller, engine: Application
) -> None:
    await api.store()
    before = (await api.get("/services"))["items"][0]
    assert (before["id"], before["state"], before["rto"]) == ("registry", "unknown", 1200.0)
    run = await api.start()
    await api.asks(run, "san")
    after = (await api.get("/services"))["items"][0]
    assert (after["state"], after["run"]) == ("restoring", run)


@pytest.mark.parametrize("key", ["k", "x" * 200])
async def test_the_same_key_and_request_start_one_run(
    http: httpx2.AsyncClient, api: Caller, key: str
) -> None:
    await api.store()
    headers = {"Idempotency-Key": key}
    first = await http.post("/api/v1/runs", json={"plan": "town"}, headers=headers)
    again = await http.post("/api/v1/runs", json={"plan": "town"}, headers=headers)
    assert (again.status_code, again.json()) == (202, first.json())
    assert again.headers["idempotency-replayed"] == "true"
    assert again.headers["location"] == first.headers["location"]
    other = await http.post("/api/v1/runs", json={"plan": "town", "reason": "x"}, headers=headers)
    assert (other.status_code, other.json()["code"]) == (422, "idempotency-key-reused")
    assert len((await api.get("/runs"))["items"]) == 1


async def test_a_key_that_is_no_key_is_refused(http: httpx2.AsyncClient) -> None:
    answer = await http.post(
        "/api/v1/runs", json={"plan": "town"}, headers={"Idempotency-Key": "x" * 201}
    )
    assert answer.json()["code"] == "invalid-request"

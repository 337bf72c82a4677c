"""A real service watched from outside: two processes' figures in one scrape, and lines of JSON."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.api.desk import Caller, settings, until
from tests.api.test_metrics import Samples, parsed, value
from tests.api.test_serve import children, service, simulator

pytestmark = pytest.mark.process

PLAN = """\
drorch: 1
plan: small
title: Small
owner: desk
rto: 1h
contacts: {desk: {name: Desk, phone: "1", email: a@b.example}}
defaults: {connector: sim}
steps:
  db: {vm: 101, verify: [{agent: {}}]}
  web: {vm: 102, depends_on: [db], verify: [{agent: {}}]}
"""


def lines(log: Path) -> list[dict[str, Any]]:
    """Return what the service has logged, each a JSON object, after what is told to people."""
    told = log.read_text().splitlines()
    return [json.loads(line) for line in told if line.startswith("{")]


async def test_the_engine_s_figures_are_in_the_scrape_also_after_it_died(tmp_path: Path) -> None:
    log = tmp_path / "log"
    async with simulator(tmp_path) as hypervisor:
        given = settings(tmp_path / "data", hypervisor)
        async with service(given, log) as (_, url), httpx2.AsyncClient(base_url=url) as http:
            api = Caller(http)
            await api.store(PLAN)
            run = await api.start("live", "small")
            await api.status(run, "succeeded")

            async def seen() -> Samples:
                found = parsed((await http.get("/metrics")).text)
                ok = {"connector": "sim", "call": "start", "result": "ok"}
                return found if value(found, "drorch_connector_calls_total", **ok) == 2 else {}

            found = await until(seen)
            assert value(found, "drorch_engine_alive") == 1
            assert value(found, "drorch_nodes_alive") == 1
            assert value(found, "drorch_step_duration_seconds_count", phase="verify") == 2
            assert value(found, "drorch_runs", mode="live", status="succeeded") == 1

            os.kill(children(log, "engine")[-1], signal.SIGKILL)

            async def back() -> bool:
                answer = await http.get("/metrics")
                assert answer.status_code == 200
                alive = value(parsed(answer.text), "drorch_engine_alive") == 1
                restarted = len(children(log, "engine")) == 2
                return alive and restarted and (await http.get("/readyz")).status_code == 200

            await until(back)
    told = await asyncio.to_thread(lines, log)
    asked = [one for one in told if one["event"] == "http.request"]
    assert {(one["method"], one["route"]) for one in asked} == {
        ("POST", "/api/v1/plans"),
        ("POST", "/api/v1/runs"),
    }
    assert all(one["request_id"] and one["timestamp"] for one in asked)
    driving = [one for one in told if one["event"] in ("run.driving", "run.ended")]
    assert [one["run"] for one in driving] == [run, run]

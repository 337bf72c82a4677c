"""The same commands against a running service, over its REST API."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from connectors.simulated.fleet import build
from connectors.simulated.server import simulating
from tests.process.installation import Installation, line_with
from tests.process.test_two_terminals import ASKING

pytestmark = pytest.mark.process


@pytest.fixture
async def service(tmp_path: Path) -> AsyncIterator[tuple[Installation, str]]:
    async with simulating(build({"generate": {"count": 2}})) as simulator:
        where = Installation(tmp_path, simulator.url)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        serving = await where.launch("serve", "--port", str(port))
        try:
            assert await line_with(serving, "drorch serves on")
            yield where, f"http://127.0.0.1:{port}"
        finally:
            serving.terminate()
            await asyncio.wait_for(serving.communicate(), 30)


@pytest.mark.timeout(300)  # some thirty processes, one after the other
async def test_commands_act_on_a_service(service: tuple[Installation, str]) -> None:
    where, url = service
    async with httpx2.AsyncClient(base_url=f"{url}/api/v1") as client:
        body = Path(where.plan(ASKING)).read_text()
        kind = {"Content-Type": "application/yaml"}
        assert (await client.post("/plans", content=body, headers=kind)).status_code == 201
        wish = {"plan": "asking", "mode": "live", "confirm": "asking"}
        assert (await client.post("/runs", json=wish)).status_code == 202

    async def drorch(*arguments: str) -> tuple[int, str, str]:
        return await where.drorch(*arguments, "--server", url)

    async def told(*arguments: str) -> Any:
        code, out, complaints = await drorch(*arguments, "--format", "json")
        assert code == 0, complaints
        return json.loads(out)

    assert [run["id"] for run in await told("runs")] == ["asking-1"]
    assert (await told("status", "last"))["steps"][0]["asks"] == "manual"
    code, out, _ = await drorch("status", "asking-1")
    assert code == 0
    assert f" --server {url} approve asking-1 san" in out
    watching = await where.launch("watch", "asking-1", "--server", url)
    assert (await drorch("hold", "sim/1001", "--reason", "test"))[0] == 0
    assert [hold["machine"] for hold in await told("holds")] == ["1001"]
    assert (await drorch("release", "sim/1001"))[0] == 0
    assert (await drorch("release", "sim/1001"))[0] == 2
    assert (await drorch("approve", "asking-1", "nope"))[0] == 2
    assert (await drorch("approve", "asking-1", "san", "--comment", "green"))[0] == 0
    out_, grumbled = await asyncio.wait_for(watching.communicate(), 60)
    assert watching.returncode == 0, grumbled.decode()
    assert "db healthy" in out_.decode()
    assert (await told("report", "last"))["run"]["status"] == "succeeded"
    assert (await drorch("retry", "asking-1", "db"))[0] == 1
    assert (await drorch("status", "asking-9"))[0] == 2
    code, out, complaints = await drorch("runbook", "asking", "--format", "text")
    assert code == 0, complaints
    assert "asking" in out
    assert "critical path" in (await drorch("show", "asking"))[1]
    assert (await drorch("runbook", "nowhere"))[0] == 2
    assert [c["name"] for c in await told("connectors")] == ["sim"]
    assert (await told("connectors", "check", "sim"))["name"] == "sim"
    assert {m["machine"]: m["plans"] for m in (await told("fleet"))["items"]} == {
        "1000": ["asking"],
        "1001": [],
    }

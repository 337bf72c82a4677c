"""A rolling upgrade: two services on one PostgreSQL, restarted one after the other under a run."""

from __future__ import annotations

import asyncio
import time
from asyncio.subprocess import Process
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx2
import pytest

from connectors.simulated.fleet import build
from connectors.simulated.server import simulating
from tests.api.desk import until
from tests.checks.serving import free_port
from tests.process.installation import Installation, kill, line_with

pytestmark = pytest.mark.process

LEASE = 30.0
"""Seconds: waiting for one to run out would fail this test."""
AT_ONCE = 10.0
PARTS = ("first", "second", "third")


def document() -> dict[str, Any]:
    """Return a plan of three chains of machines, with a question before the second and third."""
    agent = {"agent": {"interval": "100ms"}}
    steps: dict[str, Any] = {}
    before: list[str] = []
    for part, name in enumerate(PARTS):
        if before:
            steps[f"ask-{name}"] = {"manual": f"Go on with the {name} part?", "depends_on": before}
            before = [f"ask-{name}"]
        for number in range(4):
            step = f"{name}-{number}"
            vm = 1000 + 4 * part + number
            steps[step] = {"vm": vm, "depends_on": before, "verify": [agent]}
            before = [step]
    return {"drorch": 1, "plan": "rolling", "defaults": {"connector": "sim"}, "steps": steps}


class Service:
    """One of the two orchestrators: its own folder, and the database of both."""

    def __init__(self, folder: Path, simulator: str, database: str) -> None:
        folder.mkdir()
        self.where = Installation(folder, simulator)
        more = f'[database]\nurl = "{database}"\n[server]\nlease = "{LEASE:g}s"\n'
        self.where.config.write_text(self.where.config.read_text() + more)
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}/api/v1"
        self.process: Process | None = None

    async def start(self) -> None:
        self.process = await self.where.launch("serve", "--port", str(self.port))
        assert await line_with(self.process, "drorch serves on")

    async def stop(self) -> None:
        """End it as systemd does before an upgrade."""
        assert self.process is not None
        self.process.terminate()
        _, log = await asyncio.wait_for(self.process.communicate(), 30)
        assert self.process.returncode == 0, log.decode()

    async def get(self, path: str) -> Any:
        async with httpx2.AsyncClient(timeout=10) as client:
            answer = await client.get(self.url + path)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def post(self, path: str, **more: Any) -> Any:
        async with httpx2.AsyncClient(timeout=10) as client:
            answer = await client.post(self.url + path, **more)
        assert answer.is_success, answer.text
        return answer.json()

    async def drives(self, run: str) -> bool:
        """Tell whether it drives *run*, as it says itself."""
        nodes = (await self.get("/nodes"))["items"]
        mine = [n for n in nodes if n["address"] and n["address"].endswith(f":{self.port}")]
        return any(node["alive"] and run in node["drives"] for node in mine)

    def starting(self, step: str) -> Callable[[], Awaitable[bool]]:
        async def look() -> bool:
            found = await self.get(f"/runs/rolling-1/steps/{step}")
            return found["status"] in ("starting", "verifying", "healthy")

        return look


async def handed_over(leaving: Service, taking: Service, run: str) -> float:
    """Stop the one that drives; return the seconds until the other does."""
    assert await leaving.drives(run)
    began = time.monotonic()
    stopping = asyncio.create_task(leaving.stop())
    await until(lambda: taking.drives(run), within=AT_ONCE)
    took = time.monotonic() - began
    await stopping
    return took


async def begun(service: Service) -> str:
    await service.post("/plans", **_yaml(service))
    wish = {"plan": "rolling", "mode": "live", "confirm": "rolling"}
    return str((await service.post("/runs", json=wish))["id"])


def _yaml(service: Service) -> dict[str, Any]:
    content = Path(service.where.plan(document())).read_text()
    return {"content": content, "headers": {"Content-Type": "application/yaml"}}


async def approved(service: Service, other: Service, run: str, step: str) -> None:
    async def asks() -> bool:
        return bool((await other.get(f"/runs/{run}/steps/{step}"))["status"] == "waiting")

    await until(asks, within=30)
    told = await service.post(f"/runs/{run}/steps/{step}/approve", json={"by": "anna"})
    assert told["taken"] is True


async def test_a_run_goes_on_while_both_services_are_restarted(
    tmp_path: Path, postgres_url: str
) -> None:
    fleet = build({"generate": {"count": 12, "boot": "500ms", "app": "100ms"}})
    async with simulating(fleet) as simulator:
        services = [Service(tmp_path / name, simulator.url, postgres_url) for name in "ab"]
        try:
            await asyncio.gather(*(service.start() for service in services))
            run = await begun(services[0])

            async def driver() -> Service | None:
                found = [s for s in services if await s.drives(run)]
                return found[0] if found else None

            one = await until(driver)
            assert one is not None
            two = next(service for service in services if service is not one)

            await until(two.starting("first-1"))
            took = [await handed_over(one, two, run)]
            await approved(two, two, run, "ask-second")
            await one.start()
            await until(one.starting("second-1"))
            took.append(await handed_over(two, one, run))
            await two.start()
            await approved(two, one, run, "ask-third")

            async def over() -> Any:
                found = await two.get(f"/runs/{run}")
                return found if found["ended_at"] else None

            done = await until(over, within=30)
            assert done["status"] == "succeeded"
            events = (await two.get(f"/runs/{run}/events?limit=1000"))["items"]
            kinds = Counter(event["type"] for event in events)
            assert kinds["run.adopted"] == 2, kinds
            nodes = (await one.get("/nodes"))["items"]
            assert [node["alive"] for node in nodes] == [True, True]
            code, out, _ = await one.where.drorch("nodes", "--server", two.url[: -len("/api/v1")])
            assert code == 0
            assert out.count("alive") == 2
            print(f"handed over within {[round(seconds, 2) for seconds in took]} s")
            assert max(took) < LEASE / 2, took
        finally:
            for service in services:
                if service.process is not None:
                    await kill(service.process)
        accepted = Counter(e.machine for e in simulator.world.log if e.result == "accepted")
        assert sorted(accepted.values()) == [1] * 12, accepted

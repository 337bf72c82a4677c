"""Orchestrators that look at real servers, on both databases: one looks, and steps back for a run."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest

from api.bootstrap import Application
from api.lookout import _Stoppable, keep_lookout
from api.settings import Settings
from connectors.simulated.server import Simulator
from drorch.journal.service_sightings import Key
from drorch.model.plan import CheckSpec, MachineRef
from drorch.ports.check import CheckResult, Prober
from tests.api.desk import PLAN, YAML, Caller, calling, driven, settings, until
from tests.signatures.keys import made

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok"
SICK = b"HTTP/1.1 503 Sick\r\nContent-Length: 4\r\nConnection: close\r\n\r\nsick"
FRONT = Key("town", "front")


class Front:
    """A real web server of the town that can be ill."""

    def __init__(self) -> None:
        self.answer = OK
        self.asked = 0
        self.port = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        self.asked += 1
        writer.write(self.answer)
        await writer.drain()
        writer.close()

    def plan(self) -> str:
        health = f"http://127.0.0.1:{self.port}/health"
        return PLAN.replace(
            "groups:\n",
            f"  front: {{title: {{it: Sportello}}, external: true, verify: [{{http: '{health}'}}]}}\n"
            "  post: {title: {it: Posta}, steps: [mail]}\n"
            "groups:\n",
        )


@pytest.fixture
async def front() -> AsyncIterator[Front]:
    town = Front()
    server = await asyncio.start_server(town.serve, "127.0.0.1", 0)
    town.port = server.sockets[0].getsockname()[1]
    async with server:
        yield town


class Counting:
    """Tells what one orchestrator asked."""

    def __init__(self, prober: Prober) -> None:
        self._prober = prober
        self.asked: list[str] = []

    async def probe(self, check: CheckSpec, machine: MachineRef | None) -> CheckResult:
        self.asked.append(check.kind)
        return await self._prober.probe(check, machine)


@pytest.fixture(params=["sqlite", "postgresql"])
def shared(request: pytest.FixtureRequest, tmp_path: Path, simulator: Simulator) -> list[Settings]:
    """Return the configurations of two orchestrators over one database."""
    on_sqlite = request.param == "sqlite"
    url = "sqlite" if on_sqlite else request.getfixturevalue("postgres_url")
    found = []
    for name in ("one", "two"):
        folder = tmp_path / ("both" if on_sqlite else name)
        given = settings(folder, simulator.url).model_dump()
        more = {"database": {"url": url}, "services": {"look_every": 1}}
        found.append(Settings(**{**given, **more}))
    return found


@asynccontextmanager
async def looking(config: Settings) -> AsyncIterator[tuple[Application, Any, asyncio.Task[None]]]:
    async with Application(config) as app:
        app.prober = counting = Counting(app.prober)  # type: ignore[assignment]
        task = asyncio.create_task(keep_lookout(app))
        try:
            yield app, counting, task
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


async def store_plan(app: Application, plan: str) -> None:
    async with calling(app) as http:
        stored = await http.post("/api/v1/plans", content=plan, headers=YAML)
        assert stored.status_code == 201, stored.text


def seen(app: Application, key: Key, *, healthy: bool | None) -> Any:
    async def look() -> bool:
        kept = (await app.sightings.all()).get(key)
        return kept is not None and kept.sighting.healthy is healthy

    return look


async def test_one_of_two_looks_at_a_real_server_and_the_other_goes_on(
    shared: Sequence[Settings], front: Front, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("drorch.engine.lookout.TTL", 2.0)
    async with looking(shared[0]) as (first, asked, task):
        await store_plan(first, front.plan())
        await until(seen(first, FRONT, healthy=True))
        async with looking(shared[1]) as (second, others, _):
            front.answer = SICK
            await until(seen(second, FRONT, healthy=False))
            assert "503" in (await second.sightings.all())[FRONT].sighting.evidence
            assert asked.asked, "the first one looks"
            assert others.asked == [], "and it alone"

            async def gone(_holder: str) -> None: ...

            monkeypatch.setattr(first.sightings, "leave", gone)  # it dies and says nothing
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            front.answer = OK
            await until(seen(second, FRONT, healthy=True))
            assert others.asked


async def test_the_state_of_a_service_is_true_without_a_run(
    application: Application, front: Front, simulator: Simulator
) -> None:
    """The guest agent of a real (simulated) machine is asked, through its hypervisor."""
    config = Settings(**{**application.settings.model_dump(), "services": {"look_every": 1}})
    async with looking(config) as (app, _, _), calling(app) as http:
        api = Caller(http)
        await api.store(front.plan())

        async def states(**wanted: str) -> bool:
            found = {s["id"]: s["state"] for s in (await api.get("/services"))["items"]}
            return found == wanted

        await until(lambda: states(front="up", post="down", registry="down"))
        async with httpx2.AsyncClient(base_url=simulator.url) as hypervisor:
            assert (await hypervisor.post("/machines/103/start")).is_success
        await until(lambda: states(front="up", post="up", registry="down"))


async def test_a_recovery_is_not_disturbed(
    application: Application, front: Front, simulator: Simulator
) -> None:
    config = Settings(**{**application.settings.model_dump(), "services": {"look_every": 1}})
    async with looking(config) as (app, counting, _), driven(config), calling(app) as http:
        api = Caller(http)
        await api.store(front.plan())
        await until(seen(app, Key("town", "registry"), healthy=False))
        await until(seen(app, FRONT, healthy=True))
        run = await api.start(only=["registry"])
        await api.asks(run, "san")

        async def left_alone() -> bool:
            kept = await app.sightings.all()
            return kept[Key("town", "registry")].age_s > 3 > kept[FRONT].age_s

        await until(left_alone)
        counting.asked.clear()
        before = front.asked

        async def looked() -> bool:
            return front.asked >= before + 3

        await until(looked)
        assert "agent" not in counting.asked, "hypervisors are the recovery's"
        found = {s["id"]: s["state"] for s in (await api.get("/services"))["items"]}
        assert (found["registry"], found["front"]) == ("restoring", "not_affected")
        await api.post(f"/runs/{run}/abort")

        async def again() -> bool:
            return "agent" in counting.asked

        await until(again)


async def test_nobody_looks_where_nobody_wants_it(application: Application, front: Front) -> None:
    given = {**application.settings.model_dump(), "services": {"look": False, "look_every": 1}}
    async with looking(Settings(**given)) as (app, counting, _):
        await store_plan(app, front.plan())
        async with looking(Settings(**{**given, "services": {"look_every": 1}})) as (other, _, _):
            await until(seen(other, FRONT, healthy=True))
        assert counting.asked == []


async def test_nobody_looks_by_a_plan_that_nobody_signed(
    application: Application, front: Front, tmp_path: Path
) -> None:
    signer = made("ed25519", tmp_path)
    allowed = tmp_path / "allowed"
    allowed.write_bytes(signer.allowed())
    policy = {"signed_plans": True, "allowed_signers": allowed}
    given = {**application.settings.model_dump(), "policy": policy, "services": {"look_every": 1}}
    async with looking(Settings(**given)) as (app, counting, _):
        await store_plan(app, front.plan())
        before = front.asked
        other = front.plan().replace("plan: town", "plan: other").replace("front:", "desk:")
        armor = base64.b64encode(signer.sign(other.encode())).decode()
        async with calling(app) as http:
            headers = {**YAML, "Drorch-Plan-Signature": armor}
            stored = await http.post("/api/v1/plans", content=other, headers=headers)
            assert stored.json()["signed_by"] == "anna@comune.example", stored.text
        await until(seen(app, Key("other", "desk"), healthy=True))
        assert front.asked > before
        assert "http" in counting.asked
        assert {key.plan for key in await app.sightings.all()} == {"other"}
        allowed.write_bytes(b"")

        async def left_alone() -> bool:
            return (await app.sightings.all())[Key("other", "desk")].age_s > 3

        await until(left_alone)


async def test_nothing_is_called_out_while_drorch_is_halted(
    application: Application, api: Caller
) -> None:
    counting = Counting(application.prober)
    door = _Stoppable(application, counting)
    called = CheckSpec(kind="callout", name="door", params={"name": "door", "with": {}})
    await api.post("/halt", json={"reason": "who is that?"})
    told = await door.probe(called, None)
    assert (counting.asked, told.evidence) == ([], "drorch is halted: nothing is called")
    await door.probe(CheckSpec(kind="tcp", name="t", params={"host": "127.0.0.1", "port": 9}), None)
    assert counting.asked == ["tcp"]

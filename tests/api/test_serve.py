"""`drorch serve` as real processes: ordered, answered, watched, killed, and still right."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import socket
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from api.serving import serve
from api.settings import Settings
from drorch.errors import ConfigurationError
from tests.api.desk import PLAN, Caller, settings, until

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.process

FLEET = {
    "machines": [
        {"id": 101, "name": "db", "boot": "1500ms", "app": "200ms"},
        {"id": 102, "name": "web", "boot": "1500ms", "app": "200ms", "needs": [101]},
        {"id": 103, "name": "mail", "boot": "1500ms", "app": "200ms"},
    ]
}


@contextlib.asynccontextmanager
async def process(*arguments: str, **more: Any) -> AsyncIterator[Process]:
    running = await asyncio.create_subprocess_exec(
        sys.executable, *arguments, stdout=PIPE, cwd=ROOT, **more
    )
    try:
        yield running
    finally:
        if running.returncode is None:
            running.kill()
        await running.wait()


async def said(running: Process) -> str:
    assert running.stdout is not None
    line = (await asyncio.wait_for(running.stdout.readline(), 90)).decode()
    assert "http://" in line, line
    return next(word.rstrip("/") for word in line.split() if word.startswith("http://"))


@contextlib.asynccontextmanager
async def simulator(tmp_path: Path) -> AsyncIterator[str]:
    fleet = tmp_path / "fleet.json"
    fleet.write_text(json.dumps(FLEET))
    arguments = ("-m", "connectors.simulated", "--fleet", str(fleet), "--port", "0")
    async with process(*arguments) as running:
        yield await said(running)


SERVE = """
import sys
from api.serving import serve
from api.settings import Settings
sys.exit(serve(Settings.model_validate_json(sys.argv[1])))
"""


@contextlib.asynccontextmanager
async def service(given: Settings, log: Path) -> AsyncIterator[tuple[Process, str]]:
    with log.open("ab") as stderr:
        async with process("-c", SERVE, given.model_dump_json(), stderr=stderr) as running:
            yield running, await said(running)


def children(log: Path, role: str) -> list[int]:
    """Return the process ids of every life that a child has had."""
    lines = [json.loads(line) for line in log.read_text().splitlines() if line.startswith("{")]
    return [e["pid"] for e in lines if e["event"] == "child.started" and e["role"] == role]


def is_alive(pid: int) -> bool:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    return False


async def stream(url: str, run: str, after: int, upto: int) -> list[int]:
    """Return the numbers of the events that a stream gives until number *upto*."""
    seqs: list[int] = []
    headers = {"Accept": "text/event-stream", "Last-Event-ID": str(after)}
    async with (
        asyncio.timeout(20),
        httpx2.AsyncClient(timeout=15) as http,
        http.stream("GET", f"{url}/api/v1/runs/{run}/events", headers=headers) as answer,
    ):
        async for line in answer.aiter_lines():
            if line.startswith("id: "):
                seqs.append(int(line[4:]))
                if seqs[-1] >= upto:
                    return seqs
    return seqs


async def test_a_recovery_survives_the_death_of_either_process(tmp_path: Path) -> None:
    log = tmp_path / "serve.log"
    async with (
        simulator(tmp_path) as hypervisor,
        service(settings(tmp_path / "data", hypervisor), log) as (serving, url),
        httpx2.AsyncClient(base_url=url, timeout=10) as http,
    ):
        api = Caller(http)
        assert (await http.get("/readyz")).status_code == 200
        await api.store(PLAN)
        run = await api.start(by="anna")
        await api.asks(run, "san")
        seen = await stream(url, run, 0, 3)
        told = await api.post(f"/runs/{run}/steps/san/approve", json={"by": "bruno"})
        assert told["taken"] is True

        async def ordered() -> bool:
            found = await api.get(f"/runs/{run}/steps/db")
            return bool(found["status"] == "starting" and found["handle"])

        await until(ordered)
        os.kill(children(log, "engine")[-1], signal.SIGKILL)
        os.kill(children(log, "http")[-1], signal.SIGKILL)

        async def gone() -> bool:
            return not is_alive(children(log, "http")[0])

        await until(gone)
        # the socket outlives its process: this call waits for the next one and is answered
        async with httpx2.AsyncClient(base_url=url, timeout=15) as fresh:
            assert (await fresh.get("/healthz")).status_code == 200
        done = await api.status(run, "succeeded", "failed")
        assert done["status"] == "succeeded"
        events = (await api.get(f"/runs/{run}/events?limit=1000"))["items"]
        assert "run.adopted" in [e["type"] for e in events]
        rest = await stream(url, run, seen[-1], events[-1]["seq"])
        assert seen + rest == [e["seq"] for e in events]
        entries = (await http.get(f"{hypervisor}/log")).json()
        accepted = [e["machine"] for e in entries if e["result"] == "accepted"]
        assert sorted(str(m) for m in accepted) == ["101", "102", "103"]
        assert len(children(log, "engine")) == len(children(log, "http")) == 2
        serving.terminate()
        assert await asyncio.wait_for(serving.wait(), 8) == 0
        assert not any(is_alive(p) for r in ("engine", "http") for p in children(log, r))
        assert "child.killed" not in log.read_text()


async def test_children_end_with_their_parent_and_streams_with_the_service(
    tmp_path: Path,
) -> None:
    log = tmp_path / "serve.log"
    given = settings(tmp_path / "data", "http://127.0.0.1:9")
    async with service(given, log) as (serving, url):
        serving.kill()
        pids = [children(log, role)[-1] for role in ("engine", "http")]

        async def ended() -> bool:
            return not any(map(is_alive, pids))

        await until(ended, within=10)
    port = int(url.rsplit(":", 1)[1])
    again = settings(tmp_path / "data", "http://127.0.0.1:9", port=port)
    async with service(again, log) as (serving, url), httpx2.AsyncClient(base_url=url) as http:
        api = Caller(http)
        await api.store(PLAN)
        run = await api.start("simulate")
        await api.status(run, "succeeded")
        endless = asyncio.create_task(stream(url, run, 0, 10**9))
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(asyncio.shield(endless), 0.5)
        serving.terminate()
        assert await asyncio.wait_for(serving.wait(), 5) == 0
        assert await asyncio.wait_for(endless, 5)


@pytest.mark.parametrize("host", ["0.0.0.0", "10.0.0.1", "::", "drorch.example", ""])
def test_any_address_but_loopback_is_refused(tmp_path: Path, host: str) -> None:
    with pytest.raises(ConfigurationError, match="there is no TLS") as told:
        serve(Settings(data_dir=tmp_path, server={"host": host}))
    assert "ssh -L" in told.value.hint


def test_a_port_in_use_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("api.serving._PORT_PATIENCE", 0.1)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ConfigurationError, match=f"port {port}: Address already in use"):
            serve(Settings(data_dir=tmp_path, server={"port": port}))


def test_a_wrong_configuration_is_told_at_once(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="'type'"):
        serve(Settings(data_dir=tmp_path, connectors={"pve": {}}))

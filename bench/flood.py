"""``make bench-flood``: does a recovery wait when somebody floods the service?

A real service, a simulated hypervisor and a live run, first left alone and then with a flood that
is as strong as one process on the same machine can make it: pipelined requests without end, 500
who send a byte a second, bodies that never end, streams. What counts is how late each start order
comes after all that it needs is healthy in the journal. ``python -m bench.flood [--seconds 10]``
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import socket
import statistics
import sys
import tempfile
import time
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Self

import httpx2

from bench.flooding import flood

ROOT = Path(__file__).parents[1]
CHAINS = 20
HOLD_UP = 0.1
"""Seconds that the slowest of a hundred steps may come later than without the flood."""
DECIDED_WITHIN = 2.0
_PATIENCE = 60.0
_ENDED = ("succeeded", "failed", "aborted")


def plan(name: str, machines: int) -> dict[str, Any]:
    """Return chains of machines: some step becomes due all the time."""
    steps: dict[str, Any] = {}
    for number in range(machines):
        before = number - CHAINS
        steps[f"m{number}"] = {
            "vm": 1000 + number,
            "depends_on": [f"m{before}"] if before >= 0 else [],
        }
    return {
        "drorch": 1,
        "plan": name,
        "defaults": {"connector": "sim", "expect": "2s", "retry": {"attempts": 3, "wait": "1s"}},
        "limits": {"parallel": machines},
        "steps": steps,
    }


def fleet(machines: int) -> dict[str, Any]:
    made = {"count": machines, "hosts": 4, "boot": "1s", "app": "0s", "spread": 0.5}
    return {"latency": "5ms", "generate": {**made, "seed": 3}}


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Site:
    """A service with its simulated hypervisor in *folder*, as processes of their own."""

    def __init__(self, folder: Path, machines: int) -> None:
        self._folder = folder
        self._machines = machines
        self.port = _free_port()
        self._simulator = f"http://127.0.0.1:{_free_port()}"
        self.token = ""
        self._processes: list[Process] = []

    async def __aenter__(self) -> Self:
        (self._folder / "fleet.yaml").write_text(json.dumps(fleet(self._machines)))
        config = f'data_dir = "{self._folder / "data"}"\n[connectors.sim]\ntype = "simulated"\n'
        config += f'url = "{self._simulator}"\ntimeout = "3s"\n'
        (self._folder / "drorch.toml").write_text(config)
        await self._start(
            *("-m", "connectors.simulated", "--fleet", str(self._folder / "fleet.yaml")),
            *("--port", self._simulator.rpartition(":")[2]),
        )
        create = await self._drorch("token", "create", "--name", "operator", "--role", "admin")
        self.token = (await create.communicate())[0].decode().strip()
        serving = await self._drorch("serve", "--port", str(self.port))
        assert serving.stdout is not None
        async with asyncio.timeout(_PATIENCE):
            while b"drorch serves on" not in await serving.stdout.readline():
                assert serving.returncode is None
        return self

    async def __aexit__(self, *_: object) -> None:
        for process in reversed(self._processes):
            if process.returncode is None:
                process.terminate()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(process.wait(), _PATIENCE)

    async def _drorch(self, *arguments: str) -> Process:
        return await self._start("-m", "api.cli", *arguments)

    async def _start(self, *arguments: str) -> Process:
        clean = {k: v for k, v in os.environ.items() if not k.startswith("DRORCH_")}
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-P", *arguments),
            stdout=PIPE,
            stderr=(self._folder / "complaints").open("a"),
            cwd=self._folder,
            env={**clean, "PYTHONPATH": str(ROOT), "DRORCH_CONFIG": "drorch.toml"},
            start_new_session=True,
        )
        self._processes.append(process)
        return process

    @contextlib.asynccontextmanager
    async def operator(self) -> AsyncIterator[httpx2.AsyncClient]:
        """Give somebody who has shown their token before."""
        who = {"Authorization": f"Bearer {self.token}"}
        url = f"http://127.0.0.1:{self.port}/api/v1"
        async with httpx2.AsyncClient(base_url=url, headers=who, timeout=_PATIENCE) as client:
            assert (await client.get("/runs")).status_code == 200
            yield client

    def taken(self) -> dict[str, float]:
        """Return what the HTTP side has taken: most memory (MiB) and processor time (s)."""
        for status in Path("/proc").glob("[0-9]*/status"):
            with contextlib.suppress(OSError):
                lines = status.read_text().splitlines()
                words = (status.parent / "cmdline").read_bytes().split(b"\0")
                if f"PPid:\t{self._processes[-1].pid}" in lines and b"http" in words:
                    peak = next(x for x in lines if "VmHWM" in x)
                    ticks = (status.parent / "stat").read_text().rpartition(")")[2].split()
                    used = (int(ticks[11]) + int(ticks[12])) / os.sysconf("SC_CLK_TCK")
                    return {"mb": int(peak.split()[1]) // 1024, "cpu_s": used}
        raise AssertionError("the HTTP side is gone")

    async def log(self) -> list[dict[str, Any]]:
        async with httpx2.AsyncClient() as client:
            found: list[dict[str, Any]] = (await client.get(f"{self._simulator}/log")).json()
            return found


async def recovered(site: Site, name: str, machines: int) -> dict[str, Any]:
    """Recover the plan; return how late its orders came, in milliseconds."""
    async with site.operator() as client:
        body = json.dumps(plan(name, machines))
        kind = {"Content-Type": "application/yaml"}
        stored = await client.post("/plans", content=body, headers=kind)
        assert stored.status_code == 201, stored.text
        wish = {"plan": name, "mode": "live", "confirm": name}
        begun = await client.post("/runs", json=wish)
        assert begun.status_code == 202, begun.text
        run = begun.json()["id"]
        async with asyncio.timeout(10 * _PATIENCE):
            while (await client.get(f"/runs/{run}")).json()["status"] not in _ENDED:  # noqa: ASYNC110
                await asyncio.sleep(1)
        report = (await client.get(f"/runs/{run}/report")).json()
    assert report["run"]["status"] == "succeeded", report["run"]
    return _delays(report["steps"], await site.log())


def _delays(steps: Sequence[Mapping[str, Any]], log: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return how long after the last need was healthy each machine's first order came."""
    healthy = {step["id"]: datetime.fromisoformat(step["healthy_at"]) for step in steps}
    ordered: dict[int, datetime] = {}
    for entry in log:
        ordered.setdefault(int(entry["machine"]), datetime.fromisoformat(entry["at"]))
    late = sorted(
        (ordered[1000 + number] - healthy[f"m{number - CHAINS}"]).total_seconds() * 1000
        for number in range(CHAINS, len(steps))
    )
    return {
        "steps": len(late),
        "p50_ms": round(statistics.median(late), 1),
        "p99_ms": round(late[int(len(late) * 0.99)], 1),
        "max_ms": round(late[-1], 1),
    }


async def decided(site: Site, run: str) -> list[float]:
    """Pause and resume *run* until cancelled; return how long each answer took."""
    took: list[float] = []
    with contextlib.suppress(asyncio.CancelledError):
        async with site.operator() as client:
            while True:
                for verb in ("pause", "resume"):
                    began = time.monotonic()
                    answer = await client.post(f"/runs/{run}/{verb}", json={})
                    assert answer.status_code < 300 or answer.status_code == 409, answer.text
                    took.append(time.monotonic() - began)
                await asyncio.sleep(0.5)
    return took


async def measured(folder: Path, machines: int, seconds: float) -> dict[str, Any]:
    """Return the figures of a recovery left alone, and of one in a flood."""
    found: dict[str, Any] = {}
    (folder / "alone").mkdir()
    (folder / "flooded").mkdir()
    async with Site(folder / "alone", machines) as site:
        found["alone"] = await recovered(site, "town", machines)
    async with Site(folder / "flooded", machines) as site:
        run = await _asking(site)
        attacker = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "bench.flood", "attack", str(site.port), str(seconds)),
            stdout=PIPE,
            cwd=ROOT,
            start_new_session=True,
        )
        before = site.taken()["cpu_s"]
        deciding = asyncio.create_task(decided(site, run))
        found["flooded"] = await recovered(site, "town", machines)
        told, _ = await asyncio.wait_for(attacker.communicate(), seconds + _PATIENCE)
        deciding.cancel()
        took = await deciding
        found["flood"] = json.loads(told)
        found["decisions"] = {"count": len(took), "slowest_s": round(max(took), 2)}
        http = site.taken()
        found["http"] = {"mb": http["mb"], "cpu_s": round(http["cpu_s"] - before, 1)}
    return found


async def _asking(site: Site) -> str:
    """Begin a run that does nothing but ask: somebody decides about it all the time."""
    steps = {"ask": {"manual": {"ask": "Is it there?", "timeout": "1h"}}}
    document = {"drorch": 1, "plan": "desk", "steps": steps}
    async with site.operator() as client:
        kind = {"Content-Type": "application/yaml"}
        stored = await client.post("/plans", content=json.dumps(document), headers=kind)
        assert stored.status_code == 201, stored.text
        wish = {"plan": "desk", "mode": "live", "confirm": "desk"}
        return str((await client.post("/runs", json=wish)).json()["id"])


def main() -> int:
    if sys.argv[1:2] == ["attack"]:
        sys.stdout.write(json.dumps(asyncio.run(flood(int(sys.argv[2]), float(sys.argv[3])))))
        return 0
    parser = argparse.ArgumentParser(prog="bench.flood", description=__doc__)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--machines", type=int, default=200)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        found = asyncio.run(measured(Path(folder), asked.machines, asked.seconds))
    sys.stdout.write(json.dumps(found, indent=2) + "\n")
    later = found["flooded"]["p99_ms"] - found["alone"]["p99_ms"]
    held = later <= HOLD_UP * 1000 and found["decisions"]["slowest_s"] <= DECIDED_WITHIN
    sys.stdout.write(f"the slowest steps of a hundred come {later:.0f} ms later in the flood\n")
    return 0 if held else 1


if __name__ == "__main__":
    sys.exit(main())

"""The lab's fleet as a plan, and a drorch of its own to recover it."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import yaml

from api.bootstrap import Application
from api.callers import system_caller
from api.operations import Wish, choose_plan, start_run
from api.settings import Settings
from drorch.run import events as ev
from drorch.run.commands import Decision
from drorch.run.evolve import fold
from drorch.run.state import RunState
from drorch.run.status import Mode
from tests.lab.fleet import LabFleet
from tests.lab.waiting import until

PATIENCE = 240.0
"""Seconds for a whole fleet on a busy machine; a quiet one needs thirty."""

Condition = Callable[[RunState], bool]


def plan_of(fleet: LabFleet, **overrides: Any) -> str:
    """Return the plan: each guest after what it needs, verified by tcp, http and its agent."""
    steps: dict[str, Any] = {}
    for name in fleet.machines:
        verify: list[dict[str, Any]] = [
            {"tcp": f"127.0.0.1:{fleet.ports[name]}"},
            {"http": {"url": fleet.health_url(name), "status": 200, "timeout": "4s"}},
        ]
        if not fleet.needs(name):
            verify.append({"agent": {}})
        steps[name] = {"vm": name, "depends_on": list(fleet.needs(name)), "verify": verify}
    defaults = {"connector": "lab", "start_timeout": "90s", "verify_timeout": "120s", **overrides}
    document = {
        "drorch": 1,
        "plan": "lab",
        "title": "Eight real guests",
        "defaults": defaults,
        "limits": {"parallel": 4},
        "steps": steps,
    }
    return yaml.safe_dump(document, sort_keys=False)


def configuration(fleet: LabFleet, folder: Path) -> str:
    """Return a ``drorch.toml`` for the lab."""
    table = "\n".join(f"{key} = {_toml(value)}" for key, value in fleet.settings.items())
    return f'data_dir = "{folder / "data"}"\n[connectors.lab]\n{table}\n'


def _toml(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return f'"{value}"' if isinstance(value, str) else str(value)


class Recovery:
    """One live run in this process."""

    def __init__(self, app: Application, run: str, drive: asyncio.Task[RunState]) -> None:
        self.app = app
        self.run = run
        self.drive = drive

    async def state(self) -> RunState:
        return fold(record.event for record in await self.app.store.read(self.run))

    async def events(self) -> Sequence[ev.Event]:
        return [record.event for record in await self.app.store.read(self.run)]

    async def reached(self, condition: Condition, what: str) -> RunState:
        """Return the run once *condition* holds; fail with what happened when it never does."""

        async def holds() -> bool:
            assert not self.drive.done() or not self.drive.exception(), self.drive
            return condition(await self.state())

        await until(holds, within=PATIENCE, what=what)
        return await self.state()

    async def decide(self, decision: Decision) -> None:
        await self.app.store.submit(self.run, decision)

    async def end(self) -> RunState:
        async with asyncio.timeout(PATIENCE):
            return await self.drive


@asynccontextmanager
async def recovering(fleet: LabFleet, folder: Path, **overrides: Any) -> AsyncIterator[Recovery]:
    """Start a live run of the fleet's plan in this process."""
    plan = folder / "lab.yaml"
    plan.write_text(plan_of(fleet, **overrides))
    settings = Settings(data_dir=folder / "data", connectors={"lab": fleet.settings})
    async with Application(settings) as app:
        chosen = await choose_plan(app, str(plan), caller=system_caller("lab"))
        wish = Wish(chosen=chosen, mode=Mode.LIVE, caller=system_caller("lab"))
        run, lease = await start_run(app, wish, keep_lease=True)
        drive = asyncio.create_task(app.supervisor.drive(run, lease=lease))
        try:
            yield Recovery(app, run, drive)
        finally:
            drive.cancel()
            await asyncio.gather(drive, return_exceptions=True)


class OtherProcess:
    """``drorch run`` as a process that can be killed."""

    def __init__(self, fleet: LabFleet, folder: Path) -> None:
        self.folder = folder
        (folder / "lab.yaml").write_text(plan_of(fleet))
        (folder / "drorch.toml").write_text(configuration(fleet, folder))

    def start(self, *arguments: str) -> subprocess.Popen[bytes]:
        with (self.folder / "output.txt").open("ab") as output:
            return subprocess.Popen(
                [sys.executable, "-m", "api.cli", "run", *arguments],
                env={**os.environ, "DRORCH_CONFIG": str(self.folder / "drorch.toml")},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )

    def output(self) -> str:
        return (self.folder / "output.txt").read_text(errors="replace")


def kill(process: subprocess.Popen[bytes]) -> None:
    """Kill as a power cut does, and take the body away."""
    process.send_signal(signal.SIGKILL)
    process.wait()

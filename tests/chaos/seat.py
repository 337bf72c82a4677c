"""One orchestrator of a scene: its folder, its ways to database and hypervisor, its process."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import sys
import time
from asyncio.subprocess import DEVNULL, PIPE, Process
from datetime import datetime
from pathlib import Path
from typing import Any

from api.settings import load_settings
from tests.checks.serving import free_port
from tests.fakes.receiver import Receiver
from tests.real.family import strike
from tests.real.postgres import PostgresServer
from tests.real.proxy import Proxy

ROOT = Path(__file__).parents[2]
PATIENCE = 90.0
_ORDER = re.compile(rb"POST /machines/([^/ ]+)/start ")
_OVERLAP = 80


def pid_of(driver: str) -> int:
    return int(driver.rpartition(":")[2])


class Tap:
    """Notes when which start order went by."""

    def __init__(self) -> None:
        self.orders: list[tuple[float, str]] = []
        self._rest = b""

    def __call__(self, data: bytes) -> None:
        text = self._rest + data
        found = list(_ORDER.finditer(text))
        self.orders += [(time.time(), match[1].decode()) for match in found]
        self._rest = text[max(found[-1].end() if found else 0, len(text) - _OVERLAP) :]


class Seat:
    """``line`` is its way to PostgreSQL, ``tap`` what it orders; ``data`` its data folder."""

    def __init__(
        self,
        folder: Path,
        *,
        hypervisor: int,
        postgres: PostgresServer | None = None,
        database: str = "",
        lease: float = 1.0,
        data: Path | None = None,
    ) -> None:
        folder.mkdir()
        self.folder = folder
        self.data = data or folder / "data"
        self.notes = folder.parent / "notes"
        self.log = folder / "log"
        self.tap = Tap()
        self.way = Proxy(hypervisor, self.tap)
        self.line = Proxy(postgres.port) if postgres else None
        url = postgres.url(database, port=self.line.port) if postgres and self.line else "sqlite"
        self.config = folder / "drorch.toml"
        self.config.write_text(
            f'data_dir = "{self.data}"\n[server]\nlease = "{lease * 1000:.0f}ms"\n'
            f'port = {free_port()}\n[database]\nurl = "{url}"\n[connectors.sim]\n'
            f'type = "simulated"\nurl = "http://127.0.0.1:{self.way.port}"\ntimeout = "3s"\n'
            f"[callouts.note]\ncommand = "
            f'["/bin/sh", "-c", "echo $1 >> {self.notes}", "note", "{{name}}"]\n'
        )
        self.process: Process | None = None
        self._lives: set[int] = set()
        self._served = False

    def tells(self, receiver: Receiver) -> None:
        """Let engines that sit down here tell *receiver* every event."""
        (self.folder / "hook.secret").write_text(receiver.secret)
        with self.config.open("a") as config:
            config.write(
                f'[webhooks.desk]\nurl = "{receiver.url}"\nevents = ["*"]\n'
                f'secret = {{file = "{self.folder / "hook.secret"}"}}\n'
            )

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{load_settings(self.config, {}).server.port}"

    @property
    def engine(self) -> int:
        """Return the process id of the engine."""
        if self._served:
            return [0, *self._served_engines()][-1]
        return self.process.pid if self.process else 0

    def lives(self) -> set[int]:
        """Return the process ids of all engines that sat here."""
        return self._lives.union(self._served_engines())

    def sat(self, driver: str) -> bool:
        """Tell whether *driver*, as it calls itself in journals, is an engine that sat here."""
        return pid_of(driver) in self.lives()

    def _served_engines(self) -> list[int]:
        return [int(e["pid"]) for e in self.said("child.started") if e["role"] == "engine"]

    async def sit_down(
        self, failpoint: str = "", environment: dict[str, str] | None = None
    ) -> None:
        """Start an engine: the very process that ``drorch serve`` keeps, without its parent."""
        arguments = ("-P", "-m", "api.serving", "engine")
        more = (environment or {}) | ({"DRORCH_FAILPOINT": failpoint} if failpoint else {})
        self.process = await self._launched(arguments, more)
        self._served = False
        assert self.process.stdin is not None
        settings = load_settings(self.config, {}).model_dump_json()
        self.process.stdin.write(settings.encode() + b"\n")
        await self.process.stdin.drain()
        self._lives.add(self.process.pid)

    async def serve(self) -> None:
        """Start ``drorch serve``."""
        arguments = ("-m", "api.cli", "--config", str(self.config), "serve")
        self.process = await self._launched(arguments, {})
        self._served = True

    async def command(self, *arguments: str, failpoint: str = "") -> int:
        """Run ``drorch`` with *arguments* in this place to its end; return its exit code."""
        return await self.program(
            "-m", "api.cli", "--config", str(self.config), *arguments, failpoint=failpoint
        )

    async def program(self, *arguments: str, failpoint: str = "") -> int:
        """Run Python with *arguments* in this place to its end; return its exit code."""
        more = {"DRORCH_FAILPOINT": failpoint} if failpoint else {}
        self.process = await self._launched(arguments, more)
        self._lives.add(self.process.pid)
        return await self.ended()

    async def _launched(self, arguments: tuple[str, ...], more: dict[str, str]) -> Process:
        environment = {k: v for k, v in os.environ.items() if not k.startswith("DRORCH_")}
        environment["DRORCH_LANG"] = os.environ.get("DRORCH_LANG", "en")
        environment |= {"PYTHONPATH": str(ROOT), "NO_COLOR": "1"} | more
        with self.log.open("ab") as log:
            return await asyncio.create_subprocess_exec(
                *(sys.executable, *arguments),
                stdin=PIPE,
                stdout=DEVNULL,
                stderr=log,
                env=environment,
                cwd=self.folder,
                start_new_session=True,
            )

    def signal(self, number: int) -> None:
        """Send a signal to all of it at once."""
        assert self.process is not None
        strike(self.process.pid, number)

    async def kill(self) -> None:
        """End all of it as a power cut would."""
        if self.process is not None:
            if self.process.returncode is None:
                self.signal(signal.SIGKILL)
            await asyncio.wait_for(self.process.wait(), PATIENCE)
            self._close_stdin()

    async def ended(self) -> int:
        """Wait until the process is over by itself; return its exit code."""
        assert self.process is not None
        code = await asyncio.wait_for(self.process.wait(), PATIENCE)
        self._close_stdin()
        return code

    def _close_stdin(self) -> None:
        assert self.process is not None
        assert self.process.stdin is not None
        self.process.stdin.close()

    def said(self, event: str = "") -> list[dict[str, Any]]:
        """Return what it logged: everything, or the lines about *event*."""
        lines = self.log.read_text(errors="replace").splitlines() if self.log.exists() else []
        told = [json.loads(line) for line in lines if line.startswith("{")]
        return [line for line in told if event in ("", line.get("event"))]

    def said_at(self, event: str) -> list[float]:
        """Return when it logged *event*, in seconds since the epoch."""
        return [datetime.fromisoformat(e["timestamp"]).timestamp() for e in self.said(event)]

    async def leave(self) -> None:
        await self.kill()
        self.way.close()
        if self.line is not None:
            self.line.close()

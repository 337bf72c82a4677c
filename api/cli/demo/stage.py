"""The stage of the demo: a folder, free ports, a simulated fleet, a service, and their end."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import shutil
import signal
import socket
import sys
import tempfile
from asyncio.subprocess import DEVNULL, PIPE, Process
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx2

from api.cli.exits import WrongUseError
from api.locale import _
from plans.catalog import example, fleet

ROOT = Path(__file__).parents[3]
_PORT = re.compile(r"(127\.0\.0\.1:|port: )21(\d{3})\b")
_THOUSANDS = (21, 22, 23, 24, 25, 26, 27, 28, 29)
_PATIENCE = 60.0
_END_WITHIN = 6.0


class Stage:
    """Everything the demo starts, and ends again whatever happens."""

    def __init__(self, *, port: int | None, speed: float) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="drorch-demo-"))
        self.config = self.folder / "drorch.toml"
        self.port = port or _preferred(8140)
        self._speed = speed
        self._simulator_port = free_port()
        self._simulator: Process | None = None
        self._service: Process | None = None
        self._http = httpx2.AsyncClient(base_url=self.simulator_url, timeout=10.0)

    @property
    def simulator_url(self) -> str:
        return f"http://127.0.0.1:{self._simulator_port}"

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def __aenter__(self) -> Self:
        thousand = _free_thousand()
        for name, path in (
            ("piacenza.yaml", example("piacenza")),
            ("dry-run-findings.yaml", example("dry-run-findings")),
            ("fleet.yaml", fleet("piacenza")),
        ):
            text = path.read_text(encoding="utf-8")
            moved = _PORT.sub(rf"\g<1>{thousand}\g<2>", text)
            (self.folder / name).write_text(moved, encoding="utf-8")
        self.config.write_text(
            f'data_dir = "{self.folder / "data"}"\n'
            f"[server]\nport = {self.port}\n"
            f'[connectors.sim]\ntype = "simulated"\nurl = "{self.simulator_url}"\n',
            encoding="utf-8",
        )
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._http.aclose()
        await _end(self._service)
        await _end(self._simulator)
        shutil.rmtree(self.folder, ignore_errors=True)

    def rewrite(self, name: str, *changes: tuple[str, str]) -> None:
        """Change the copy *name* of an example; each text must be there."""
        path = self.folder / name
        text = path.read_text(encoding="utf-8")
        for old, new in changes:
            if old not in text:
                raise WrongUseError(
                    _(
                        "the example {file} has no {text}: the demo is out of step",
                        file=name,
                        text=repr(old),
                    )
                )
            text = text.replace(old, new, 1)
        path.write_text(text, encoding="utf-8")

    async def start_fleet(self, time_scale: float) -> None:
        """Start the simulated hypervisor, all machines off; ends the one before."""
        await _end(self._simulator)
        path = self.folder / "fleet.yaml"
        scale = f"time_scale: {time_scale * self._speed:g}"
        path.write_text(re.sub(r"(?m)^time_scale:.*$", scale, path.read_text(encoding="utf-8")))
        arguments = ("simulator", "--fleet", str(path), "--port", str(self._simulator_port))
        self._simulator = await self._child("simulator", *arguments)
        await self._says("simulated hypervisor with", self._simulator, "simulator")

    async def start_service(self) -> None:
        """Start ``drorch serve`` and wait until it answers."""
        self._service = await self._child("service", "serve")
        await self._says("drorch serves on", self._service, "service")

    async def kill_driver(self, driver: str) -> int:
        """Kill the process that drives the run, as a power cut would; return its id.

        The service's parent starts the engine again.
        """
        pid = int(driver.rpartition(":")[2])
        os.kill(pid, signal.SIGKILL)
        return pid

    async def simulator(self, method: str, path: str, body: Any = None) -> Any:
        """Ask the simulated hypervisor."""
        answer = await self._http.request(method, path, json=body)
        answer.raise_for_status()
        return answer.json()

    async def _child(self, name: str, *arguments: str) -> Process:
        log = (self.folder / f"{name}.log").open("wb")
        environment = {k: v for k, v in os.environ.items() if not k.startswith("DRORCH_")}
        environment["PYTHONPATH"] = os.pathsep.join(
            filter(None, (str(ROOT), environment.get("PYTHONPATH", "")))
        )
        with contextlib.closing(log):
            return await asyncio.create_subprocess_exec(
                *(sys.executable, "-P", "-m", "api.cli", "--config", str(self.config), *arguments),
                stdin=PIPE if name == "simulator" else DEVNULL,
                stdout=log,
                stderr=log,
                env=environment,
                start_new_session=True,  # Ctrl-C reaches the demo alone, which ends all in order
            )

    async def _says(self, words: str, child: Process, name: str) -> None:
        """Wait until a child says that it is ready: another process may hold its port."""
        log = self.folder / f"{name}.log"
        async with asyncio.timeout(_PATIENCE):
            while True:
                said = log.read_text(encoding="utf-8")
                if words in said:
                    return
                if child.returncode is not None:
                    raise WrongUseError(_ended_words(name, said.strip()))
                await asyncio.sleep(0.05)


def _ended_words(name: str, log: str) -> str:
    if name == "simulator":
        return _("the simulator of the demo has ended: {log}", log=log)
    return _("the service of the demo has ended: {log}", log=log)


async def _end(child: Process | None) -> None:
    if child is None or child.returncode is not None:
        return
    child.terminate()
    try:
        await asyncio.wait_for(child.wait(), _END_WITHIN)
    except TimeoutError:
        child.kill()
        await child.wait()


def free_port() -> int:
    """Return a loopback port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def _preferred(port: int) -> int:
    return port if _is_free(port) else free_port()


def _free_thousand() -> int:
    """Return the thousand whose ports 100 to 239 are free: other demos may run here."""
    for thousand in _THOUSANDS:
        if all(_is_free(thousand * 1000 + n) for n in range(100, 240)):
            return thousand
    raise WrongUseError(
        _("the demo finds no room for 140 ports on loopback"),
        hint=_("end another demo, or a simulator"),
    )

"""A service as people start it, with a simulated fleet, for a real browser to look at."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx2

ROOT = Path(__file__).parents[2]
PATIENCE = 90.0

Json = dict[str, Any]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def until(look: Callable[[], Any], *, within: float = PATIENCE, what: str = "") -> Any:
    """Wait until *look* returns something true, and return it."""
    end = time.monotonic() + within
    while True:
        if found := look():
            return found
        assert time.monotonic() < end, f"not within {within:g} s: {what or look}"
        time.sleep(0.05)  # noqa: TID251 (a browser's test has a clock of its own)


def family(pid: int) -> list[int]:
    """Return a process and all that came from it, the parent first."""
    parents: dict[int, list[int]] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            fields = stat.read_text().rpartition(")")[2].split()
            parents.setdefault(int(fields[1]), []).append(int(stat.parent.name))
    found = [pid]
    for one in found:
        found += parents.get(one, [])
    return found


class Site:
    """The simulated hypervisor and the service, each a process of its own, in *folder*."""

    def __init__(self, folder: Path, fleet: Mapping[str, Any], more: str = "") -> None:
        self.folder = folder
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._simulator_port = free_port()
        (folder / "fleet.yaml").write_text(json.dumps(fleet))
        self.config = folder / "drorch.toml"
        self.config.write_text(
            f'data_dir = "{folder / "data"}"\n'
            f'[server]\nport = {self.port}\ntimezone = "Europe/Rome"\n'
            f'[connectors.sim]\ntype = "simulated"\nurl = "{self.simulator_url}"\n{more}'
        )
        self._simulator: subprocess.Popen[bytes] | None = None
        self.service: subprocess.Popen[bytes] | None = None
        self.http = httpx2.Client(base_url=self.url, timeout=30)

    @property
    def simulator_url(self) -> str:
        return f"http://127.0.0.1:{self._simulator_port}"

    def begin(self) -> None:
        fleet = str(self.folder / "fleet.yaml")
        self._simulator = self._child(
            "simulator", "--fleet", fleet, "--port", str(self._simulator_port)
        )
        until(lambda: self._answers(f"{self.simulator_url}/machines"), what="the simulator")
        self.serve()

    def serve(self) -> None:
        """Start the service, and wait until it answers."""
        self.service = self._child("serve")
        until(lambda: self._answers(f"{self.url}/healthz"), what="the service")

    def end(self) -> None:
        self.http.close()
        for child in (self.service, self._simulator):
            if child is not None and child.poll() is None:
                for pid in family(child.pid):
                    with suppress(ProcessLookupError):
                        os.kill(pid, signal.SIGKILL)
                child.wait()

    def cut_power(self) -> None:
        """Kill every process of the service at once."""
        self._signal(signal.SIGKILL)
        assert self.service is not None
        self.service.wait()

    def freeze(self) -> None:
        """Stop every process of the service where it is: connections stay, nothing is said."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self._signal(signal.SIGCONT)

    def _signal(self, number: signal.Signals) -> None:
        """Tell the service and all that it has started, which are in groups of their own."""
        assert self.service is not None
        for pid in family(self.service.pid):
            with suppress(ProcessLookupError):
                os.kill(pid, number)

    def _child(self, *arguments: str) -> subprocess.Popen[bytes]:
        environment = {k: v for k, v in os.environ.items() if not k.startswith("DRORCH_")}
        environment["DRORCH_LANG"] = os.environ.get("DRORCH_LANG", "en")
        environment["PYTHONPATH"] = str(ROOT)
        with (self.folder / f"{arguments[0]}.log").open("ab") as log:
            return subprocess.Popen(
                (sys.executable, "-m", "api.cli", "--config", str(self.config), *arguments),
                stdin=subprocess.DEVNULL if arguments[0] == "serve" else subprocess.PIPE,
                stdout=log,
                stderr=log,
                env=environment,
                start_new_session=True,
            )

    def _answers(self, address: str) -> bool:
        try:
            return httpx2.get(address, timeout=5).status_code == 200
        except httpx2.HTTPError:
            return False

    def call(self, method: str, path: str, body: Any = None, status: int | None = None) -> Any:
        answer = self.http.request(method, f"/api/v1{path}", json=body)
        expected = (status,) if status else (200, 201, 202, 204)
        assert answer.status_code in expected, answer.text
        return answer.json() if answer.content else None

    def store(self, plan: Mapping[str, Any]) -> None:
        answer = self.http.post(
            "/api/v1/plans",
            content=json.dumps(plan),
            headers={"Content-Type": "application/yaml"},
        )
        assert answer.status_code in (200, 201), answer.text

    def start(self, plan: str, mode: str, **more: Any) -> str:
        wish = {"plan": plan, "mode": mode, "confirm": plan, **more}
        return str(self.call("POST", "/runs", wish)["id"])

    def run(self, run: str) -> Json:
        found: Json = self.call("GET", f"/runs/{run}")
        return found

    def step(self, run: str, step: str) -> Json:
        found: Json = self.call("GET", f"/runs/{run}/steps/{step}")
        return found

    def ended(self, run: str) -> Json:
        """Wait for the end of a run."""
        return until(  # type: ignore[no-any-return]
            lambda: self.run(run) if self.run(run)["ended_at"] else None, what=f"the end of {run}"
        )

    def stands(self, run: str, step: str, *statuses: str) -> Json:
        """Wait until a step has one of these statuses."""
        return until(  # type: ignore[no-any-return]
            lambda: found if (found := self.step(run, step))["status"] in statuses else None,
            what=f"{step} {statuses}",
        )

    def fault(self, machine: int, kind: str, **more: Any) -> None:
        fault = {"machine": machine, "kind": kind, **more}
        httpx2.post(f"{self.simulator_url}/faults", json=fault).raise_for_status()

    def heal(self) -> None:
        httpx2.delete(f"{self.simulator_url}/faults").raise_for_status()

    def orders(self) -> list[Json]:
        found: list[Json] = httpx2.get(f"{self.simulator_url}/log").json()
        return found

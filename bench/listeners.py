"""``make bench-listeners``: how many may watch a recovery, how late they hear, what it takes.

Real processes: the HTTP side, one that writes the journal as an engine does, one that listens.
``python -m bench.listeners [--listeners 1000] [--rate 20] [--seconds 60] [--stream run|all]``
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import re
import resource
import signal
import socket
import statistics
import sys
import tempfile
import time
from array import array
from asyncio.subprocess import PIPE, Process
from collections import defaultdict
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

from typing_extensions import override

from api.settings import Settings
from drorch.journal.store import Store
from drorch.run import events as ev
from drorch.run.status import Mode
from plans import load

ROOT = Path(__file__).parents[1]
PLAN = "drorch: 1\nplan: watched\ntitle: Watched\nrto: 1h\nsteps: {db: {gate: {}, verify: []}}\n"
_EVENT = re.compile(rb'"seq":(\d+),')
_PATIENCE = 60.0


def _first(process: Process) -> None:
    """Let it go before whatever else runs here, where we may: that is not what is measured."""
    with contextlib.suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, process.pid, -10)
        Path(f"/proc/{process.pid}/autogroup").write_text("-10")  # a session of its own needs it


class HttpSide:
    """The service's HTTP process over a store, and the socket that its lives share."""

    def __init__(self, folder: Path, database: str = "sqlite") -> None:
        self.settings = Settings(data_dir=folder, database={"url": database})
        self.socket = socket.create_server(("127.0.0.1", 0), backlog=2048)
        self.port: int = self.socket.getsockname()[1]
        self.process: Process | None = None

    async def start(self) -> None:
        """Return when it answers."""
        self.process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-P", "-m", "api.serving", "http", str(self.socket.fileno())),
            stdin=PIPE,
            pass_fds=[self.socket.fileno()],
            env={"PYTHONPATH": str(ROOT)},
            start_new_session=True,
        )
        _first(self.process)
        assert self.process.stdin is not None
        self.process.stdin.write(self.settings.model_dump_json().encode() + b"\n")
        async with asyncio.timeout(_PATIENCE):
            reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
            writer.write(b"GET /healthz HTTP/1.0\r\nHost: localhost\r\n\r\n")
            assert b" 200 " in await reader.readline()
            writer.close()

    async def end(self, number: int = signal.SIGTERM) -> None:
        assert self.process is not None
        self.process.send_signal(number)
        await asyncio.wait_for(self.process.wait(), _PATIENCE)

    def figures(self) -> dict[str, float]:
        """Return what the process has taken until now: most memory (MB), processor time (s)."""
        assert self.process is not None
        where = Path(f"/proc/{self.process.pid}")
        peak = next(x for x in (where / "status").read_text().splitlines() if "VmHWM" in x)
        ticks = (where / "stat").read_text().rpartition(")")[2].split()
        return {"mb": int(peak.split()[1]) / 1024, "cpu_s": (int(ticks[11]) + int(ticks[12])) / 100}


@contextlib.asynccontextmanager
async def http_side(folder: Path, database: str = "sqlite") -> AsyncIterator[HttpSide]:
    side = HttpSide(folder, database)
    await side.start()
    try:
        yield side
    finally:
        if side.process is not None and side.process.returncode is None:
            await side.end()
        side.socket.close()


class Part:
    """Another process of the bench, that tells lines and takes some."""

    def __init__(self, *arguments: object) -> None:
        self._arguments = [str(argument) for argument in arguments]

    async def __aenter__(self) -> Self:
        self._process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "bench.listeners", *self._arguments),
            stdin=PIPE,
            stdout=PIPE,
            cwd=ROOT,
            limit=2**24,
            start_new_session=True,
        )
        _first(self._process)
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._process.returncode is None:
            self._process.kill()
        await self._process.wait()

    def say(self, line: object) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(f"{line}\n".encode())

    async def hear(self, within: float = _PATIENCE) -> str:
        assert self._process.stdout is not None
        line = await asyncio.wait_for(self._process.stdout.readline(), within)
        assert line, "it ended too early"
        return line.decode().strip()


async def write(folder: Path, database: str, rate: float, count: int) -> None:
    """Make a run, tell its id, and once told to, append *count* events to it at *rate*.

    Then tell when each was committed.
    """
    store = Store(Settings(data_dir=folder, database={"url": database}).place)
    plan = await asyncio.to_thread(load, PLAN, "watched")

    def requested(run: str) -> Sequence[ev.Event]:
        now = datetime.now(UTC)
        return (ev.RunRequested(at=now, run=run, plan=plan, mode=Mode.SIMULATE, by="bench"),)

    run = await store.create_run("watched", "simulate", requested)
    _tell(run)
    await asyncio.to_thread(sys.stdin.readline)
    begun, committed = time.monotonic(), []
    for number in range(count):
        await asyncio.sleep(begun + number / rate - time.monotonic())
        told = f"attempt {number}: connection refused by 10.1.1.21:5432"
        event = ev.CheckChanged(
            at=datetime.now(UTC), step="db", attempt=1, check="0", healthy=False, evidence=told
        )
        await store.append(run, [event], after=number + 1)
        committed.append(time.time())
    _tell(json.dumps(committed))
    store.close()


class Ear(asyncio.Protocol):
    """One listener: counts what comes in order, and how late it is."""

    def __init__(self, crowd: Crowd) -> None:
        self._crowd = crowd
        self._rest = b""
        self.last = 0
        self.begun = False
        self.wrong = ""

    @override
    def connection_made(self, transport: Any) -> None:
        transport.write(self._crowd.request)

    @override
    def data_received(self, data: bytes) -> None:
        now = time.time()
        whole = self._rest + data
        end = whole.rfind(b"\n\n") + 2 if b"\n\n" in whole else 0
        self._rest = whole[end:]
        if not self.begun and b"event: clock" in whole[:end]:
            self.begun = True
            self._crowd.opened += 1
        for match in _EVENT.finditer(whole, 0, end):
            seq = int(match[1])
            if self.last and seq != self.last + 1:
                self.wrong = self.wrong or f"{seq} after {self.last}"
            self.last = seq
            self._crowd.heard[seq].append(now)

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        self.wrong = self.wrong or f"cut off after {self.last}: {exc}"


class Crowd:
    """Many listeners in one process."""

    def __init__(self, path: str) -> None:
        # As HTTP/1.0, what comes is not in chunks: this process has to be quicker than the other.
        accept = "Accept: text/event-stream"
        self.request = f"GET {path} HTTP/1.0\r\nHost: localhost\r\n{accept}\r\n\r\n".encode()
        self.opened = 0
        self.heard: dict[int, array[float]] = defaultdict(lambda: array("d"))
        """When each event was heard, by its number."""
        self.ears: list[Ear] = []

    async def gather(self, port: int, count: int) -> None:
        loop = asyncio.get_running_loop()
        for _ in range(count):
            _, ear = await loop.create_connection(lambda: Ear(self), "127.0.0.1", port)
            self.ears.append(ear)
        await self._when(lambda: self.opened == count)

    async def hears(self, last: int, within: float) -> None:
        with contextlib.suppress(TimeoutError):
            await self._when(lambda: all(ear.last >= last for ear in self.ears), within)

    async def _when(self, there: Any, within: float = _PATIENCE) -> None:
        async with asyncio.timeout(within):
            while not there():  # noqa: ASYNC110 (many protocols, one of them the last)
                await asyncio.sleep(0.05)

    def figures(self, committed: Sequence[float]) -> dict[str, Any]:
        """Return how late the events from the second on were; the first was there before."""
        last = len(committed) + 1
        late = sorted(
            now - at for seq, at in enumerate(committed, start=2) for now in self.heard[seq]
        )
        return {
            "listeners": len(self.ears),
            "complete": sum(ear.last == last and not ear.wrong for ear in self.ears),
            "wrong": sorted({ear.wrong for ear in self.ears if ear.wrong})[:3],
            "heard": len(late),
            "p50_ms": round(statistics.median(late) * 1000),
            "p99_ms": round(late[int(len(late) * 0.99)] * 1000),
            "max_ms": round(late[-1] * 1000),
        }


async def listen(port: int, path: str, count: int) -> None:
    """Open *count* streams; told when each event was committed, tell how all of them heard it."""
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    crowd = Crowd(path)
    await crowd.gather(port, count)
    _tell("listening")
    committed = json.loads(await asyncio.to_thread(sys.stdin.readline))
    await crowd.hears(len(committed) + 1, 20.0)
    _tell(json.dumps(crowd.figures(committed)))


def _tell(line: object) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


async def measured(
    folder: Path, *, database: str, listeners: int, rate: float, seconds: float, stream: str
) -> dict[str, Any]:
    """Return the figures of one measurement."""
    async with http_side(folder, database) as side:
        alone = side.figures()["mb"]
        count = round(rate * seconds)
        async with Part("write", folder, database, rate, count) as writer:
            run = await writer.hear()
            path = "/api/v1/events" if stream == "all" else f"/api/v1/runs/{run}/events"
            async with Part("listen", side.port, path, listeners) as crowd:
                assert await crowd.hear() == "listening"
                before = side.figures()["cpu_s"]
                writer.say("go")
                crowd.say(await writer.hear(seconds + _PATIENCE))
                found: dict[str, Any] = json.loads(await crowd.hear())
                told = side.figures()
    found |= {"mb_alone": round(alone), "mb": round(told["mb"])}
    found |= {"cpu_percent": round(100 * (told["cpu_s"] - before) / seconds)}
    return {"stream": stream, "events": count, "seconds": seconds, **found}


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bench.listeners", description=__doc__)
    parser.add_argument("--listeners", type=int, default=1000)
    parser.add_argument("--rate", type=float, default=20.0)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--stream", choices=("run", "all"), action="append")
    parser.add_argument("--database", default="sqlite", help="sqlite, or the URL of an empty one")
    return parser.parse_args()


def main() -> int:
    match sys.argv[1:]:
        case ["write", folder, database, rate, count]:
            asyncio.run(write(Path(folder), database, float(rate), int(count)))
            return 0
        case ["listen", port, path, count]:
            asyncio.run(listen(int(port), path, int(count)))
            return 0
    asked = _arguments()
    well = True
    for stream in asked.stream or ("run", "all"):
        with tempfile.TemporaryDirectory() as folder:
            found = asyncio.run(
                measured(
                    Path(folder),
                    database=asked.database,
                    listeners=asked.listeners,
                    rate=asked.rate,
                    seconds=asked.seconds,
                    stream=stream,
                )
            )
        _tell(json.dumps(found))
        well = well and found["complete"] == found["listeners"]
        well = well and found["p99_ms"] < 500 and found["mb"] < 200
    return 0 if well else 1


if __name__ == "__main__":
    sys.exit(main())

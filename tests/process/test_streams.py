"""Live streams of real processes: a thousand listeners, cuts and restarts, nothing lost."""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from bench.listeners import HttpSide, Part, http_side, measured

pytestmark = pytest.mark.process

PATIENCE = 60.0
CUTS = 200
RESTARTS = (30, 70, 110, 150, 190)
"""After which cuts the server dies, too."""


class Follower:
    """A program that follows a stream over whatever happens, and notes what it was told."""

    def __init__(self, port: int, path: str, chance: random.Random) -> None:
        self._port = port
        self._path = path
        self._chance = chance
        self._last = ""
        self._writer: asyncio.StreamWriter | None = None
        self.begun = asyncio.Event()
        self.told: list[tuple[str, int]] = []
        self.refused: list[str] = []

    def cut(self) -> bool:
        """Break the connection, wherever it is; tell whether there was one."""
        if self._writer is None:
            return False
        self._writer.transport.abort()
        self._writer = None
        return True

    async def follow_for_ever(self) -> None:
        while True:
            try:
                await self._connected()
            except OSError:
                await asyncio.sleep(self._chance.random() / 10)

    async def _connected(self) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        try:
            resumed = f"Last-Event-ID: {self._last}\r\n" if self._last else ""
            accept = "Host: localhost\r\nAccept: text/event-stream\r\n"
            writer.write(f"GET {self._path} HTTP/1.0\r\n{accept}{resumed}\r\n".encode())
            await self._read(reader, writer)
        finally:
            self._writer = None
            writer.transport.abort()

    async def _read(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if not (status := await reader.readline()):
            return
        if b" 200 " not in status:
            self.refused.append(status.decode())
        while (await reader.readline()).strip():
            pass
        self._writer = writer
        rest = b""
        while piece := await reader.read(self._chance.randint(1, 400)):
            *frames, rest = (rest + piece).split(b"\n\n")
            for frame in frames:
                self._hear(dict(line.split(": ", 1) for line in frame.decode().split("\n")))

    def _hear(self, message: dict[str, str]) -> None:
        self._last = message.get("id", self._last)
        if message.get("event") == "clock":
            self.begun.set()
        elif "data" in message:
            event = json.loads(message["data"])
            self.told.append((event.get("run", ""), event["seq"]))


async def there(look: Callable[[], bool], otherwise: str) -> None:
    end = time.monotonic() + PATIENCE
    while not look():
        assert time.monotonic() < end, otherwise
        await asyncio.sleep(0.05)


async def cut_at_random(side: HttpSide, followers: list[Follower], chance: random.Random) -> None:
    """Cut 200 connections and restart the server five times, twice as politely as it may be."""
    for number in range(1, CUTS + 1):
        await asyncio.sleep(chance.random() * 0.08)
        await there(chance.choice(followers).cut, "nobody comes back")
        if number in RESTARTS:
            polite = RESTARTS.index(number) % 2
            await side.end(signal.SIGTERM if polite else signal.SIGKILL)
            await side.start()


async def has_all(follower: Follower, events: list[tuple[str, int]]) -> None:
    """Wait until all *events* were told, then look that none was twice, and each run in order."""
    await there(lambda: len(follower.told) >= len(events), "some is lost")
    assert sorted(follower.told) == sorted(events)
    for run in {run for run, _ in events}:
        seqs = [seq for of, seq in follower.told if of == run]
        assert seqs == sorted(seqs)
    assert not follower.refused


@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
async def test_over_cuts_and_restarts_no_event_is_lost_or_doubled(
    request: pytest.FixtureRequest, tmp_path: Path, database: str
) -> None:
    url = "sqlite" if database == "sqlite" else request.getfixturevalue("postgres_url")
    seed = random.randrange(10**6)
    print("seed", seed)
    chance = random.Random(seed)
    async with (
        http_side(tmp_path, url) as side,
        Part("write", tmp_path, url, 40, 600) as one,
        Part("write", tmp_path, url, 40, 600) as two,
    ):
        runs = [await one.hear(), await two.hear()]
        paths: dict[str, list[Follower]] = {"/api/v1/events": [], runs[0]: [], runs[1]: []}
        for path, among in paths.items():
            where = path if path.startswith("/") else f"/api/v1/runs/{path}/events"
            among += [Follower(side.port, where, chance) for _ in range(6)]
        followers = [follower for among in paths.values() for follower in among]
        tasks = [asyncio.create_task(follower.follow_for_ever()) for follower in followers]
        try:
            for follower in followers:
                await asyncio.wait_for(follower.begun.wait(), PATIENCE)
            one.say("go")
            two.say("go")
            await cut_at_random(side, followers, chance)
            last = len(json.loads(await one.hear())) + 1
            assert len(json.loads(await two.hear())) + 1 == last
            for path, among in paths.items():
                alone = [("", seq) for seq in range(1, last + 1)]
                whole = [(run, seq) for run in runs for seq in range(2, last + 1)]
                for follower in among:
                    await has_all(follower, alone if path in runs else whole)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


@pytest.mark.timeout(400)
@pytest.mark.parametrize("stream", ["run", "all"])
async def test_a_thousand_hear_everything(tmp_path: Path, stream: str) -> None:
    """How late they hear it is measured by ``make bench-listeners``."""
    found = await measured(
        tmp_path,
        database="sqlite",
        listeners=1000,
        rate=20.0,
        seconds=float(os.environ.get("DRORCH_STREAM_SECONDS", "10")),
        stream=stream,
    )
    assert found["complete"] == 1000, found
    assert found["mb"] < 200, found

"""Who does not read is cut off by the connection, and holds up nobody who does."""

from __future__ import annotations

import asyncio
import resource
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import pytest
import uvicorn
from starlette.types import ASGIApp, Receive, Scope, Send

from api.bootstrap import Application
from api.connections import PatientConnection, raise_descriptors
from api.routes.feeds import Feeds, Framed, encoded
from api.routes.guard import HEAD_LIMIT
from api.routes.streaming import EventStream
from tests.api.desk import until

_PAD = "x" * 1000


class Hasty(PatientConnection):
    patience = 0.3


class Endless:
    """A run that never ceases to tell."""

    name = "endless"

    async def begin(self) -> int:
        return 0

    async def page(self, after: int, limit: int) -> Sequence[Framed[int]]:
        numbers = range(after + 1, after + 1 + limit // 2)
        return [Framed(n, encoded(str(n), {"seq": n, "pad": _PAD})) for n in numbers]


@asynccontextmanager
async def answering(app: ASGIApp) -> AsyncIterator[int]:
    """Give the port of a server in this process."""
    listener = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(
        app,
        http=Hasty,
        log_config=None,
        lifespan="off",
        timeout_graceful_shutdown=1,
        h11_max_incomplete_event_size=HEAD_LIMIT,
    )
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server._serve([listener]))
    try:
        yield listener.getsockname()[1]
    finally:
        server.should_exit = True
        await asyncio.wait_for(serving, 10)


async def never_asked() -> None:
    raise AssertionError("it is not asked within the first seconds")


async def asked(port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    own = socket.socket()
    own.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    own.setblocking(False)
    await asyncio.get_running_loop().sock_connect(own, ("127.0.0.1", port))
    reader, writer = await asyncio.open_connection(sock=own, limit=4096)
    writer.write(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
    return reader, writer


async def test_who_does_not_read_is_cut_off_and_the_others_go_on(application: Application) -> None:
    feeds = Feeds(application.store)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await EventStream(feeds, Endless(), 0, still=never_asked)(scope, receive, send)

    async def both() -> bool:
        return feeds.listeners == 2

    async with answering(app) as port:
        reader, quick = await asked(port)
        _, stuck = await asked(port)
        stuck.transport.pause_reading()  # type: ignore[attr-defined]  # it is one that reads
        heard = asyncio.create_task(numbers(reader))
        await until(both)

        async def alone() -> bool:
            return feeds.listeners == 1

        await until(alone)
        assert not heard.done(), "who reads is not cut off"
        feeds.close()
        found = await asyncio.wait_for(heard, 10)
        assert len(found) > 300, "more than the buffers of who did not read"
        assert found == list(range(1, len(found) + 1))
        for writer in (quick, stuck):
            writer.close()


async def numbers(reader: asyncio.StreamReader) -> list[int]:
    """Return the ids that came until the end."""
    found = []
    while not (line := await reader.readline()).startswith(b"0\r"):
        if line.startswith(b"id: "):
            found.append(int(line[4:]))
    return found


def test_the_process_may_have_as_many_connections_as_the_system_allows(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    limits = (64, 4096)

    def remember(_: int, wanted: tuple[int, int]) -> None:
        nonlocal limits
        limits = wanted

    monkeypatch.setattr(resource, "getrlimit", lambda _: limits)
    monkeypatch.setattr(resource, "setrlimit", remember)
    assert raise_descriptors() == 4096
    limits = (64, resource.RLIM_INFINITY)
    assert raise_descriptors() == 65_536
    limits = (100_000, resource.RLIM_INFINITY)
    assert raise_descriptors() == 100_000, "never fewer than there were"

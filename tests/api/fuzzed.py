"""A whole service behind a real socket, in a thread of this process, for a fuzzer to hammer."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import uvicorn
from limits import RateLimitItemPerMinute
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.access import WantedToken, make_token
from api.app import create_app
from api.bootstrap import Application
from api.callers import system_caller
from api.openapi import Json
from api.routes.limits import LIMITS
from connectors.simulated import fleet as fleets
from connectors.simulated.server import simulating
from drorch.access.roles import Role
from tests.api.desk import FLEET, driven, settings, until

_AS_OFTEN_AS_IT_LIKES = RateLimitItemPerMinute(10**9)


@dataclass(frozen=True, kw_only=True)
class Served:
    """Where it listens, its document, and a token of each role (none: the service runs open)."""

    url: str
    document: Json
    tokens: Mapping[Role, str]


class Cut:
    """Ends streams behind their first part: a fuzzer reads answers to their end."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        enough = asyncio.Event()
        streams = False

        async def watched(message: Message) -> None:
            nonlocal streams
            if message["type"] == "http.response.start":
                streams = b"text/event-stream" in dict(message["headers"]).get(b"content-type", b"")
            if not enough.is_set():
                if streams and message["type"] == "http.response.body":
                    enough.set()
                    message = {**message, "more_body": False}
                await send(message)

        async def cut() -> Message:
            if not streams:
                return await receive()
            await enough.wait()
            return {"type": "http.disconnect"}

        await self._app(scope, cut if scope["type"] == "http" else receive, watched)


@contextmanager
def served(folder: Path, *, is_open: bool = False) -> Iterator[Served]:
    """Give a service over a real store, with an engine and a simulated hypervisor."""
    usual = dict(LIMITS)
    LIMITS.update({k: v._replace(rate=_AS_OFTEN_AS_IT_LIKES) for k, v in usual.items()})
    ready = threading.Event()
    found: list[Served] = []
    stop = asyncio.Event()
    loop = asyncio.new_event_loop()

    async def work() -> None:
        async with (
            simulating(fleets.build(FLEET), 0, seed=1) as simulator,
            Application(settings(folder, simulator.url)) as application,
            driven(application.settings),
        ):
            app = create_app(application)
            tokens = {} if is_open else await _tokens(application)
            config = uvicorn.Config(Cut(app), port=0, log_level="warning", access_log=False)
            server = uvicorn.Server(config)
            serving = asyncio.create_task(server.serve())

            async def listens() -> bool:
                return server.started

            await until(listens)
            port = server.servers[0].sockets[0].getsockname()[1]
            url = f"http://127.0.0.1:{port}"
            found.append(Served(url=url, document=dict(app.openapi()), tokens=tokens))
            ready.set()
            await stop.wait()
            server.should_exit = True
            await serving

    thread = threading.Thread(target=loop.run_until_complete, args=(work(),), daemon=True)
    thread.start()
    assert ready.wait(60), "the service did not start"
    try:
        yield found[0]
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(30)
        LIMITS.update(usual)
        assert not thread.is_alive(), "the service did not end"
        loop.close()


async def _tokens(application: Application) -> dict[Role, str]:
    caller = system_caller("fuzz")
    made = {}
    for role in Role:
        wanted = WantedToken(name=f"fuzz-{role}", role=role, days=None)
        made[role], _ = await make_token(application, wanted, caller)
    return made

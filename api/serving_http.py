"""The HTTP side of ``drorch serve``: the process that answers people.

Apart from its parent and the engine, which are there sooner for not loading the web side.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Iterator
from typing import Any

import uvicorn
from typing_extensions import override

from api.app import create_app
from api.bootstrap import Application
from api.connections import PatientConnection, keep_pauses_short, raise_descriptors
from api.metrics.figures import Figures
from api.routes.desk import Desk
from api.routes.guard import HEAD_LIMIT
from api.serving_rules import BACKLOG
from api.serving_tls import answering_tls
from api.settings import Settings

_AT_A_TIME = 16
"""Connections that are let in before those who are there get their turn."""


class _Server(uvicorn.Server):
    """Leaves signals to us: streams have to be told before connections can end.

    Lets in a few of those who wait at a time, and then answers those who are there.
    """

    @override
    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        for listener in sockets or ():
            listener.listen(BACKLOG)

    @override
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


async def run_http(settings: Settings, ending: asyncio.Event, descriptor: int) -> None:
    """Answer on the socket *descriptor* until *ending* is set."""
    figures = Figures()
    async with Application(settings, figures) as application:
        app = create_app(application, figures)
        tls = answering_tls(settings)
        config = uvicorn.Config(
            app,
            http=PatientConnection,
            ws="none",
            backlog=_AT_A_TIME,
            h11_max_incomplete_event_size=HEAD_LIMIT,
            log_config=None,
            access_log=False,
            server_header=False,
            lifespan="off",
            timeout_graceful_shutdown=2,
            proxy_headers=False,  # the guard reads them, from named proxies alone
            ssl_context_factory=(lambda *_: tls.context) if tls is not None else None,
        )
        server = _Server(config)
        desk: Desk = app.state.desk
        desk.feeds.most = min(desk.feeds.most, raise_descriptors() // 2)
        keep_pauses_short()
        with socket.socket(fileno=descriptor) as listener:
            answering = asyncio.create_task(server.serve(sockets=[listener]))
            stopping = asyncio.create_task(ending.wait())
            besides: list[asyncio.Task[Any]] = [
                stopping,
                asyncio.create_task(app.state.bulletin.keep()),
            ]
            if tls is not None:
                besides.append(asyncio.create_task(tls.watch(app.state.names.read_again)))
            await asyncio.wait({answering, stopping}, return_when=asyncio.FIRST_COMPLETED)
            desk.feeds.close()
            server.should_exit = True
            for task in besides:
                task.cancel()
            await answering
            await asyncio.to_thread(app.state.telemetry.close)

"""A stream ends with the right to listen: a session that is over, a person who is disabled."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import httpx2
import pytest
from fastapi import FastAPI
from starlette.requests import Request
from typing_extensions import override

from api import auth
from api.app import create_app
from api.auth import PLAIN_COOKIE, Doorkeeper
from api.bootstrap import Application
from api.callers import system_caller
from api.people import disable
from api.routes import feeds, streaming
from drorch.access.people import session_hash
from drorch.access.tokens import AuthenticationNeededError, Token, make
from drorch.journal.gate import Gate
from tests.api.desk import BASE, until
from tests.api.people import log_in, person
from tests.api.test_events import Listener

ALL = "/api/v1/events"
CUT_WITHIN = 15.0
End = Callable[[Application, str], Awaitable[None]]


@pytest.fixture
def app(application: Application) -> FastAPI:
    return create_app(application)


@pytest.fixture
async def http(app: FastAPI) -> AsyncIterator[httpx2.AsyncClient]:
    transport = httpx2.ASGITransport(app)
    async with httpx2.AsyncClient(transport=transport, base_url=BASE) as client:
        yield client


async def _disabled(application: Application, cookie: str) -> None:
    del cookie
    await disable(application, "mario", system_caller("test"))


async def _logged_out(application: Application, cookie: str) -> None:
    act = system_caller("test").act("session.end", "person/mario")
    await application.gate.end_session(session_hash(cookie), act)


@pytest.mark.parametrize("end", [_disabled, _logged_out])
async def test_a_browsers_stream_ends_with_its_session(
    app: FastAPI,
    http: httpx2.AsyncClient,
    application: Application,
    monkeypatch: pytest.MonkeyPatch,
    end: End,
) -> None:
    monkeypatch.setattr(feeds, "HEARTBEAT", 0.02)
    monkeypatch.setattr(streaming, "ASKED_EVERY", 0.05)
    await person(application)
    assert (await log_in(http)).status_code == 303
    cookie = http.cookies[PLAIN_COOKIE]
    browser = {"cookie": f"{PLAIN_COOKIE}={cookie}"}
    async with Listener(app, ALL, browser).listening() as listener:

        async def beaten() -> bool:
            return listener.clocks > 2

        async def ended() -> bool:
            return listener.ended

        await until(beaten)
        await end(application, cookie)
        await until(ended, within=CUT_WITHIN)


def test_a_stream_is_cut_within_what_is_promised() -> None:
    assert feeds.HEARTBEAT + auth._STILL_KNOWN < CUT_WITHIN
    assert feeds.HEARTBEAT >= streaming.ASKED_EVERY


class CountedGate(Gate):
    """Knows how often a token was looked up."""

    looked = 0

    @override
    async def token(self, key: str) -> Token | None:
        self.looked += 1
        await asyncio.sleep(0)
        return await super().token(key)


async def test_a_thousand_streams_of_one_token_are_one_look(application: Application) -> None:
    gate = CountedGate(application.store)
    keeper = Doorkeeper(application.store, gate, may_be_open=False)
    unknown = [(b"authorization", f"Bearer {make()[0]}".encode())]
    scope = {"type": "http", "method": "GET", "path": ALL, "headers": unknown}
    request = Request({**scope, "client": ("127.0.0.1", 9), "query_string": b""})
    asked = [keeper.still(request) for _ in range(1000)]
    refusals = await asyncio.gather(*asked, return_exceptions=True)
    assert all(isinstance(refusal, AuthenticationNeededError) for refusal in refusals)
    assert gate.looked == 1

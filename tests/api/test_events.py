"""The live stream: complete, resumable, shared by its listeners, and not held up by slow ones."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx2
import pytest
from fastapi import FastAPI
from starlette.types import Message

from api.app import create_app
from api.bootstrap import Application
from api.routes import feeds, ring
from api.routes.desk import Desk
from tests.api.desk import BASE, Caller, until


def parsed(text: str) -> list[dict[str, str]]:
    """Return the messages in a stream as a browser would read them."""
    blocks = [b for b in text.split("\n\n") if b.strip()]
    return [dict(line.split(": ", 1) for line in block.split("\n")) for block in blocks]


class Listener:
    """A browser on the other side of a stream."""

    def __init__(self, app: FastAPI, path: str, headers: dict[str, str] | None = None) -> None:
        self._app = app
        self._path, _, self._query = path.partition("?")
        self._headers = {"host": "localhost", "accept": "text/event-stream", **(headers or {})}
        self._left = asyncio.Event()
        self.status = 0
        self.type = ""
        self.text = ""
        self.reading = asyncio.Event()
        self.reading.set()
        self.ended = False
        self.headers: dict[bytes, bytes] = {}

    @property
    def told(self) -> list[Any]:
        return [
            json.loads(m["data"]) for m in parsed(self.text) if "event" not in m and "data" in m
        ]

    @property
    def seqs(self) -> list[int]:
        return [event["seq"] for event in self.told]

    @property
    def clocks(self) -> int:
        return len([m for m in parsed(self.text) if m.get("event") == "clock"])

    async def receive(self) -> Message:
        await self._left.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        await self.reading.wait()
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self.headers = dict(message["headers"])
            self.type = self.headers[b"content-type"].decode()
        else:
            self.text += message["body"].decode()
            self.ended = not message.get("more_body", False)

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[Listener]:
        scope: dict[str, Any] = {
            "type": "http", "method": "GET", "path": self._path, "raw_path": self._path.encode(),
            "query_string": self._query.encode(), "http_version": "1.1", "scheme": "http",
            "headers": [(k.encode(), v.encode()) for k, v in self._headers.items()],
            "root_path": "", "server": ("localhost", 80), "client": ("127.0.0.1", 9),
        }  # fmt: skip
        task = asyncio.create_task(self._app(scope, self.receive, self.send))
        yield self
        self._left.set()
        await asyncio.wait_for(task, 5)

    async def reaches(self, seq: int) -> None:
        async def look() -> bool:
            return bool(self.seqs) and self.seqs[-1] >= seq

        await until(look)


@pytest.fixture
def app(application: Application) -> FastAPI:
    return create_app(application)


@pytest.fixture
async def api(app: FastAPI) -> AsyncIterator[Caller]:
    transport = httpx2.ASGITransport(app)
    async with httpx2.AsyncClient(transport=transport, base_url=BASE) as client:
        yield Caller(client)


async def finished(api: Caller) -> tuple[str, list[Any]]:
    await api.store()
    run = await api.start("simulate")
    await api.status(run, "succeeded")
    return run, (await api.get(f"/runs/{run}/events?limit=1000"))["items"]


async def test_it_begins_with_the_first_event_and_says_what_the_pages_say(
    api: Caller, app: FastAPI, engine: Application
) -> None:
    run, events = await finished(api)
    async with Listener(app, f"/api/v1/runs/{run}/events").listening() as listener:
        await listener.reaches(len(events))
        assert (listener.status, listener.type.split(";")[0]) == (200, "text/event-stream")
        assert listener.clocks == 1
        assert listener.told == events
        ids = [m["id"] for m in parsed(listener.text) if "id" in m]
        assert ids == [str(event["seq"]) for event in events]


@pytest.mark.parametrize(
    ("query", "headers", "first"),
    [
        ("?after=3", {}, 4),
        ("", {"last-event-id": "5"}, 6),
        ("?after=3", {"last-event-id": "5"}, 6),
        ("", {}, 1),
    ],
)
async def test_it_resumes_without_a_gap_or_a_repetition(
    api: Caller,
    app: FastAPI,
    engine: Application,
    *,
    query: str,
    headers: dict[str, str],
    first: int,
) -> None:
    run, events = await finished(api)
    async with Listener(app, f"/api/v1/runs/{run}/events{query}", headers).listening() as listener:
        await listener.reaches(len(events))
        assert listener.seqs == list(range(first, len(events) + 1))


async def test_everybody_follows_live_from_wherever_they_stand(
    api: Caller, app: FastAPI, engine: Application
) -> None:
    await api.store()
    run = await api.start()
    await api.asks(run, "san")
    where = f"/api/v1/runs/{run}/events"
    ahead = {"last-event-id": "999999"}
    async with (
        Listener(app, where).listening() as one,
        Listener(app, where, ahead).listening() as late,
    ):
        await one.reaches(3)
        await api.post(f"/runs/{run}/steps/san/approve")
        await api.status(run, "succeeded")
        events = (await api.get(f"/runs/{run}/events?limit=1000"))["items"]
        await one.reaches(len(events))
        await late.reaches(len(events))
        assert one.seqs == list(range(1, len(events) + 1))
        # What was recorded while it connected may be old or new to it; nothing is left out.
        assert late.seqs == list(range(late.seqs[0], len(events) + 1))
        assert late.seqs[0] > 1, "it was ahead: old events do not begin anew"
        desk: Desk = app.state.desk
        assert list(desk.feeds.watched) == [run]
    assert not desk.feeds.watched


async def test_what_the_ring_has_forgotten_comes_from_the_journal(
    api: Caller, app: FastAPI, engine: Application, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ring, "KEPT_BYTES", 600)
    monkeypatch.setattr(ring, "CHUNK_BYTES", 300)
    await api.store()
    run = await api.start()
    await api.asks(run, "san")
    async with Listener(app, f"/api/v1/runs/{run}/events").listening() as listener:
        await listener.reaches(3)
        listener.reading.clear()
        await api.post(f"/runs/{run}/steps/san/approve")
        await api.status(run, "succeeded")
        events = (await api.get(f"/runs/{run}/events?limit=1000"))["items"]
        listener.reading.set()
        await listener.reaches(len(events))
        assert listener.seqs == list(range(1, len(events) + 1))


async def test_more_than_a_page_of_old_events_comes_whole(
    api: Caller, app: FastAPI, engine: Application, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feeds, "_PAGE", 3)
    monkeypatch.setattr(feeds, "BACK", 2)
    run, events = await finished(api)
    async with Listener(app, f"/api/v1/runs/{run}/events").listening() as listener:
        await listener.reaches(len(events))
        assert listener.seqs == list(range(1, len(events) + 1))


async def test_silence_is_filled_with_heartbeats(
    api: Caller, app: FastAPI, engine: Application, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feeds, "HEARTBEAT", 0.02)
    run, _ = await finished(api)

    async with Listener(app, f"/api/v1/runs/{run}/events").listening() as listener:

        async def beats() -> bool:
            return listener.clocks >= 4

        await until(beats)
        assert not listener.ended


async def test_the_end_of_the_service_ends_streams_in_order(
    api: Caller, app: FastAPI, engine: Application
) -> None:
    run, events = await finished(api)
    async with Listener(app, f"/api/v1/runs/{run}/events").listening() as listener:
        await listener.reaches(len(events))
        desk: Desk = app.state.desk
        desk.feeds.close()

        async def ended() -> bool:
            return listener.ended

        await until(ended)
    async with Listener(app, f"/api/v1/runs/{run}/events").listening() as late:
        listener = late
        await until(ended)


def test_half_a_character_ends_no_stream() -> None:
    frame = feeds.encoded("7", {"comment": "a\ud800b\nid: 8\n\n"})
    assert frame == b'id: 7\ndata: {"comment":"a?b\\nid: 8\\n\\n"}\n\n'


async def test_a_number_that_is_none_is_refused(api: Caller, engine: Application) -> None:
    run, _ = await finished(api)
    stream = {"Accept": "text/event-stream"}
    for headers in ({"Last-Event-ID": "x"}, {"Last-Event-ID": "-1"}):
        told = await api.get(f"/runs/{run}/events", 422, headers={**stream, **headers})
        assert told["code"] == "invalid-request"
    await api.get("/runs/none-1/events", 404, headers=stream)

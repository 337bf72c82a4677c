"""The stream of everything: from now, or from any place that it ever told, and never from a guess."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from typing import Any

import httpx2
import pytest
from fastapi import FastAPI
from typing_extensions import override

from api.app import create_app
from api.bootstrap import Application
from api.routes import feeds, streaming
from api.routes.desk import Desk
from drorch.errors import JournalUnavailableError
from drorch.journal.following import BEGINNING, Spot
from tests.api.desk import BASE, Caller, until
from tests.api.test_events import Listener, parsed

ALL = "/api/v1/events"


@pytest.fixture
def app(application: Application) -> FastAPI:
    return create_app(application)


@pytest.fixture
async def api(app: FastAPI) -> AsyncIterator[Caller]:
    transport = httpx2.ASGITransport(app)
    async with httpx2.AsyncClient(transport=transport, base_url=BASE) as client:
        yield Caller(client)


def ids(listener: Listener) -> list[str]:
    """Return the ids of events, without that of the first heartbeat."""
    return [m["id"] for m in parsed(listener.text) if "id" in m and "event" not in m]


async def journal(api: Caller, *runs: str) -> list[Any]:
    """Return all events of *runs* as the pages tell them, each with its run."""
    found = []
    for run in runs:
        page = await api.get(f"/runs/{run}/events?limit=1000")
        found += [{"run": run, **event} for event in page["items"]]
    return found


async def finished(api: Caller) -> str:
    run = await api.start("simulate")
    await api.status(run, "succeeded")
    return run


class Counted(feeds.EverythingSource):
    """Knows how often it was read."""

    pages = 0

    @override
    async def page(self, after: Spot, limit: int) -> Sequence[feeds.Framed[Spot]]:
        self.pages += 1
        return await super().page(after, limit)


async def hears(listener: Listener, count: int) -> None:
    async def enough() -> bool:
        return len(listener.told) >= count

    await until(enough)


async def test_it_tells_every_event_of_every_run_with_its_run(
    api: Caller, app: FastAPI, engine: Application
) -> None:
    await api.store()
    one, two = await finished(api), await finished(api)
    events = await journal(api, one, two)
    async with Listener(app, f"{ALL}?after=0").listening() as listener:
        await hears(listener, len(events))
        assert (listener.status, listener.type.split(";")[0]) == (200, "text/event-stream")
        assert sorted(listener.told, key=lambda e: (e["run"], e["seq"])) == events
        assert len(set(ids(listener))) == len(events)


async def test_it_begins_now_and_says_where_that_is(
    api: Caller, app: FastAPI, engine: Application
) -> None:
    await api.store()
    await finished(api)
    async with Listener(app, ALL).listening() as listener:
        await until(lambda: _has_hello(listener))
        new = await finished(api)
        events = await journal(api, new)
        await hears(listener, len(events))
        assert listener.told == events
        hello = next(m for m in parsed(listener.text) if m.get("event") == "clock")
    async with Listener(app, ALL, {"last-event-id": hello["id"]}).listening() as again:
        await hears(again, len(events))
        assert again.told == events, "who was cut off before the first event has missed none"


async def _has_hello(listener: Listener) -> bool:
    return listener.clocks == 1


@pytest.mark.parametrize("page", [3, 200])
async def test_it_goes_on_behind_any_event(
    api: Caller,
    app: FastAPI,
    engine: Application,
    monkeypatch: pytest.MonkeyPatch,
    *,
    page: int,
) -> None:
    monkeypatch.setattr(feeds, "_PAGE", page)
    monkeypatch.setattr(feeds, "BACK", page)
    await api.store()
    events = await journal(api, await finished(api))
    async with Listener(app, f"{ALL}?after=0").listening() as whole:
        await hears(whole, len(events))
    for number in (0, len(events) // 2, len(events) - 2):
        where = {"last-event-id": ids(whole)[number]}
        async with Listener(app, f"{ALL}?after=0", where).listening() as rest:
            await hears(rest, len(events) - number - 1)
            assert rest.told == whole.told[number + 1 :]


async def test_a_store_without_events_is_listened_to_all_the_same(
    api: Caller, app: FastAPI, engine: Application
) -> None:
    async with Listener(app, ALL).listening() as listener:
        await until(lambda: _has_hello(listener))
        await api.store()
        events = await journal(api, await finished(api))
        await hears(listener, len(events))
        assert listener.told == events


@pytest.mark.parametrize("place", ["x", "1", "1.2", "-1.2.town-1", "1.2.TOWN", "1.1.a b", "9" * 99])
async def test_an_id_that_is_none_is_refused(api: Caller, place: str) -> None:
    for told in (
        await api.get("/events", 422, headers={"Last-Event-ID": place}),
        await api.get("/events", 422, params={"after": place}),
    ):
        assert told["code"] == "invalid-request"
        assert "message" in told["hint"]


async def test_the_place_of_another_store_is_refused(api: Caller, engine: Application) -> None:
    await api.store()
    run = await finished(api)
    for place in ("999999.1.town-1", f"1.999.{run}", "1.1.town-77"):
        told = await api.get("/events", 422, headers={"Last-Event-ID": place})
        assert told["code"] == "cursor-unknown"
        assert "after=0" in told["hint"]


async def test_beyond_its_bound_listeners_are_asked_to_come_back(
    api: Caller, app: FastAPI, engine: Application
) -> None:
    await api.store()
    run = await finished(api)
    desk: Desk = app.state.desk
    desk.feeds.most = 2
    stream = {"Accept": "text/event-stream"}
    async with (
        Listener(app, ALL).listening() as one,
        Listener(app, f"/api/v1/runs/{run}/events").listening() as two,
    ):
        await until(lambda: _has_hello(one))
        await until(lambda: _has_hello(two))
        assert desk.feeds.listeners == 2
        for path in (ALL, f"/api/v1/runs/{run}/events"):
            refused = await api.http.get(path, headers=stream)
            assert refused.status_code == 503
            assert refused.json()["code"] == "too-many-listeners"
            assert int(refused.headers["retry-after"]) > 0
        await api.get(f"/runs/{run}/events", 200)
    assert desk.feeds.listeners == 0
    async with Listener(app, ALL).listening() as again:
        await until(lambda: _has_hello(again))
        assert again.status == 200


async def test_many_who_come_back_to_one_place_share_one_reading(
    api: Caller, app: FastAPI, engine: Application, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feeds, "BACK", 0)
    await api.store()
    events = await journal(api, await finished(api))
    desk: Desk = app.state.desk
    source = Counted(desk.app.store)
    feed = feeds.Feed(desk.app.store, source, asyncio.Semaphore(1))
    await feed._look()
    begun = source.pages
    answers = await asyncio.gather(*(feed._behind(BEGINNING) for _ in range(20)))
    assert len(set(answers)) == 1
    assert answers[0][0].count(b"data: ") == len(events)
    assert source.pages == begun + 1


async def test_a_journal_that_cannot_be_read_is_waited_for(
    api: Caller, app: FastAPI, engine: Application, monkeypatch: pytest.MonkeyPatch
) -> None:
    await api.store()
    events = await journal(api, await finished(api))
    failures = 3
    read = feeds.EverythingSource.page

    async def sometimes(source: Any, after: Any, limit: int) -> Any:
        nonlocal failures
        if failures:
            failures -= 1
            raise JournalUnavailableError("the disk is away")
        return await read(source, after, limit)

    monkeypatch.setattr(feeds.EverythingSource, "page", sometimes)
    async with Listener(app, f"{ALL}?after=0").listening() as listener:
        await hears(listener, len(events))
        assert json.dumps(listener.told) == json.dumps(events)
        assert not failures


async def test_a_stream_ends_with_the_token_that_opened_it(
    api: Caller, app: FastAPI, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feeds, "HEARTBEAT", 0.02)
    monkeypatch.setattr(streaming, "ASKED_EVERY", 0.05)
    secrets = [await _token(api, "chief", "admin")]
    admin = {"Authorization": f"Bearer {secrets[0]}"}
    secrets += [await _token(api, name, "viewer", headers=admin) for name in ("one", "two")]
    stolen, kept = ({"authorization": f"Bearer {secret}"} for secret in secrets[1:])
    assert (await api.http.get(ALL)).status_code == 401
    async with (
        Listener(app, ALL, stolen).listening() as thief,
        Listener(app, ALL, kept).listening() as other,
    ):
        await until(lambda: _has_hello(other))
        await until(lambda: _has_beaten(thief))
        assert (await api.http.delete("/api/v1/tokens/one", headers=admin)).status_code == 204
        await until(lambda: _has_ended(thief))
        heard = other.clocks
        await until(lambda: _has_beaten(other, heard + 3))
        assert not other.ended


async def _token(api: Caller, name: str, role: str, **more: Any) -> str:
    wanted = {"name": name, "role": role}
    return str((await api.post("/tokens", 201, json=wanted, **more))["token"])


async def _has_beaten(listener: Listener, before: int = 1) -> bool:
    return listener.clocks > before


async def _has_ended(listener: Listener) -> bool:
    return listener.ended

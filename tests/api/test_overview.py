"""The first page and the page of a plan: what is open, what is ready, and the forms that start."""

from __future__ import annotations

import threading
from typing import Any

import httpx2
import pytest
from fastapi.responses import HTMLResponse
from sqlalchemy import text

from api.bootstrap import Application
from api.dashboard.rendering import page
from tests.api.desk import Caller
from tests.api.test_pages import FORM, Page, show


async def test_an_open_run_comes_first(
    http: httpx2.AsyncClient, api: Caller, engine: Application
) -> None:
    await api.store()
    assert "Nothing is being recovered" in (await show(http, "/")).words
    run = await api.start("live")
    page = await show(http, "/")
    assert "A recovery is under way" in page.words
    assert page.words.index(run) < page.words.index("Recovery plans")
    assert "no real machine is touched" in page.words


async def test_an_ordinary_day_tells_what_was_never_rehearsed(
    http: httpx2.AsyncClient, api: Caller, engine: Application
) -> None:
    assert "nothing could be recovered with drorch yet" in (await show(http, "/")).words
    await api.store()
    assert (
        "1 plan was never rehearsed successfully as it is now: town"
        in (await show(http, "/")).words
    )
    await api.status(await api.start("simulate"), "succeeded")
    page = await show(http, "/")
    assert "simulation" in page.words
    assert "never rehearsed successfully" in page.words, "a simulation asks nobody"
    await api.status(await api.start("dry-run"), "succeeded")
    page = await show(http, "/")
    assert "Every plan was rehearsed as it is now." in page.words
    changed = (await api.get("/plans/town/revisions/1"))["source"] + "\n# changed\n"
    await api.store(changed)
    page = await show(http, "/")
    assert "the plan was changed since" in page.words
    assert "never rehearsed successfully" in page.words


async def test_the_fleet_is_seen_and_its_coverage_told(
    http: httpx2.AsyncClient, api: Caller
) -> None:
    await api.store()
    words = (await show(http, "/")).words
    assert "machines are in a plan" in words
    assert "✓ yes" in words


async def test_the_first_page_speaks_italian(http: httpx2.AsyncClient, api: Caller) -> None:
    await api.store()
    answer = await http.get("/", headers={"Accept-Language": "it-IT,it;q=0.9,en;q=0.5"})
    assert answer.headers["content-language"] == "it"
    assert "accept-language" in answer.headers["vary"].lower()
    assert "set-cookie" not in answer.headers
    page = Page(answer.text)
    assert page.all("html") == [{"lang": "it"}]
    assert "Nessun ripristino in corso" in page.words


async def test_a_chosen_language_is_remembered(http: httpx2.AsyncClient) -> None:
    answer = await http.get("/", params={"lang": "it"}, headers={"Accept-Language": "en"})
    assert "drorch-lang=it" in answer.headers["set-cookie"]
    http.cookies.clear()
    kept = {"Cookie": "drorch-lang=it", "Accept-Language": "en"}
    assert (await http.get("/", headers=kept)).headers["content-language"] == "it"
    strange = {"Cookie": "drorch-lang=../../etc", "Accept-Language": "en"}
    assert (await http.get("/", headers=strange)).headers["content-language"] == "en"
    asked = await http.get("/", params={"lang": "\r\nX-Evil: 1"})
    assert "set-cookie" not in asked.headers
    assert "x-evil" not in asked.headers


async def test_a_plan_that_cannot_be_read_costs_nobody_the_first_page(
    http: httpx2.AsyncClient, api: Caller, application: Application, engine: Application
) -> None:
    await api.store()
    run = await api.start("live")
    broken = text("UPDATE plans SET source = 'drorch: 0', digest = 'x' WHERE plan = 'town'")
    await application.store.writing(lambda c: c.execute(broken).close())
    words = (await show(http, "/")).words
    assert run in words
    assert "This drorch cannot read it:" in words
    assert (await http.get("/api/v1/fleet")).status_code == 200


async def test_a_form_starts_a_run_once(
    http: httpx2.AsyncClient, api: Caller, engine: Application
) -> None:
    await api.store()
    page = await show(http, "/plans/town")
    key = next(f["value"] for f in page.all("input") if f.get("name") == "key")
    fields = {"mode": "simulate", "key": key, "by": "Maria"}
    places = [
        (await http.post("/plans/town/runs", data=fields, headers=FORM)).headers["location"]
        for _ in range(3)
    ]
    assert len(set(places)) == 1
    runs = (await api.get("/runs"))["items"]
    assert [run["started_by"] for run in runs] == ["Maria"]
    again = await http.post("/plans/town/runs", data={**fields, "key": "another"}, headers=FORM)
    assert again.headers["location"] not in places


async def test_a_live_run_has_to_be_confirmed(
    http: httpx2.AsyncClient, api: Caller, engine: Application
) -> None:
    await api.store()
    fields = {"mode": "live", "confirm": "twon", "key": "k", "reason": "blackout"}
    answer = await http.post("/plans/town/runs", data=fields, headers=FORM)
    assert answer.status_code == 409
    assert "Nothing was started." in Page(answer.text).words
    assert (await api.get("/runs"))["items"] == []
    right = {**fields, "confirm": "town"}
    started = await http.post("/plans/town/runs", data=right, headers=FORM)
    assert started.status_code == 303
    assert (await api.get(f"/runs/{started.headers['location'][6:]}"))["reason"] == "blackout"
    second = await http.post("/plans/town/runs", data={**right, "key": "l"}, headers=FORM)
    assert second.status_code == 409
    assert "Nothing was started." in Page(second.text).words


async def test_a_form_starts_the_plan_that_was_shown_and_no_other(
    http: httpx2.AsyncClient, api: Caller, engine: Application
) -> None:
    await api.store()
    page = await show(http, "/plans/town")
    hidden = {str(f["name"]): f["value"] for f in page.all("input") if f.get("type") == "hidden"}
    fields = {**hidden, "mode": "live", "confirm": "town", "reason": "blackout"}
    source = (await api.get("/plans/town/revisions/1"))["source"]
    await api.store(source + "\n# changed\n")
    answer = await http.post("/plans/town/runs", data=fields, headers=FORM)
    assert answer.status_code == 409
    assert "the plan was changed since the page was shown" in Page(answer.text).words
    assert (await api.get("/runs"))["items"] == []
    shown = {f["name"]: f["value"] for f in Page(answer.text).all("input") if f.get("value")}
    again = {**fields, "digest": shown["digest"], "key": shown["key"]}
    started = await http.post("/plans/town/runs", data=again, headers=FORM)
    assert started.status_code == 303
    await api.store(source + "\n# changed again\n")
    twice = await http.post("/plans/town/runs", data=again, headers=FORM)
    assert twice.headers.get("location") == started.headers["location"]


async def test_wrong_forms_start_nothing(http: httpx2.AsyncClient, api: Caller) -> None:
    await api.store()
    for fields in (
        {"mode": "drill"},
        {"mode": "simulate", "only": "nowhere"},
        {"reason": "x" * 9000},
    ):
        answer = await http.post("/plans/town/runs", data=fields, headers=FORM)
        assert answer.status_code in (409, 413, 422), answer.text
    assert (await http.post("/plans/town/runs", json={"mode": "simulate"})).status_code == 415
    assert (await http.post("/plans/nowhere/runs", data={}, headers=FORM)).status_code == 404
    assert (await api.get("/runs"))["items"] == []


async def test_runs_are_listed_a_page_at_a_time(
    http: httpx2.AsyncClient, api: Caller, engine: Application
) -> None:
    assert "No run here." in (await show(http, "/runs")).words
    await api.store()
    runs = [await api.start("simulate") for _ in range(3)]
    words = (await show(http, "/runs?plan=town")).words
    assert all(run in words for run in runs)
    assert "No run here." in (await show(http, "/runs?plan=other")).words
    assert (await http.get("/runs", params={"cursor": "rubbish"})).status_code == 422


async def test_another_language_keeps_the_place(http: httpx2.AsyncClient, api: Caller) -> None:
    page = await show(http, "/runs?plan=a%22b&lang=en&x=<y>")
    links = [a["href"] for a in page.all("a") if a.get("hreflang") == "it"]
    assert links == ["?plan=a%22b&x=%3Cy%3E&lang=it"]


async def test_the_page_of_a_long_plan_holds_nobody_up(
    http: httpx2.AsyncClient, api: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads: list[int] = []

    def noted(*given: Any, **more: Any) -> HTMLResponse:
        threads.append(threading.get_ident())
        return page(*given, **more)

    monkeypatch.setattr("api.dashboard.plan_pages.page", noted)
    await api.store()
    assert "Avvia un'esecuzione di questo piano" in (await show(http, "/plans/town?lang=it")).words
    refused = await http.post("/plans/town/runs", data={"mode": "live"}, headers=FORM)
    assert refused.status_code == 409
    assert len(threads) == 2
    assert threading.get_ident() not in threads

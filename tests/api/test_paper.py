"""Paper over HTTP: the print pages, and ticks that are entered afterwards."""

from __future__ import annotations

import json
import threading
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2
import pytest
from fastapi.responses import HTMLResponse

from api.bootstrap import Application
from api.routes.decisions import decided_again
from api.routes.desk import Desk
from api.routes.idempotency import Effect
from api.runbook.codes import codes_of
from api.runbook.page import as_page
from tests.api.desk import Caller
from tests.api.test_pages import show

CODES = codes_of("town", ["san", "db", "web", "mail"])


def minutes_ago(minutes: float = 0.0) -> str:
    return (datetime.now(UTC) - timedelta(minutes=minutes)).isoformat()


async def test_a_tick_is_taken_and_told_as_such(api: Caller, engine: Application) -> None:
    await api.store()
    run = await api.start()
    await api.asks(run, "san")
    done_at = minutes_ago()
    body = {"done_at": done_at, "by": "Maria Rossi", "comment": "by hand"}
    told = await api.post(f"/runs/{run}/steps/san/paper", 200, json=body)
    assert (told["decision"], told["taken"], told["done_by"]) == ("paper", True, "Maria Rossi")
    assert told["by"] != "Maria Rossi"
    step = await api.get(f"/runs/{run}/steps/san")
    assert step["status"] == "healthy"
    paper = step["from_paper"]
    assert (paper["by"], paper["result"], paper["entered_by"]) == (
        "Maria Rossi",
        "done",
        told["by"],
    )
    assert paper["done_at"] <= paper["entered_at"]
    assert datetime.fromisoformat(step["healthy_at"]) > datetime.fromisoformat(paper["done_at"])

    again = await api.post(f"/runs/{run}/steps/san/paper", 200, json=body)
    assert again["taken"] is True
    other = await api.post(f"/runs/{run}/steps/san/paper", 409, json={**body, "result": "skipped"})
    assert other["code"] == "command-rejected"
    assert "by Maria Rossi" in other["detail"]
    events = (await api.get(f"/runs/{run}/events"))["items"]
    ticks = [event for event in events if event["type"] == "step.on-paper"]
    assert [(event["step"], event["actor"]) for event in ticks] == [("san", told["by"])]
    ended = await api.status(run, "succeeded")
    assert ended["status"] == "succeeded"
    late = await api.post(f"/runs/{run}/steps/db/paper", 409, json=body)
    assert "has ended" in late["detail"]
    assert "only verified" in late["hint"]


async def test_a_sheet_is_understood_while_nobody_drives(
    api: Caller, application: Application
) -> None:
    """Each tick is held against those that wait before it, not only against the journal."""
    await api.store()
    run = await api.start()
    at = (await api.get(f"/runs/{run}"))["created_at"]
    for _ in range(2):
        told = await api.post(f"/runs/{run}/steps/db/paper", 202, json={"done_at": at, "by": "MR"})
        assert told["taken"] is False
    skipped = {"done_at": at, "by": "B", "result": "skipped"}
    told = await api.post(f"/runs/{run}/steps/db/paper", 409, json=skipped)
    assert "by MR" in told["detail"]
    await api.post(f"/runs/{run}/steps/web/paper", 202, json=skipped)


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"done_at": "03:40"},
        {"done_at": "2026-11-22T03:40:00"},
        {"done_at": "0001-01-01T00:00:00+14:00"},
        {"done_at": "2026-11-22T03:40:00Z", "by": "a\x1bb"},
        {"done_at": "2026-11-22T03:40:00Z", "result": "perhaps"},
        {"done_at": "2026-11-22T03:40:00Z", "who": "x"},
    ],
)
async def test_what_no_paper_says_is_refused(api: Caller, body: dict[str, str]) -> None:
    await api.store()
    run = await api.start()
    told = await api.post(f"/runs/{run}/steps/db/paper", 422, json=body)
    assert told["code"] == "invalid-request"


async def test_a_rehearsal_has_no_paper(api: Caller) -> None:
    await api.store()
    run = await api.start("dry-run")
    told = await api.post(f"/runs/{run}/steps/db/paper", 409, json={"done_at": minutes_ago()})
    assert "asks nobody" in told["detail"]
    await api.post(f"/runs/{run}/steps/none/paper", 404, json={"done_at": minutes_ago()})


async def test_the_print_page_of_a_plan(api: Caller) -> None:
    await api.store()
    answer = await api.http.get("/plans/town/runbook")
    assert answer.status_code == 200
    page = answer.text
    assert "town revision 1" in page
    assert all(code in page for code in CODES.values())
    assert "+39 0000 1" in page
    assert "SIMULATED" in page
    assert "<style" not in page
    assert " style=" not in page
    assert '<link rel="stylesheet" href="/static/runbook.css">' in page
    assert (await api.http.get("/static/runbook.css")).status_code == 200
    italian = await api.http.get("/plans/town/runbook?lang=it")
    assert "Chi chiamare" in italian.text
    assert 'lang="it"' in italian.text
    assert (await api.http.get("/plans/nothing/runbook")).status_code == 404
    assert (await api.http.get("/plans/town/runbook?revision=7")).status_code == 404


async def test_the_page_of_a_run_leads_to_its_paper(api: Caller, engine: Application) -> None:
    await api.store()
    run = await api.start()
    await api.asks(run, "san")
    page = await show(api.http, f"/runs/{run}")
    leads = [a for a in page.all("a") if a.get("href") == f"/runs/{run}/runbook"]
    assert len(leads) == 2, "at its head, and where the whole run is decided about"
    assert "Paper Plan" in page.words
    assert "Print it, to go on by paper" in page.words
    assert f"Run {run}" in (await api.http.get(str(leads[0]["href"]))).text
    await api.post(f"/runs/{run}/steps/san/approve", 200)
    await api.status(run, "succeeded")
    over = await show(api.http, f"/runs/{run}")
    assert "Paper Plan" in over.words
    assert "Print it, to go on by paper" not in over.words


async def test_the_print_page_of_a_run_ticks_what_is_done(api: Caller, engine: Application) -> None:
    await api.store()
    run = await api.start()
    await api.asks(run, "san")
    before = (await api.http.get(f"/runs/{run}/runbook")).text
    assert "step settled" not in before
    await api.post(f"/runs/{run}/steps/san/approve", 200)
    await api.status(run, "succeeded")
    page = (await api.http.get(f"/runs/{run}/runbook")).text
    assert page.count("step settled") == 4
    assert f"Run {run}" in page
    assert f'href="/runs/{run}"' in page
    assert (await api.http.get("/runs/none-1/runbook")).status_code == 404


async def test_the_answer_is_given_again_for_the_same_key(
    api: Caller, application: Application
) -> None:
    """Also where the answer was lost before it was stored: what was done is looked up."""
    await api.store()
    run = await api.start()
    at = (await api.get(f"/runs/{run}"))["created_at"]
    body, key = {"done_at": at, "by": "MR"}, {"Idempotency-Key": "sheet-1-line-4"}
    first = await api.post(f"/runs/{run}/steps/db/paper", 202, json=body, headers=key)
    again = await api.post(f"/runs/{run}/steps/db/paper", 202, json=body, headers=key)
    assert again == first
    desk = Desk(application)
    effect = Effect("decision.paper", f"run/{run}/db", by=first["by"])
    answer = await decided_again(desk, effect)
    assert json.loads(bytes(answer.body)) == first
    assert len(await application.store.inbox(run)) == 1


async def test_a_long_plan_on_paper_holds_nobody_up(
    http: httpx2.AsyncClient, api: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads: list[int] = []

    def noted(*given: Any, **more: Any) -> HTMLResponse:
        threads.append(threading.get_ident())
        return as_page(*given, **more)

    monkeypatch.setattr("api.runbook.pages.as_page", noted)
    await api.store()
    run = await api.start("simulate")
    for path in ("/plans/town/runbook", f"/runs/{run}/runbook?lang=it"):
        assert (await http.get(path)).status_code == 200
    assert len(threads) == 2
    assert threading.get_ident() not in threads

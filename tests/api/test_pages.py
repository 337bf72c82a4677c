"""The pages: they say what is, keep hostile text as text, and work by forms alone."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from typing import Any

import httpx2
import pytest
from typing_extensions import override

from api.bootstrap import Application
from api.rendering.environment import visible
from connectors.simulated.faults import MachineFault
from connectors.simulated.server import Simulator
from tests.api.desk import PLAN, Caller, until

FORM = {"Content-Type": "application/x-www-form-urlencoded"}
VOID = {"meta", "link", "input", "br"}


class Page(HTMLParser):
    """A page taken apart; fails when its tags do not nest."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words = ""
        self._open: list[str] = []
        self.feed(text)
        self.close()
        assert self._open == []

    @override
    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self._open.append(tag)

    @override
    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    @override
    def handle_data(self, data: str) -> None:
        self.words += data

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


async def show(http: httpx2.AsyncClient, path: str) -> Page:
    answer = await http.get(path)
    assert answer.status_code == 200, answer.text
    return Page(answer.text)


async def test_the_start_page_lists_runs_and_plans(http: httpx2.AsyncClient, api: Caller) -> None:
    assert "No run yet" in (await show(http, "/")).words
    await api.store()
    run = await api.start("simulate")
    page = await show(http, "/")
    assert f"/runs/{run}" in [a["href"] for a in page.all("a")]
    assert "SIMULATION" in page.words


@pytest.mark.parametrize(
    ("mode", "words", "tone"),
    [
        ("live", "LIVE on a SIMULATED HYPERVISOR", "f-imagined"),
        ("dry-run", "DRY RUN", "f-dry"),
        ("simulate", "SIMULATION", "f-simulation"),
    ],
)
async def test_the_mode_is_unmistakable(
    http: httpx2.AsyncClient, api: Caller, mode: str, words: str, tone: str
) -> None:
    await api.store()
    page = await show(http, f"/runs/{await api.start(mode)}")
    assert words in page.words
    assert tone in (page.all("body")[0]["class"] or "")


async def test_a_question_is_answered_by_a_form_alone(
    http: httpx2.AsyncClient, api: Caller, engine: Application
) -> None:
    await api.store()
    run = await api.start()
    await api.asks(run, "san")
    page = await show(http, f"/runs/{run}")
    for words in ("Is the storage online?", "On-call desk", "+39 0000 1", "1 step needs a person"):
        assert words in page.words
    assert "tel:+3900001" in [a.get("href") for a in page.all("a")]
    targets = [b["formaction"] for b in page.all("button") if "formaction" in b]
    assert targets == [f"/runs/{run}/steps/san/approve", f"/runs/{run}/steps/san/reject"]
    answer = await http.post(
        targets[0] or "", content="by=bruno&comment=all+green%0D%0Atwice", headers=FORM
    )
    back = f"/runs/{run}?mode=live-simulated&told=taken"
    assert (answer.status_code, answer.headers["location"]) == (303, back)
    assert "Your decision was taken" in (await show(http, answer.headers["location"])).words
    await api.status(run, "succeeded")
    step = await api.get(f"/runs/{run}/steps/san")
    assert (step["decided_by"], step["comment"]) == ("bruno", "all green\ntwice")


async def test_a_failure_shows_its_cause_and_every_cure(
    http: httpx2.AsyncClient, api: Caller, engine: Application, simulator: Simulator
) -> None:
    simulator.world.faults.inject("101", MachineFault.START_FAILS, None)
    await api.store("drorch: 1\nplan: town\nsteps: {a: {vm: sim/101, retry: {attempts: 1}}}\n")
    run = await api.start()
    await api.asks(run, "a")
    page = await show(http, f"/runs/{run}")
    assert [b["formaction"] or "" for b in page.all("button") if "formaction" in b] == [
        f"/runs/{run}/steps/a/{verb}" for verb in ("retry", "accept", "skip", "reject")
    ]
    step = await api.get(f"/runs/{run}/steps/a")
    assert step["error"] in page.words
    alone = await show(http, f"/runs/{run}/steps/a")
    assert step["error"] in alone.words
    assert not alone.all("noscript")
    refused = await http.post(f"/runs/{run}/steps/a/approve", content="", headers=FORM)
    assert refused.status_code == 409


async def test_what_waits_says_for_what(http: httpx2.AsyncClient, api: Caller) -> None:
    await api.store()
    text = (await http.get(f"/runs/{await api.start()}")).text
    cells = re.findall(r'data-label="Waits for">(.*?)</td>', text, re.DOTALL)
    waits = [re.sub(r"<.*?>", "", cell).strip() for cell in cells]
    assert len(waits) == 4
    assert all(waits)
    assert "san" in waits[1] or "core" in waits[1]


@pytest.mark.parametrize(
    "path", ["/runs/none-1/pause", "/runs/none-1/explode", "/runs/none-1/steps/a/approve"]
)
async def test_forms_for_nothing_are_refused(http: httpx2.AsyncClient, path: str) -> None:
    assert (await http.post(path, content="", headers=FORM)).status_code == 404


async def test_a_form_of_another_shape_is_refused(http: httpx2.AsyncClient, api: Caller) -> None:
    await api.store()
    run = await api.start()
    where = f"/runs/{run}/pause"
    assert (await http.post(where, json={})).status_code == 415
    for body in ("comment=%1b%5b2J", "by=" + "x" * 101, "&".join("a=1" for _ in range(20))):
        assert (await http.post(where, content=body, headers=FORM)).status_code == 422
    other = {**FORM, "Origin": "http://evil.example"}
    assert (await http.post(where, content="", headers=other)).status_code == 403


HOSTILE = "</h1><script>alert(1)</script><img src=x onerror=alert(1)>"


async def test_hostile_text_stays_text(http: httpx2.AsyncClient, api: Caller) -> None:
    plan = PLAN.replace("A small town", f'"{HOSTILE}"')
    await api.store(plan.replace("Is the storage online?", f'"{HOSTILE}"'))
    run = await api.start(reason="<b>now</b>", by="<i>me</i>")
    for path in ("/", f"/runs/{run}", f"/runs/{run}/steps/san"):
        page = await show(http, path)
        assert not page.all("img") and not page.all("b") and not page.all("i")
        assert [s.get("src") for s in page.all("script")] == ["/static/live.js"]
    assert HOSTILE in (await show(http, f"/runs/{run}")).words


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[2J", "\ufffd[2J"),
        ("a\u202egnp.exe", "a\ufffdgnp.exe"),
        ("two\nlines", "two\nlines"),
        ("\x00\x9b", "\ufffd\ufffd"),
        ("citt\u00e0 \u2713", "citt\u00e0 \u2713"),
    ],
)
def test_characters_that_hide_something_are_shown_as_marks(text: str, shown: str) -> None:
    """Hypervisors and applications answer what they like; evidence is shown all the same."""
    assert visible(text) == shown


async def test_pages_keep_to_their_own_policy(
    http: httpx2.AsyncClient, api: Caller, engine: Application
) -> None:
    """No inline script, style or handler, nothing from elsewhere, and a language is named."""
    await api.store()
    run = await api.start()
    await api.asks(run, "san")
    for path in ("/", f"/runs/{run}", f"/runs/{run}/steps/san", "/docs", "/problems"):
        page = await show(http, path)
        assert page.all("html")[0]["lang"] == "en"
        assert len(page.all("h1")) == 1
        assert not page.all("style")
        for tag, attributes in page.tags:
            assert not [a for a in attributes if a.startswith("on") or a == "style"], tag
            for name in ("src", "href", "action", "formaction"):
                value = attributes.get(name) or ""
                assert not value.startswith(("http:", "https:", "//", "javascript:")), value
        labelled = {label["for"] for label in page.all("label")}
        for field in page.all("input") + page.all("textarea"):
            assert field["id"] in labelled
        ids = [a["id"] for _, a in page.tags if "id" in a]
        assert len(ids) == len(set(ids))


async def test_a_big_run_shows_what_moves(http: httpx2.AsyncClient, api: Caller) -> None:
    steps = "\n".join(f"  s{n}: {{wait: 1s}}" for n in range(700))
    await api.store(f"drorch: 1\nplan: big\nsteps:\n{steps}\n")
    run = await api.start("simulate", plan="big")
    page = await show(http, f"/runs/{run}")
    assert len([a for a in page.all("tr") if "data-k" in a]) == 200
    assert "500 more" in page.words
    further = [a["href"] or "" for a in page.all("a") if "from=" in (a["href"] or "")]
    rows = [a for a in (await show(http, further[0])).all("tr") if "data-k" in a]
    assert rows[0]["data-n"] == "200"


OPENINGS = PLAN.replace(
    "    steps: [web]\n",
    '    steps: [web]\n    open_by: "08:15"\n'
    "  taxes:\n"
    "    external: true\n"
    '    verify: [{tcp: "127.0.0.1:1", name: front}]\n',
)


async def test_an_opening_and_a_service_elsewhere_are_on_the_page(
    http: httpx2.AsyncClient, api: Caller, engine: Application
) -> None:
    await api.store(OPENINGS)
    run = await api.start()

    async def services() -> dict[str, Any]:
        return {s["id"]: s for s in (await api.get(f"/runs/{run}"))["services"]}

    async def seen() -> bool:
        return bool((await services())["taxes"]["state"] == "down")

    await until(seen)
    known = await services()
    assert known["registry"]["open_by"]["met"] is None
    assert "refused" in known["taxes"]["evidence"]
    page = await show(http, f"/runs/{run}")
    assert "opens " in page.words
    assert "08:15 (in " in page.words
    assert known["taxes"]["evidence"] in page.words
    ahead = [cell["data-until"] for cell in page.all("td") if "data-until" in cell]
    assert ahead == [known["registry"]["open_by"]["at"]]
    await api.asks(run, "san")
    await api.post(f"/runs/{run}/steps/san/approve", json={"by": "bruno"})
    done = await api.status(run, "succeeded")
    assert {s["id"]: s["state"] for s in done["services"]} == {"registry": "up", "taxes": "down"}
    assert "08:15 met" in (await show(http, f"/runs/{run}")).words
    listed = {s["id"]: s for s in (await api.get("/services"))["items"]}
    assert listed["taxes"]["evidence"] == known["taxes"]["evidence"]
    report = await api.get(f"/runs/{run}/report")
    assert (report["summary"]["openings"], report["summary"]["openings_missed"]) == (1, 0)
    told = [e["data"]["healthy"] for e in report["timeline"] if e["type"] == "service.seen"]
    assert told == [False]


async def test_a_service_without_a_run_shows_its_hours_only(api: Caller) -> None:
    await api.store(OPENINGS)
    listed = {s["id"]: s for s in (await api.get("/services"))["items"]}
    hours: dict[str, Any] = {"time": "08:15", "days": [], "closed": [], "at": None, "met": None}
    assert (listed["registry"]["open_by"], listed["taxes"]["open_by"]) == (hours, None)
    assert (listed["taxes"]["state"], listed["taxes"]["evidence"]) == ("unknown", None)

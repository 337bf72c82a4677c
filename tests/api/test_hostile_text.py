"""What others wrote is text everywhere: in pages, terminals, tables and JSON, and nothing else."""

from __future__ import annotations

import asyncio
import csv
import io
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest

from api.bootstrap import Application
from api.cli.report_table import print_report
from api.cli.screen import print_json
from api.cli.status_table import print_status
from api.reading import RunReader
from api.reports.table import steps_csv
from api.telling import told_run_with_steps
from connectors.simulated import fleet as fleets
from connectors.simulated.server import simulating
from tests.api.desk import Caller, calling, driven, settings
from tests.api.test_pages import Page

MARKUP = (
    "<xss onload=alert(1)>",
    '"><xss>',
    "' onmouseover='alert(1)' x='",
    "</title></script><script>alert(1)</script>",
    "<!--<xss>",
    "&lt;xss&gt;",
    "{{7*7}}${7*7}",
    "javascript:alert(1)",
)
FORMULA = '=HYPERLINK("http://evil.example";"x")'
CONTROL = "\x1b[2J\x1b]0;owned\x07\x9b31m\u202egnp.exe\u2066"
HOSTILE = FORMULA + "".join(MARKUP) + CONTROL
BANNER = f"SSH-2.0-{''.join(MARKUP)}{CONTROL}\r\n".encode()
_LINKS = ("href", "src", "action", "formaction")


def plan(port: int) -> str:
    """Return a plan that has hostile text wherever a plan takes text; JSON is YAML."""
    text = "=" + "".join(MARKUP)
    both = {"it": text, "en": text}
    contact = {"name": text, "phone": MARKUP[1], "email": text}
    ssh = {"host": "127.0.0.1", "port": port, "contains": "never", "interval": "100ms"}
    steps: dict[str, Any] = {
        "san": {"title": text, "manual": {"ask": text, "assign": "desk"}},
        "db": {
            "title": text,
            "vm": 101,
            "verify": [{"ssh": {**ssh, "name": "".join(MARKUP[:4])}}],
            "verify_timeout": "1s",
        },
        "web": {"title": text, "vm": 102, "depends_on": ["db"]},
    }
    service = {"title": both, "steps": ["web"], "contact": "desk", "fallback": both}
    document = {
        "drorch": 1,
        "plan": "town",
        "title": text,
        "owner": "desk",
        "defaults": {"connector": "sim", "retry": {"attempts": 1, "wait": "1s"}, "expect": "5s"},
        "contacts": {"desk": contact},
        "services": {"registry": service},
        "groups": {"core": {"title": text}},
        "steps": steps,
    }
    return json.dumps(document)


@asynccontextmanager
async def shouting() -> AsyncIterator[int]:
    """Be a machine whose banner is hostile; give its port."""

    async def shout(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        del reader
        writer.write(BANNER)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(shout, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


class Told:
    """A service that was told hostile text by everybody, and a run that waits."""

    def __init__(self, http: httpx2.AsyncClient, application: Application, run: str) -> None:
        self.http = http
        self.application = application
        self.run = run

    async def json(self) -> Any:
        state = await self.http.get(f"/api/v1/runs/{self.run}")
        return state.json()


@pytest.fixture
async def told(tmp_path: Path) -> AsyncIterator[Told]:
    machines = [
        {"id": 101, "name": HOSTILE, "boot": "50ms"},
        {"id": 102, "name": HOSTILE, "boot": "50ms"},
    ]
    fleet = fleets.build({"latency": "1ms", "machines": machines})
    async with simulating(fleet, 0, seed=1) as simulator, shouting() as port:
        config = settings(tmp_path / "data", simulator.url)
        async with Application(config) as application, driven(config), calling(application) as http:
            api = Caller(http)
            await api.store(plan(port))
            run = await api.start()
            await api.asks(run, "san")
            body = {"comment": FORMULA + "".join(MARKUP)}
            await api.post(f"/runs/{run}/steps/san/approve", json=body)
            await api.asks(run, "db")
            notice = {"state": "down", "text": {"it": MARKUP[0], "en": "".join(MARKUP)}}
            answer = await http.put("/api/v1/services/registry/notice", json=notice)
            assert answer.status_code == 200, answer.text
            yield Told(http, application, run)


def _controls(text: str) -> Iterator[str]:
    return (c for c in text if not c.isprintable() and c not in "\n\t")


def look(page: Page, text: str) -> None:
    """Fail where a page has anything but our own elements in it."""
    assert {tag for tag, _ in page.tags if "xss" in tag} == set()
    for tag, attributes in page.tags:
        assert not [name for name in attributes if name.startswith("on")], (tag, attributes)
        for link in _LINKS:
            where = attributes.get(link) or "/"
            assert where.startswith(("/", "#", "?lang=", "tel:", "mailto:", "data:,")), (
                tag,
                attributes,
            )
    scripts = page.all("script")
    assert all((script.get("src") or "").startswith("/static/") for script in scripts)
    assert not list(_controls(text))


async def test_pages_show_it_as_text(told: Told) -> None:
    run = f"/runs/{told.run}"
    for path in ("/", "/plans/town", run, f"{run}/steps/san", f"{run}/steps/db", f"{run}/report"):
        answer = await told.http.get(path)
        assert answer.status_code == 200, answer.text
        page = Page(answer.text)
        look(page, answer.text)
        for markup in MARKUP:
            assert markup in page.words, (path, markup)


@pytest.mark.parametrize("markup", MARKUP)
async def test_problems_tell_it_as_text(told: Told, markup: str) -> None:
    html = {"Accept": "text/html"}
    for path in (f"/runs/{markup}", f"/plans/{markup}", f"/problems/{markup}", f"/{markup}"):
        answer = await told.http.get(httpx2.URL("http://127.0.0.1:8140", path=path), headers=html)
        assert answer.status_code in (404, 422), answer.text
        if answer.headers["content-type"].startswith("text/html"):
            look(Page(answer.text), answer.text)
    answer = await told.http.get("/login", params={"next": markup}, headers=html)
    look(Page(answer.text), answer.text)


async def test_what_a_machine_says_is_shown_without_its_controls(told: Told) -> None:
    step = (await told.http.get(f"/api/v1/runs/{told.run}/steps/db")).json()
    assert "<xss" in step["error"]  # the banner came through to where it could do harm
    page = (await told.http.get(f"/runs/{told.run}/steps/db")).text
    assert not list(_controls(page))


async def test_json_is_taken_for_nothing_else(told: Told) -> None:
    run = f"/api/v1/runs/{told.run}"
    for path in (run, f"{run}/steps", f"{run}/report", f"{run}/events", "/api/v1/plans", "/xss"):
        answer = await told.http.get(path)
        kind = answer.headers["content-type"].split(";")[0]
        assert kind in ("application/json", "application/problem+json")
        assert answer.headers["x-content-type-options"] == "nosniff"
        answer.json()


async def test_terminals_get_no_control_characters(
    told: Told, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    run = await _with_steps(told)
    report = (await told.http.get(f"/api/v1/runs/{told.run}/report")).json()
    hostile = json.loads(json.dumps([run, report]).replace("SSH-2.0", json.dumps(CONTROL)[1:-1]))
    for document in ([run, report], hostile):
        print_status(document[0])
        print_report(document[1])
        print_json(document)
    out, err = capsys.readouterr()
    assert "<xss" in out
    assert not list(_controls(out + err))


async def _with_steps(told: Told) -> Any:
    state = await RunReader(told.application.store).state(told.run)
    return told_run_with_steps(told.application, state) | {"driven": True, "driver": "x"}


async def test_spreadsheets_get_no_formula(told: Told) -> None:
    run = f"/api/v1/runs/{told.run}/report?format=csv"
    answer = await told.http.get(run)
    assert answer.headers["content-type"].startswith("text/csv")
    assert answer.headers["content-disposition"].startswith("attachment")
    report = (await told.http.get(f"/api/v1/runs/{told.run}/report")).json()
    assert FORMULA in json.dumps(report, ensure_ascii=False).replace('\\"', '"')
    for text in (answer.text, steps_csv(report)):
        rows = list(csv.reader(io.StringIO(text)))
        cells = [cell for row in rows for cell in row]
        assert any(cell.startswith("'=") for cell in cells)
        assert not [cell for cell in cells if cell.startswith(("=", "+", "-", "@", "\t", "\r"))]

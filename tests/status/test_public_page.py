"""The public page over HTTP: everybody may read it, caches may keep it, nothing internal is in it."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx2
import pytest

from api.access import WantedToken, make_token
from api.bootstrap import Application
from api.callers import system_caller
from api.status.rendering import ASSETS, HERE_SERVED, nothing_page
from api.telling import is_simulated_fleet
from api.version import VERSION
from connectors.simulated import fleet as fleets
from connectors.simulated.server import simulating
from drorch.access.roles import Role
from drorch.errors import JournalUnavailableError
from drorch.journal.service_sightings import Key, Sighting
from drorch.model.moment import stamp
from tests.api.desk import Caller, calling, driven, settings, until
from tests.api.test_hostile_text import MARKUP
from tests.api.test_pages import Page
from tests.cli.conftest import ROOT
from tests.real.postgres import PostgresServer
from tests.real.proxy import Proxy

ITALIAN = {"Accept-Language": "it-IT,it;q=0.9"}
PUBLIC: dict[str, Any] = {
    "drorch": 1, "plan": "town", "defaults": {"connector": "sim"},
    "services": {
        "registry": {
            "title": {"it": "Anagrafe", "en": "Civil registry"}, "steps": ["web"],
            "fallback": {"it": "Carte d'identità di carta", "en": "Paper cards"},
        },
        "taxes": {
            "title": {"it": "Tributi", "en": "Taxes"}, "external": True,
            "verify": [{"tcp": "127.0.0.1:9"}],
        },
    },
    "steps": {"web": {"vm": 102, "verify": [{"agent": {}}]}},
}  # fmt: skip


async def saw(app: Application, **states: bool) -> None:
    since = stamp(datetime.now(UTC))
    seen = {
        Key("town", name): Sighting(healthy=healthy, evidence="evidence", since=since)
        for name, healthy in states.items()
    }
    await app.sightings.note("test", 30, seen)


def fresh(http: httpx2.AsyncClient) -> None:
    """Let the next reader see what is known now, and not seconds ago."""
    transport: Any = http._transport
    transport.app.state.bulletin._made = float("-inf")
    transport.app.state.bulletin._tried = float("-inf")


async def shown(http: httpx2.AsyncClient, path: str = "/status", **headers: str) -> str:
    fresh(http)
    answer = await http.get(path, headers=headers)
    assert answer.status_code == 200, answer.text
    return answer.text


async def test_each_service_is_told_in_the_language_of_who_asks(
    http: httpx2.AsyncClient, api: Caller, application: Application
) -> None:
    await api.store(json.dumps(PUBLIC))
    await saw(application, registry=False, taxes=True)
    italian = Page(await shown(http, **ITALIAN)).words
    for words in ("Stato dei servizi", "Anagrafe", "Non disponibile", "Carte d'identità di carta",
                  "Tributi", "Attivo", "Ultimo aggiornamento", "1 servizio non disponibile"):  # fmt: skip
        assert words in italian
    english = Page(await shown(http)).words
    for words in ("Service status", "Civil registry", "Not available", "Paper cards", "Taxes"):
        assert words in english
    assert Page(await shown(http, "/status?lang=it")).words.count("Anagrafe") == 1
    assert 'lang="it"' in await shown(http, "/status?lang=it")
    assert 'lang="en"' in await shown(http, "/status?lang=xx")


async def test_a_fleet_that_is_all_simulated_is_marked_in_every_form(
    http: httpx2.AsyncClient, api: Caller, application: Application
) -> None:
    await api.store(json.dumps(PUBLIC))
    await saw(application, registry=True, taxes=True)
    for headers, mark, words in (
        ({}, "SIMULATION", "says nothing about the real services"),
        (ITALIAN, "SIMULAZIONE", "non dice nulla dei servizi reali"),
    ):
        page = await shown(http, **headers)
        assert f"<title>[{mark}] " in page
        board = page[page.index('<main id="board">') :]
        assert f"<strong>{mark}</strong>" in board, "where the script exchanges it"
        assert words in board
        assert board.index(mark) < board.index("<h1>")
    assert (await http.get("/status.json")).json()["simulated"] is True


async def test_nothing_is_marked_where_there_is_more_than_a_simulator(tmp_path: Path) -> None:
    url = "http://127.0.0.1:9"
    real = {"type": "libvirt", "uri": "test:///default"}
    for connectors in ({}, {"sim": {"type": "simulated", "url": url}, "real": real}):
        config = settings(tmp_path / str(len(connectors)), url)
        app = Application(config.model_copy(update={"connectors": connectors}))
        assert not is_simulated_fleet(app.settings.connectors)
    async with (
        Application(settings(tmp_path / "none", url).model_copy(update={"connectors": {}})) as app,
        calling(app) as http,
    ):
        page = await shown(http)
        assert "SIMULATION" not in page
        assert "<title>? No" in page or "<title>✓" in page
        assert (await http.get("/status.json")).json()["simulated"] is False


def test_the_page_that_knows_nothing_is_marked_as_well() -> None:
    assert "SIMULATION" in nothing_page(HERE_SERVED, simulated=True)
    assert "SIMULATION" not in nothing_page(HERE_SERVED, simulated=False)


async def test_title_and_icon_follow_the_worst(
    http: httpx2.AsyncClient, api: Caller, application: Application
) -> None:
    await api.store(json.dumps(PUBLIC))
    for states, icon, title in (
        ({"registry": True, "taxes": True}, "icon-up.svg", "✓ All services are available"),
        ({"registry": False}, "icon-down.svg", "✕ 1 service is not available"),
    ):
        await saw(application, **states)
        page = await shown(http)
        assert f"/status/{icon}" in page
        assert f"<title>[SIMULATION] {title}" in page


async def test_any_cache_may_keep_it_and_asks_whether_it_changed(
    http: httpx2.AsyncClient, api: Caller, application: Application
) -> None:
    await api.store(json.dumps(PUBLIC))
    tag = ""
    for path, more in (("/status", ITALIAN), ("/status?lang=it", {}), ("/status.json", {})):
        first = await http.get(path, headers={**more, "Cookie": "drorch-lang=en"})
        assert first.headers["cache-control"] == "public, max-age=30"
        assert "set-cookie" not in first.headers
        assert "cookie" not in first.headers.get("vary", "").lower()
        tag = first.headers["etag"]
        again = await http.get(path, headers={**more, "If-None-Match": f'"other", {tag}'})
        assert (again.status_code, again.content) == (304, b"")
        assert again.headers["etag"] == tag
        assert (await http.get(path, headers={**more, "If-None-Match": '"x"'})).status_code == 200
        head = await http.head(path, headers=more)
        assert (head.status_code, head.headers["etag"]) == (200, tag)
    await saw(application, registry=False)
    fresh(http)
    changed = await http.get("/status.json", headers={"If-None-Match": tag})
    assert changed.status_code == 200
    page = await http.get("/status", headers=ITALIAN)
    assert (page.headers["content-language"], page.headers["vary"]) == ("it", "Accept-Language")


async def test_nobody_has_to_log_in(http: httpx2.AsyncClient, application: Application) -> None:
    wanted = WantedToken(name="somebody", role=Role.ADMIN, days=None)
    await make_token(application, wanted, system_caller("test"))
    assert (await http.get("/api/v1/services")).status_code == 401
    for path in ("/status", "/status.json", *(f"/status/{name}" for name in ASSETS)):
        assert (await http.get(path)).status_code == 200, path
    for path in ("/status/board.py", "/status/..%2fboard.py", "/status/%2e%2e/pages.py"):
        assert (await http.get(path)).status_code == 404, path
    assert (await http.post("/status")).status_code in (401, 403, 405)


async def test_everything_a_page_names_is_there_and_nothing_elsewhere(
    http: httpx2.AsyncClient, api: Caller
) -> None:
    await api.store(json.dumps(PUBLIC))
    named = re.findall(r'(?:href|src)="([^"]+)"', await shown(http))
    assert len(named) >= 5
    for path in named:
        assert path.startswith("/")
        assert (await http.get(path)).status_code == 200, path


async def test_a_notice_is_told_as_said_by_a_person(http: httpx2.AsyncClient, api: Caller) -> None:
    await api.store(json.dumps(PUBLIC))
    body = {
        "state": "restoring",
        "text": {"it": "Riapre più tardi"},
        "expected_at": "2099-01-01T10:01:00Z",
    }
    put = await http.put("/api/v1/services/taxes/notice", json=body)
    assert put.json()["by"] == "api"
    words = Page(await shown(http, **ITALIAN)).words
    assert "Comunicato dal personale" in words
    assert "Riapre più tardi" in words
    assert "01/01/2099, 11:15" in words
    (taxes,) = [s for s in json.loads(await shown(http, "/status.json"))["services"] if s["id"] == "taxes"]  # fmt: skip
    assert (taxes["announced"], taxes["state"]) == (True, "restoring")
    assert taxes["expected"] == {"from": None, "by": "2099-01-01T10:15:00.000Z"}


@pytest.mark.parametrize("mode", ["dry-run", "simulate"])
async def test_a_rehearsal_is_no_outage(
    http: httpx2.AsyncClient,
    api: Caller,
    application: Application,
    engine: Application,
    mode: str,
) -> None:
    asking = {"ask": {"manual": {"ask": "Well?"}}, **PUBLIC["steps"]}
    await api.store(json.dumps({**PUBLIC, "steps": asking}))
    await saw(application, registry=True, taxes=True)
    run = await api.start(mode)
    told = json.loads(await shown(http, "/status.json"))
    assert told["state"] == "up"
    await api.status(run, "succeeded", "failed")
    assert json.loads(await shown(http, "/status.json"))["state"] == "up"


CANARY = "zzcanary"


def internal_plan(port: int) -> str:
    """Return a plan with a canary in every field that is not for citizens."""
    step = {
        "title": f"{CANARY} title", "connector": f"{CANARY}-con", "group": f"{CANARY}-group",
        "contact": f"{CANARY}-who", "verify_timeout": "1s", "retry": {"attempts": 1, "wait": "1s"},
        "verify": [{"ssh": {"host": "127.0.0.1", "port": port, "name": f"{CANARY} check",
                            "contains": "never", "interval": "100ms"}}],
    }  # fmt: skip
    document = {
        "drorch": 1, "plan": f"{CANARY}-plan", "title": f"{CANARY} plan", "owner": f"{CANARY}-who",
        "contacts": {f"{CANARY}-who": {"name": f"{CANARY} name", "phone": f"{CANARY} 1",
                                       "email": f"{CANARY}@x.example"}},
        "groups": {f"{CANARY}-group": {"title": f"{CANARY} group"}},
        "services": {
            "registry": {"title": {"it": "Anagrafe", "en": "Registry"}, "steps": [f"{CANARY}-web"],
                         "contact": f"{CANARY}-who", "fallback": {"it": "Carta", "en": "Paper"}},
            "taxes": {"title": {"it": "Tributi", "en": "Taxes"}, "external": True,
                      "verify": [{"tcp": {"host": "127.0.0.1", "port": 9, "name": CANARY}}]},
        },
        "steps": {
            f"{CANARY}-ask": {"manual": {"ask": f"{CANARY}?", "assign": f"{CANARY}-who"}},
            f"{CANARY}-web": {**step, "vm": 102, "depends_on": [f"{CANARY}-ask"]},
        },
    }  # fmt: skip
    return json.dumps(document)


async def test_nothing_internal_leaks_from_a_run_that_fails_loudly(tmp_path: Path) -> None:
    from tests.checks.serving import free_port
    from tests.status.test_publishing import published

    machines = [{"id": 102, "name": f"{CANARY}-machine", "host": f"{CANARY}-host", "boot": "50ms"}]
    hosts: dict[str, Any] = {f"{CANARY}-host": {}}
    fleet = fleets.build({"latency": "1ms", "hosts": hosts, "machines": machines})
    port = free_port()
    async with simulating(fleet, 0, seed=1) as simulator:
        given = settings(tmp_path / "data", simulator.url).model_dump()
        sim = given["connectors"].pop("sim")
        config = type(settings(tmp_path, ""))(**{**given, "connectors": {f"{CANARY}-con": sim}})
        async with Application(config) as app, driven(config), calling(app) as http:
            api = Caller(http)
            await api.store(internal_plan(port))
            run = await api.start("live", f"{CANARY}-plan", reason=f"{CANARY} reason")
            await api.asks(run, f"{CANARY}-ask")
            body = {"comment": f"{CANARY} comment", "by": f"{CANARY} by"}
            await api.post(f"/runs/{run}/steps/{CANARY}-ask/approve", json=body)
            await api.asks(run, f"{CANARY}-web")
            secret, _ = await make_token(
                app,
                WantedToken(name=f"{CANARY}-author", role=Role.ADMIN, days=None),
                system_caller(f"{CANARY} maker"),
            )
            author = {"Authorization": f"Bearer {secret}"}
            http.headers.update(author)
            notice = {"state": "restoring", "text": {"it": "Arriva"}}
            put = await http.put("/api/v1/services/taxes/notice", json=notice)
            assert put.json()["by"] == f"{CANARY}-author"
            hold = await http.put(
                f"/api/v1/holds/{CANARY}-con/102", json={"reason": f"{CANARY} hold"}
            )
            assert hold.is_success
            await http.post("/api/v1/halt", json={"reason": f"{CANARY} halt"})
            inside = (await http.get("/api/v1/services")).text
            assert CANARY in inside, "it is there to leak"
            seen = {
                Key(f"{CANARY}-plan", "taxes"): Sighting(
                    healthy=False, evidence=f"{CANARY} evidence", since=stamp(datetime.now(UTC))
                )
            }
            await app.sightings.note(f"{CANARY}-orchestrator", 30, seen)
            texts = {"/status": await shown(http, **ITALIAN)}
            for path in ("/status?lang=en", "/status.json", "/status/none"):
                fresh(http)
                answer = await http.get(path)
                texts[path] = answer.text + str([*answer.headers.values()])
            texts |= {
                f"file {name}": text for name, text in (await published(app, tmp_path)).items()
            }
    assert len(texts) >= 12
    assert "Non disponibile" in texts["/status"], "the failure itself is told"
    for where, text in texts.items():
        for secret_ in (CANARY, run, "127.0.0.1", str(port), VERSION, app.driver):
            assert secret_ not in text, (where, secret_)
        assert "drorch" not in text.lower(), where


async def test_hostile_titles_and_notices_stay_text(http: httpx2.AsyncClient, api: Caller) -> None:
    text = "".join(MARKUP) + "\u202egnp.exe"
    hostile = json.loads(json.dumps(PUBLIC))
    hostile["services"]["registry"] |= {"title": {"it": text, "en": text}, "fallback": {"it": text}}
    await api.store(json.dumps(hostile))
    words = "".join(MARKUP)  # of people no direction characters are taken at all
    body = {"state": "down", "text": {"it": words, "en": words}}
    assert (await http.put("/api/v1/services/registry/notice", json=body)).is_success
    for path in ("/status?lang=it", "/status?lang=en"):
        page = await shown(http, path)
        taken = Page(page)
        assert {tag for tag, _ in taken.tags} <= {
            "html", "head", "meta", "title", "link", "script", "noscript", "body", "nav", "span",
            "a", "main", "h1", "h2", "p", "time", "ul", "li", "strong", "dl", "div", "dt", "dd",
        }  # fmt: skip
        assert "alert(1)" in taken.words, "it is shown, as text"
        assert "\u202e" not in page
        assert not [a for _, attributes in taken.tags for a in attributes if a.startswith("on")]
    answer = await http.get("/status.json")
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["x-content-type-options"] == "nosniff"


async def test_it_answers_while_the_database_hangs_and_says_since_when(
    tmp_path: Path, postgres_server: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("api.status.bulletin.STALE_AFTER", 0.3)
    monkeypatch.setattr("api.status.bulletin.PATIENCE", 0.3)
    url = postgres_server.make()
    proxy = Proxy(postgres_server.port)
    try:
        away = url.replace(f":{postgres_server.port}/", f":{proxy.port}/")
        assert away != url
        given = settings(tmp_path / "data", "http://127.0.0.1:9").model_dump()
        config = type(settings(tmp_path, ""))(**{**given, "database": {"url": away}})
        async with Application(config) as app, calling(app) as http:
            await Caller(http).store(json.dumps(PUBLIC))
            await saw(app, registry=True, taxes=False)
            before = json.loads(await shown(http, "/status.json"))
            assert (before["stale_since"], before["state"]) == (None, "down")
            proxy.stall()

            async def old() -> Any:
                told = json.loads(await shown(http, "/status.json"))
                return told if told["stale_since"] else None

            told = await until(old)
            assert told["services"] == before["services"]
            assert told["stale_since"] == before["at"]
            words = Page((await http.get("/status", headers=ITALIAN)).text).words
            assert "Le ultime informazioni note sono di:" in words
            proxy.heal()

            async def well() -> bool:
                return json.loads(await shown(http, "/status.json"))["stale_since"] is None

            await until(well)
    finally:
        proxy.heal()
        proxy.close()


async def test_where_nothing_was_ever_learned_it_says_so(
    http: httpx2.AsyncClient, application: Application, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away(*_: Any) -> Any:
        raise JournalUnavailableError("SECRET reason", hint="SECRET hint")

    monkeypatch.setattr(application.shelf, "plans", away)
    page = await http.get("/status", headers=ITALIAN)
    assert page.status_code == 503
    assert "Al momento nessuna informazione" in Page(page.text).words
    told = await http.get("/status.json")
    assert (told.status_code, told.json()["code"]) == (503, "journal-unavailable")
    assert "SECRET" not in page.text + told.text


def test_the_style_and_the_script_are_small_and_of_their_own() -> None:
    folder = ROOT / "api" / "status" / "static"
    assert sum(file.stat().st_size for file in folder.iterdir()) < 10_000
    for file in folder.iterdir():
        text = file.read_text().replace("http://www.w3.org/2000/svg", "")
        assert "//" not in re.sub(r"^//.*$", "", text, flags=re.MULTILINE), file.name

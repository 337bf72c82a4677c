"""Logging in with a browser: what opens the door, what does not, and what a session is."""

from __future__ import annotations

import asyncio
import statistics
import time
from typing import Any

import httpx2
import pyotp
import pytest
from sqlalchemy import update

from api import people as operations
from api.app import create_app
from api.bootstrap import Application
from api.callers import system_caller
from api.login_limits import A_MINUTE, FIRST_PAUSE, LONGEST_PAUSE, LoginLimits
from api.schemas.access_problems import TooManyRequestsError
from drorch.access.people import IDLE, session_hash
from drorch.access.roles import Role
from drorch.access.sealing import SealError
from drorch.journal.gate import sessions_
from drorch.journal.ledger import entries
from tests.api.desk import BASE, Caller, calling
from tests.api.people import HTML, PASSWORD, csrf_of, log_in, person


async def acts(app: Application) -> list[tuple[str, str]]:
    found = await app.store.reading(lambda c: entries(c, before=None, limit=50))
    return [(entry["action"], entry["actor"]["identity"]) for _, entry, _ in found]


async def test_a_page_leads_to_the_log_in_and_the_log_in_back_to_it(
    application: Application, http: httpx2.AsyncClient
) -> None:
    await person(application)
    asked = await http.get("/runs/town-1?show=all", headers=HTML)
    assert asked.status_code == 303
    assert asked.headers["location"] == "/login?next=/runs/town-1%3Fshow%3Dall"
    shown = await http.get(asked.headers["location"], headers=HTML)
    assert 'value="/runs/town-1?show=all"' in shown.text
    entered = await log_in(http, next="/runs/town-1?show=all")
    assert (entered.status_code, entered.headers["location"]) == (303, "/runs/town-1?show=all")
    start = await http.get("/", headers=HTML)
    assert start.status_code == 200
    assert "<strong>mario</strong>, operator" in start.text


async def test_the_api_is_told_401_and_not_led_anywhere(
    application: Application, http: httpx2.AsyncClient
) -> None:
    await person(application)
    answer = await http.get("/api/v1/runs", headers=HTML)
    assert answer.status_code == 401
    assert answer.json()["code"] == "authentication-needed"
    assert (await http.get("/", headers={"Accept": "application/json"})).status_code == 401


async def test_capitals_and_blanks_around_a_name_do_not_matter(
    application: Application, http: httpx2.AsyncClient
) -> None:
    await person(application)
    assert (await log_in(http, " Mario ")).status_code == 303


async def test_the_cookie_is_for_this_service_alone(application: Application) -> None:
    await person(application)
    transport = httpx2.ASGITransport(create_app(application))
    async with httpx2.AsyncClient(transport=transport, base_url="https://127.0.0.1") as https:
        given = (await log_in(https)).headers["set-cookie"]
        assert given.startswith("__Host-drorch=")
        for word in ("Secure", "HttpOnly", "Path=/", "SameSite=lax", "Max-Age=43200"):
            assert word.lower() in given.lower()
        assert "domain" not in given.lower()
    async with httpx2.AsyncClient(transport=transport, base_url=BASE) as plain:
        given = (await log_in(plain)).headers["set-cookie"]
        assert given.startswith("drorch=")
        assert "secure" not in given.lower()


async def test_over_tls_the_plain_cookie_opens_nothing(application: Application) -> None:
    """A neighbouring site may set a cookie of that name for us; never one with __Host-."""
    await person(application)
    transport = httpx2.ASGITransport(create_app(application))
    async with httpx2.AsyncClient(transport=transport, base_url="https://127.0.0.1") as https:
        cookie = (await log_in(https)).headers["set-cookie"].partition("=")[2].partition(";")[0]
        https.cookies.clear()
        told = {"Cookie": f"drorch={cookie}"}
        assert (await https.get("/api/v1/runs", headers=told)).status_code == 401
        told = {"Cookie": f"__Host-drorch={cookie}"}
        assert (await https.get("/api/v1/runs", headers=told)).status_code == 200


@pytest.mark.parametrize(
    "wanted",
    [
        "//evil.example",
        "/\\evil.example",
        "/%2fevil.example",
        "/%2F/evil.example",
        "/%5cevil.example",
        "/%5C%5Cevil.example",
        "\\\\evil.example",
        "/\t/evil.example",
        "/\n/evil.example",
        " //evil.example",
        "https://evil.example",
        "javascript:alert(1)",
        "evil.example",
        "",
        "/login",
        "/login?next=/",
        "/logout",
        "/" + "a" * 600,
        "/ù",
    ],
)
async def test_the_log_in_leads_to_our_own_pages_alone(
    application: Application, http: httpx2.AsyncClient, wanted: str
) -> None:
    await person(application)
    shown = await http.get("/login", params={"next": wanted}, headers=HTML)
    assert 'name="next" value="/">' in shown.text
    assert (await log_in(http, next=wanted)).headers["location"] == "/"


async def test_what_was_wrong_is_not_said(
    application: Application, http: httpx2.AsyncClient
) -> None:
    await person(application)
    await person(application, "anna", codes=True)
    await person(application, "luca")
    await operations.disable(application, "luca", system_caller("test"))
    told = set()
    for name, word, code in (
        ("mario", "wrong password here", ""),
        ("nobody", PASSWORD, ""),
        ("anna", PASSWORD, "000000"),
        ("luca", PASSWORD, ""),
    ):
        answer = await log_in(http, name, word, code=code)
        assert answer.status_code == 401
        assert "set-cookie" not in answer.headers
        told.add(answer.text)
    assert len(told) == 1
    assert "do not fit together" in told.pop()
    assert not http.cookies


async def test_a_name_that_is_not_there_takes_as_long_as_a_wrong_password(
    application: Application, http: httpx2.AsyncClient
) -> None:
    await person(application)
    transport: Any = http._transport
    limits = transport.app.state.front_door.limits
    took: dict[str, list[float]] = {"mario": [], "nobody": []}
    for _ in range(4):
        for name, spans in took.items():
            began = time.perf_counter()
            assert (await log_in(http, name, "a wrong password")).status_code == 401
            spans.append(time.perf_counter() - began)
        limits.__init__()
    there, absent = (statistics.median(spans) for spans in took.values())
    assert 1 / 3 < there / absent < 3, took


async def test_five_failures_end_in_a_pause_for_the_account(
    application: Application, http: httpx2.AsyncClient
) -> None:
    await person(application)
    for _ in range(A_MINUTE):
        assert (await log_in(http, "mario", "a wrong password")).status_code == 401
    refused = await log_in(http)
    assert refused.status_code == 429
    assert 0 < int(refused.headers["retry-after"]) <= FIRST_PAUSE
    assert "Try again in" in refused.text
    assert "set-cookie" not in refused.headers


async def test_many_attempts_at_once_are_no_way_around_it(
    application: Application, http: httpx2.AsyncClient
) -> None:
    await person(application)
    answers = await asyncio.gather(*(log_in(http, "mario", f"wrong {n:020}") for n in range(15)))
    assert sum(a.status_code == 401 for a in answers) <= A_MINUTE + 1
    assert all(a.status_code in (401, 429) for a in answers)


def test_pauses_grow_and_end() -> None:
    now = 0.0
    limits = LoginLimits(lambda: now)
    seen = []
    for _ in range(7):
        for _ in range(A_MINUTE):
            limits.failed("mario", "10.0.0.1")
        with pytest.raises(TooManyRequestsError) as refused:
            limits.refuse("mario", "10.9.9.9")
        seen.append(refused.value.again)
        now += refused.value.again
        limits.refuse("mario", "10.9.9.9")
    assert seen == [60, 120, 240, 480, 900, 900, 900]
    assert max(seen) == LONGEST_PAUSE


def test_an_address_is_counted_over_all_accounts() -> None:
    limits = LoginLimits()
    for number in range(A_MINUTE):
        limits.failed(f"name-{number}", f"2001:db8::{number:x}")
    with pytest.raises(TooManyRequestsError):
        limits.refuse("another", "2001:db8::ffff")
    limits.refuse("another", "2001:db8:0:1::1")


def test_who_tries_from_elsewhere_does_not_lock_the_owner_out() -> None:
    limits = LoginLimits()
    limits.succeeded("mario", "10.0.0.1")
    for number in range(A_MINUTE):
        limits.failed("mario", f"10.6.6.{number}")
    with pytest.raises(TooManyRequestsError):
        limits.refuse("mario", "10.7.7.7")
    limits.refuse("mario", "10.0.0.1")


async def test_a_one_time_code_opens_once(
    application: Application, http: httpx2.AsyncClient
) -> None:
    codes = await person(application, codes=True)
    assert codes is not None
    code = pyotp.TOTP(codes.secret).now()
    assert (await log_in(http, code=f"{code[:3]} {code[3:]}")).status_code == 303
    http.cookies.clear()
    assert (await log_in(http, code=code)).status_code == 401
    assert (await log_in(http)).status_code == 401


async def test_a_code_of_the_half_minute_before_or_after_is_taken(
    application: Application, http: httpx2.AsyncClient
) -> None:
    codes = await person(application, codes=True)
    assert codes is not None
    totp, step = pyotp.TOTP(codes.secret), int(time.time()) // 30
    assert (await log_in(http, code=totp.at((step + 3) * 30))).status_code == 401
    assert (await log_in(http, code=totp.at((step - 3) * 30))).status_code == 401
    assert (await log_in(http, code=totp.at((step + 1) * 30))).status_code == 303
    assert (await log_in(http, code=totp.at(step * 30))).status_code == 401, "an older one"


async def test_secrets_of_codes_are_sealed_and_belong_to_one_person(
    application: Application,
) -> None:
    codes = await person(application, codes=True)
    await person(application, "anna", codes=True)
    mario, anna = [await application.gate.person(name) for name in ("mario", "anna")]
    assert codes is not None
    assert mario is not None
    assert anna is not None
    assert codes.secret not in mario.totp
    key = application.settings.data_dir / "keys" / "seal"
    assert key.stat().st_mode & 0o777 == 0o600
    assert operations.open_codes(application, mario) == codes.secret
    act = system_caller("test").act("test", "person/anna")
    await application.gate.change_person("anna", act, totp=mario.totp)
    moved = await application.gate.person("anna")
    assert moved is not None
    with pytest.raises(SealError):
        operations.open_codes(application, moved)


async def test_a_form_of_another_page_is_refused(
    application: Application, http: httpx2.AsyncClient
) -> None:
    await person(application)
    await log_in(http)
    refused = await http.post("/logout", data={"csrf": "guessed"})
    assert (refused.status_code, refused.json()["code"]) == (403, "csrf")
    refused = await http.post("/logout", data={})
    assert refused.status_code == 403
    assert (await http.get("/", headers=HTML)).status_code == 200, "still logged in"


async def test_the_forms_of_our_pages_hold_the_word(
    application: Application, http: httpx2.AsyncClient, engine: Application
) -> None:
    api = Caller(http)
    await api.store()
    run = await api.start()
    await api.asks(run, "san")
    await person(application, role=Role.RESPONDER)
    await log_in(http)
    csrf = await csrf_of(http)
    for path in (f"/runs/{run}", f"/runs/{run}/steps/san"):
        text = (await http.get(path, headers=HTML)).text
        assert text.count('method="post"') == text.count(f'name="csrf" value="{csrf}"') > 0
        assert f'<meta name="csrf" content="{csrf}">' in text
    without = await http.post(f"/runs/{run}/pause", data={"comment": "x"})
    assert without.json()["code"] == "csrf"


async def test_a_session_ends_at_the_log_out(
    application: Application, http: httpx2.AsyncClient
) -> None:
    await person(application)
    await log_in(http)
    cookie = http.cookies["drorch"]
    left = await http.post("/logout", data={"csrf": await csrf_of(http)}, headers=HTML)
    assert (left.status_code, left.headers["location"]) == (303, "/login")
    again = await http.get("/api/v1/runs", headers={"Cookie": f"drorch={cookie}"})
    assert again.status_code == 401
    found = await acts(application)
    assert found[:2] == [("session.end", "person:mario"), ("session.begin", "person:mario")]


async def test_each_log_in_gives_a_new_session(
    application: Application, http: httpx2.AsyncClient
) -> None:
    await person(application)
    await log_in(http)
    first = http.cookies["drorch"]
    http.cookies.set("drorch", "planted", domain="127.0.0.1", path="/")
    await log_in(http)
    assert http.cookies["drorch"] not in ("planted", first)
    assert await application.gate.session(session_hash("planted")) is None


@pytest.mark.parametrize(
    "change",
    [
        lambda app, by: operations.set_password(app, "mario", "another good password", by),
        lambda app, by: operations.set_role(app, "mario", Role.VIEWER, by),
        lambda app, by: operations.disable(app, "mario", by),
        lambda app, by: operations.set_codes(app, "mario", on=True, caller=by),
        lambda app, by: operations.remove(app, "mario", by),
    ],
    ids=["password", "role", "disabled", "codes", "removed"],
)
async def test_a_session_ends_when_the_person_changes(
    application: Application, http: httpx2.AsyncClient, change: Any
) -> None:
    await person(application, "anna", Role.ADMIN)
    await person(application)
    await log_in(http)
    assert (await http.get("/api/v1/runs")).status_code == 200
    await change(application, system_caller("test"))
    assert (await http.get("/api/v1/runs")).status_code == 401


@pytest.mark.parametrize(
    "aged",
    [{"seen": time.time() - IDLE - 1}, {"expires": time.time() - 1}],
    ids=["unused for two hours", "twelve hours old"],
)
async def test_a_session_ends_by_itself(
    application: Application, http: httpx2.AsyncClient, aged: dict[str, float]
) -> None:
    await person(application)
    await log_in(http)
    await application.store.writing(lambda c: c.execute(update(sessions_).values(**aged)).rowcount)
    assert (await http.get("/api/v1/runs")).status_code == 401
    assert (await http.get("/", headers=HTML)).headers["location"] == "/login?next=/"


async def test_the_session_has_the_role_of_its_person(
    application: Application, http: httpx2.AsyncClient
) -> None:
    await person(application, role=Role.VIEWER)
    await log_in(http)
    csrf = {"X-CSRF-Token": await csrf_of(http)}
    refused = await http.post("/api/v1/runs", json={"plan": "x", "mode": "simulate"}, headers=csrf)
    assert (refused.status_code, refused.json()["code"]) == (403, "not-allowed")


async def test_the_page_speaks_italian_to_who_asks_for_it(http: httpx2.AsyncClient) -> None:
    page = await http.get("/login", headers={**HTML, "Accept-Language": "it-IT,it;q=0.9,en;q=0.8"})
    assert '<html lang="it">' in page.text
    assert "Accedi" in page.text
    page = await http.get("/login", headers={**HTML, "Accept-Language": "de, it;q=0.2, en;q=0.5"})
    assert "Log in" in page.text


async def test_the_log_in_takes_a_form_alone(http: httpx2.AsyncClient) -> None:
    answer = await http.post("/login", json={"name": "mario", "password": PASSWORD})
    assert answer.status_code == 415
    answer = await http.post(
        "/login", data={"name": "m"}, headers={"Origin": "https://evil.example"}
    )
    assert (answer.status_code, answer.json()["code"]) == (403, "origin-refused")


async def test_an_open_service_says_so_on_its_pages(application: Application) -> None:
    async with calling(application) as http:
        assert "open: whoever reaches this page" in (await http.get("/", headers=HTML)).text

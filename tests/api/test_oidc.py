"""Logging in by an OpenID provider that has real keys, and lies in every way that matters."""

from __future__ import annotations

import html
import re
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx2
import pytest
from joserfc.jwk import RSAKey

from api import people as operations
from api.bootstrap import Application
from api.callers import system_caller
from api.entrance import look_at_entrance
from api.settings import OidcSettings, Settings
from drorch.access.roles import Role
from drorch.errors import ConfigurationError
from drorch.journal.ledger import entries
from tests.api.desk import calling
from tests.api.people import HTML, log_in, person
from tests.fakes.oidc_provider import (
    CLIENT,
    SECRET,
    OidcProvider,
    providing,
    signed_by_another,
    signed_with_our_secret,
    unsigned,
)


@pytest.fixture
async def provider() -> AsyncIterator[OidcProvider]:
    async with providing() as running:
        yield running


@pytest.fixture
def config(tmp_path: Path, provider: OidcProvider) -> Settings:
    secret = tmp_path / "secret"
    secret.write_text(SECRET + "\n")
    oidc = {
        "issuer": provider.issuer,
        "client_id": CLIENT,
        "client_secret": {"file": secret},
        "title": "Town ID",
        "allow": ["127.0.0.0/8"],
    }
    return Settings.model_validate({"data_dir": tmp_path / "data", "oidc": oidc})


@pytest.fixture
async def app(config: Settings) -> AsyncIterator[Application]:
    async with Application(config) as opened:
        by = system_caller("test")
        await operations.add_person(opened, "root", Role.ADMIN, None, with_codes=False, caller=by)
        yield opened


@pytest.fixture
async def http(app: Application) -> AsyncIterator[httpx2.AsyncClient]:
    async with calling(app) as client:
        yield client


async def linked(app: Application, provider: OidcProvider) -> None:
    by = system_caller("test")
    await operations.add_person(app, "mario", Role.OPERATOR, None, with_codes=False, caller=by)
    await operations.link(app, "mario", provider.sub, by)


async def begin(http: httpx2.AsyncClient, next_: str = "/plans") -> str:
    """Begin at our page, and return the address at the provider."""
    shown = await http.post("/login/oidc", data={"next": next_}, headers=HTML)
    assert shown.status_code == 200, shown.text
    found = re.search(r'http-equiv="refresh" content="0; url=([^"]+)"', shown.text)
    assert found is not None
    return html.unescape(found[1])


async def back(http: httpx2.AsyncClient, address: str) -> httpx2.Response:
    cross = {**HTML, "Sec-Fetch-Site": "cross-site"}
    return await http.get(address.replace("http://127.0.0.1:8140", ""), headers=cross)


def changed(address: str, **values: str | None) -> str:
    split = urlsplit(address)
    given = {name: found[0] for name, found in parse_qs(split.query).items()}
    told = {k: v for k, v in {**given, **values}.items() if v is not None}
    return split._replace(query=urlencode(told)).geturl()


async def refused(http: httpx2.AsyncClient, answer: httpx2.Response, told: str) -> None:
    assert answer.status_code == 401, answer.text
    assert told in html.unescape(answer.text)
    assert "drorch=" not in answer.headers.get("set-cookie", "").replace("drorch-oidc=", "")
    assert (await http.get("/api/v1/runs")).status_code == 401


@pytest.mark.parametrize("algorithm", ["RS256", "PS256", "ES256"])
async def test_somebody_who_is_linked_is_let_in(
    app: Application, http: httpx2.AsyncClient, provider: OidcProvider, algorithm: str
) -> None:
    await linked(app, provider)
    provider.algorithm = algorithm
    page = await http.get("/login", headers=HTML)
    assert "Log in with Town ID" in page.text
    answer = await back(http, provider.authorize(await begin(http)))
    assert (answer.status_code, answer.headers["location"]) == (303, "/plans")
    assert (await http.get("/api/v1/runs")).status_code == 200
    (_, entry, _), *_ = await app.store.reading(lambda c: entries(c, before=None, limit=1))
    assert (entry["action"], entry["after"]) == ("session.begin", {"by": "oidc"})
    assert entry["actor"]["identity"] == "person:mario"


async def test_a_provider_that_wants_the_secret_in_the_body_gets_it_there(
    app: Application, http: httpx2.AsyncClient, provider: OidcProvider
) -> None:
    await linked(app, provider)
    provider.auth_method = "client_secret_post"
    assert (await back(http, provider.authorize(await begin(http)))).status_code == 303


async def test_keys_that_were_changed_are_asked_for_anew(
    app: Application, http: httpx2.AsyncClient, provider: OidcProvider
) -> None:
    await linked(app, provider)
    assert (await back(http, provider.authorize(await begin(http)))).status_code == 303
    provider.rsa = RSAKey.generate_key(2048, {"kid": "r2"})
    assert (await back(http, provider.authorize(await begin(http)))).status_code == 303


async def test_an_unknown_subject_is_told_what_an_admin_needs(
    http: httpx2.AsyncClient, provider: OidcProvider
) -> None:
    provider.sub = "<b>somebody</b>"
    answer = await back(http, provider.authorize(await begin(http)))
    assert answer.status_code == 403
    assert "&lt;b&gt;somebody&lt;/b&gt;" in answer.text
    assert "drorch user link NAME --subject" in answer.text
    assert (await http.get("/api/v1/runs")).status_code == 401


async def test_a_mail_address_is_nobody(
    app: Application, http: httpx2.AsyncClient, provider: OidcProvider
) -> None:
    """Who may choose their mail address at the provider would be whoever they like."""
    await linked(app, provider)
    victim, provider.sub = provider.sub, "attacker"
    provider.bend = lambda claims: {**claims, "email": victim, "preferred_username": victim}
    assert (await back(http, provider.authorize(await begin(http)))).status_code == 403


async def test_somebody_disabled_stays_outside(
    app: Application, http: httpx2.AsyncClient, provider: OidcProvider
) -> None:
    await linked(app, provider)
    await operations.disable(app, "mario", system_caller("test"))
    assert (await back(http, provider.authorize(await begin(http)))).status_code == 403


LIES: dict[str, Any] = {
    "wrong nonce": lambda c: {**c, "nonce": "another"},
    "no nonce": lambda c: {k: v for k, v in c.items() if k != "nonce"},
    "wrong audience": lambda c: {**c, "aud": "another-client"},
    "ours among others, for another": lambda c: {**c, "aud": [CLIENT, "x"], "azp": "x"},
    "no audience": lambda c: {k: v for k, v in c.items() if k != "aud"},
    "wrong issuer": lambda c: {**c, "iss": "https://evil.example"},
    "no issuer": lambda c: {k: v for k, v in c.items() if k != "iss"},
    "expired": lambda c: {**c, "exp": int(time.time()) - 3600, "iat": int(time.time()) - 7200},
    "no expiry": lambda c: {k: v for k, v in c.items() if k != "exp"},
    "not yet": lambda c: {**c, "nbf": int(time.time()) + 3600},
    "no subject": lambda c: {k: v for k, v in c.items() if k != "sub"},
    "empty subject": lambda c: {**c, "sub": ""},
    "a list as subject": lambda c: {**c, "sub": ["mario-at-the-provider"]},
    "a number as subject": lambda c: {**c, "sub": 7},
    "an endless subject": lambda c: {**c, "sub": "x" * 5000},
}


@pytest.mark.parametrize("lie", LIES)
async def test_claims_that_do_not_hold_let_nobody_in(
    app: Application, http: httpx2.AsyncClient, provider: OidcProvider, lie: str
) -> None:
    await linked(app, provider)
    provider.bend = LIES[lie]
    answer = await back(http, provider.authorize(await begin(http)))
    await refused(http, answer, "the ID token does")


@pytest.mark.parametrize("sign", [unsigned, signed_by_another, signed_with_our_secret])
async def test_a_signature_that_is_not_the_providers_lets_nobody_in(
    app: Application, http: httpx2.AsyncClient, provider: OidcProvider, sign: Any
) -> None:
    await linked(app, provider)
    provider.sign = sign
    answer = await back(http, provider.authorize(await begin(http)))
    await refused(http, answer, "signature does not hold")


async def test_a_token_that_was_altered_lets_nobody_in(
    app: Application, http: httpx2.AsyncClient, provider: OidcProvider
) -> None:
    await linked(app, provider)
    for cut in (lambda t: t[:-6] + "AAAAAA", lambda t: t.rsplit(".", 1)[0], lambda _: "x.y.z"):
        provider.sign = None
        honest = provider.token

        def sign(claims: Any, cut: Any = cut, honest: Any = honest) -> str:
            provider.sign = None
            return str(cut(honest(claims)))

        provider.sign = sign
        answer = await back(http, provider.authorize(await begin(http)))
        await refused(http, answer, "signature does not hold")


async def test_without_the_state_that_we_gave_nobody_comes_in(
    app: Application, http: httpx2.AsyncClient, provider: OidcProvider
) -> None:
    await linked(app, provider)
    for state in (None, "", "guessed"):
        address = changed(provider.authorize(await begin(http)), state=state)
        await refused(http, await back(http, address), "another log-in")
    assert "POST /token" not in provider.asked


async def test_another_browser_cannot_be_made_to_log_in(
    app: Application, http: httpx2.AsyncClient, provider: OidcProvider
) -> None:
    """The attacker's own answer of the provider, put before a victim."""
    await linked(app, provider)
    address = provider.authorize(await begin(http))
    async with calling(app) as victim:
        await refused(victim, await back(victim, address), "did not begin a log-in here")
        await begin(victim)
        await refused(victim, await back(victim, address), "another log-in")


async def test_an_answer_counts_once(
    app: Application, http: httpx2.AsyncClient, provider: OidcProvider
) -> None:
    await linked(app, provider)
    address = provider.authorize(await begin(http))
    kept = http.cookies["drorch-oidc"]
    assert (await back(http, address)).status_code == 303
    assert "drorch-oidc" not in http.cookies
    http.cookies.clear()
    http.cookies.set("drorch-oidc", kept, domain="127.0.0.1", path="/")
    await refused(http, await back(http, address), "used before")


async def test_a_code_that_was_used_elsewhere_lets_nobody_in(
    app: Application, http: httpx2.AsyncClient, provider: OidcProvider
) -> None:
    await linked(app, provider)
    first = provider.authorize(await begin(http))
    code = parse_qs(urlsplit(first).query)["code"][0]
    assert (await back(http, first)).status_code == 303
    http.cookies.clear()
    second = changed(provider.authorize(await begin(http)), code=code)
    await refused(http, await back(http, second), "invalid_grant")


async def test_a_stolen_code_is_worth_nothing_without_its_verifier(
    app: Application, http: httpx2.AsyncClient, provider: OidcProvider
) -> None:
    await linked(app, provider)
    stolen = parse_qs(urlsplit(provider.authorize(await begin(http))).query)["code"][0]
    async with calling(app) as thief:
        address = changed(provider.authorize(await begin(thief)), code=stolen)
        await refused(thief, await back(thief, address), "invalid_grant")


async def test_an_answer_of_another_provider_is_refused(
    app: Application, http: httpx2.AsyncClient, provider: OidcProvider
) -> None:
    await linked(app, provider)
    address = changed(provider.authorize(await begin(http)), iss="https://evil.example")
    await refused(http, await back(http, address), "another provider")
    address = changed(provider.authorize(await begin(http)), code=None, error="access_denied")
    await refused(http, await back(http, address), "access_denied")


async def test_the_page_works_while_the_provider_is_away(
    app: Application, http: httpx2.AsyncClient, provider: OidcProvider
) -> None:
    provider.document_issuer = "https://another.example"
    shown = await http.post("/login/oidc", data={"next": "/"}, headers=HTML)
    assert shown.status_code == 503
    assert "calls itself" in shown.text
    app.settings.oidc.__dict__["issuer"] = "http://127.0.0.1:9"
    shown = await http.post("/login/oidc", data={"next": "/plans"}, headers=HTML)
    assert shown.status_code == 503
    assert "does not answer" in shown.text
    assert 'value="/plans"' in shown.text
    await person(app, "anna")
    assert (await log_in(http, "anna")).status_code == 303


async def test_the_way_on_is_our_own(
    app: Application, http: httpx2.AsyncClient, provider: OidcProvider
) -> None:
    await linked(app, provider)
    answer = await back(http, provider.authorize(await begin(http, "//evil.example")))
    assert answer.headers["location"] == "/"


async def test_networks_that_are_not_allowed_are_not_contacted(
    config: Settings, provider: OidcProvider
) -> None:
    assert config.oidc is not None
    narrow = config.oidc.model_copy(update={"allow": ("10.99.0.0/16",)})
    async with Application(config.model_copy(update={"oidc": narrow})) as app, calling(app) as http:
        await linked(app, provider)
        shown = await http.post("/login/oidc", data={"next": "/"}, headers=HTML)
        assert shown.status_code == 503
        assert "not contacted" in shown.text
    assert provider.asked == []


async def test_it_is_never_the_only_way_in(config: Settings, provider: OidcProvider) -> None:
    async with Application(config) as app:
        assert "runs open" in await look_at_entrance(app)
        await linked(app, provider)
        with pytest.raises(ConfigurationError, match="nobody could log in"):
            await look_at_entrance(app)
        await person(app, "root", Role.ADMIN)
        assert await look_at_entrance(app) == ""


@pytest.mark.parametrize(
    "issuer", ["http://id.example", "ftp://127.0.0.1", "https://", "https://x@id.example", "id"]
)
def test_an_issuer_is_asked_over_tls(issuer: str) -> None:
    with pytest.raises(ValueError, match="issuer"):
        OidcSettings.model_validate(
            {"issuer": issuer, "client_id": "x", "client_secret": {"env": "X"}}
        )

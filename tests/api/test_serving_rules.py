"""What `drorch serve` refuses, the names it answers under, and whom it believes."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx2
import pytest
import structlog
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.types import Receive, Scope, Send

from api.routes.guard import Guard
from api.serving_rules import HostNames, Peers, is_exposed, refuse_unsafe, tls_files
from api.serving_tls import ServingTls, context_of, renew_if_due
from api.settings import ServerSettings, Settings, load_settings
from api.tls import OwnTls, now
from drorch.errors import ConfigurationError

OLD = datetime(2026, 1, 1, tzinfo=UTC)
NAMES = ("drorch.comune.example", "10.1.0.9", "localhost")


def at(folder: Path, **server: Any) -> Settings:
    return Settings(data_dir=folder, server=server)


def made(folder: Path, *names: str) -> OwnTls:
    own = OwnTls.of(folder)
    own.make(names or NAMES, OLD)
    return own


BEYOND = ["0.0.0.0", "10.0.0.1", "::", "drorch.example", ""]


@pytest.mark.parametrize("host", BEYOND)
def test_any_address_but_loopback_needs_tls_or_a_proxy(tmp_path: Path, host: str) -> None:
    with pytest.raises(ConfigurationError, match="no TLS") as told:
        refuse_unsafe(at(tmp_path, host=host))
    for way in ("drorch tls init", "tls_cert", "trusted_proxy", "ssh -L"):
        assert way in told.value.hint
    refuse_unsafe(at(tmp_path, host=host, trusted_proxy=["10.1.0.5"]))
    refuse_unsafe(at(tmp_path, host=host, tls_cert="c.pem", tls_key="k.pem"))
    made(tmp_path)
    refuse_unsafe(at(tmp_path, host=host))


@pytest.mark.parametrize("host", ["127.0.0.1", "127.9.9.9", "::1", "localhost"])
def test_loopback_needs_nothing(tmp_path: Path, host: str) -> None:
    refuse_unsafe(at(tmp_path, host=host))


def test_a_proxy_makes_loopback_exposed(tmp_path: Path) -> None:
    assert not is_exposed(at(tmp_path))
    assert is_exposed(at(tmp_path, trusted_proxy=["127.0.0.1"]))
    assert is_exposed(at(tmp_path, host="0.0.0.0"))


def test_a_given_certificate_goes_before_the_own_one(tmp_path: Path) -> None:
    assert tls_files(at(tmp_path)) is None
    own = made(tmp_path)
    found = tls_files(at(tmp_path))
    assert found is not None and found.certificate == own.server
    given = tls_files(at(tmp_path, tls_cert="/c.pem", tls_key="/k.pem"))
    assert given is not None and str(given.key) == "/k.pem"


@pytest.mark.parametrize(
    ("server", "words"),
    [
        ('tls_cert = "c.pem"', "belong together"),
        ('trusted_proxy = ["proxy.example"]', "no address or network"),
        ('trusted_proxy = ["*"]', "no address or network"),
        ('trusted_proxy = ["0.0.0.0/0"]', "everybody"),
        ('names = ["https://drorch.example"]', "no host name"),
        ('names = ["*.example"]', "no host name"),
    ],
)
def test_wrong_settings_are_told(tmp_path: Path, server: str, words: str) -> None:
    path = tmp_path / "drorch.toml"
    path.write_text(f"[server]\n{server}\n")
    with pytest.raises(ConfigurationError, match=words):
        load_settings(path, {})


def test_lists_can_come_from_the_environment(tmp_path: Path) -> None:
    path = tmp_path / "drorch.toml"
    path.write_text("")
    environ = {
        "DRORCH_SERVER__TRUSTED_PROXY": "10.1.0.5, fd00::/64",
        "DRORCH_SERVER__NAMES": "Drorch.Example",
    }
    server = load_settings(path, environ).server
    assert server.trusted_proxy == ("10.1.0.5", "fd00::/64")
    assert server.names == ("drorch.example",)


def test_names_come_from_settings_and_certificate(tmp_path: Path) -> None:
    names = HostNames(at(tmp_path, host="10.1.0.7", names=["Alias.example"]))
    assert set(names) == {"localhost", "127.0.0.1", "::1", "10.1.0.7", "alias.example"}
    made(tmp_path)
    assert "drorch.comune.example" not in names
    names.read_again()
    assert set(NAMES) <= set(names)
    assert "0.0.0.0" not in HostNames(at(tmp_path, host="0.0.0.0"))


@pytest.mark.parametrize(
    ("peer", "expected"),
    [
        ("10.1.0.5", True),
        ("10.2.3.4", True),
        ("fd00::5", True),
        ("127.0.0.1", True),
        ("10.1.0.9", True),
        ("10.1.0.6", False),
        ("", False),
        ("proxy", False),
    ],
)
def test_without_tls_only_proxies_and_this_machine_ask(peer: str, expected: bool) -> None:
    proxies = ("10.1.0.5", "10.2.0.0/16", "fd00::/64")
    peers = Peers(ServerSettings(trusted_proxy=proxies))
    assert peers.may_ask(peer, "10.1.0.9") is expected


async def told_back(scope: Scope, receive: Receive, send: Send) -> None:
    told = {"client": scope["client"][0], "scheme": Request(scope).url.scheme}
    await JSONResponse(told)(scope, receive, send)


PROXIED = ServerSettings(trusted_proxy=("10.1.0.5",))


async def ask(
    peer: str,
    headers: Mapping[str, str],
    *,
    base: str = "http://drorch.comune.example",
    method: str = "GET",
) -> httpx2.Response:
    app = Guard(told_back, names=NAMES, server=PROXIED)
    transport = httpx2.ASGITransport(app, client=(peer, 4711))
    async with httpx2.AsyncClient(transport=transport, base_url=base) as client:
        return await client.request(method, "/", headers=headers)


FORWARDED = {"X-Forwarded-For": "198.51.100.7", "X-Forwarded-Proto": "https"}


async def test_the_proxy_is_believed_about_who_asks() -> None:
    answer = await ask("10.1.0.5", FORWARDED)
    assert answer.json() == {"client": "198.51.100.7", "scheme": "https"}
    assert "max-age=31536000" in answer.headers["strict-transport-security"]


async def test_what_a_client_made_up_before_the_proxy_does_not_count() -> None:
    forged = {**FORWARDED, "X-Forwarded-For": "127.0.0.1, 198.51.100.7"}
    assert (await ask("10.1.0.5", forged)).json()["client"] == "198.51.100.7"


@pytest.mark.parametrize("peer", ["127.0.0.1", "10.1.0.6"])
async def test_nobody_else_is_believed(peer: str) -> None:
    answer = await ask(peer, FORWARDED, base="https://drorch.comune.example")
    assert answer.json()["client"] == peer
    plain = await ask("127.0.0.1", FORWARDED)
    assert plain.json() == {"client": "127.0.0.1", "scheme": "http"}
    assert "strict-transport-security" not in plain.headers


async def test_nobody_gets_past_the_proxy_in_the_clear() -> None:
    answer = await ask("10.1.0.6", FORWARDED)
    assert answer.status_code == 403
    assert "past the proxy" in answer.json()["detail"]
    assert answer.headers["x-frame-options"] == "DENY"


@pytest.mark.parametrize(
    ("origin", "status"),
    [
        ("https://drorch.comune.example", 200),
        ("http://drorch.comune.example", 403),
        ("https://evil.example", 403),
        ("null", 403),
    ],
)
async def test_the_origin_has_the_scheme_that_the_browser_used(origin: str, status: int) -> None:
    headers = {**FORWARDED, "Origin": origin}
    assert (await ask("10.1.0.5", headers, method="POST")).status_code == status
    direct = await ask(
        "10.7.7.7", {"Origin": origin}, base="https://drorch.comune.example", method="POST"
    )
    assert direct.status_code == status


@pytest.mark.parametrize("host", ["evil.example", "drorch.comune.example.evil.example", "10.1.0.5"])
async def test_an_unknown_name_is_refused_by_tls_and_proxy_too(host: str) -> None:
    for base in (f"https://{host}", f"http://{host}"):
        answer = await ask("10.1.0.5", FORWARDED, base=base)
        assert answer.json()["code"] == "host-refused"


async def test_loopback_names_are_not_bound_to_tls() -> None:
    """Other services of this machine share the name localhost, and speak plain HTTP."""
    answer = await ask("127.0.0.1", {}, base="https://localhost:8140")
    assert answer.status_code == 200
    assert "strict-transport-security" not in answer.headers


@pytest.fixture
def serving(tmp_path: Path) -> tuple[OwnTls, ServingTls]:
    own = made(tmp_path)
    files = tls_files(at(tmp_path))
    assert files is not None
    return own, ServingTls(files)


def shown_by(tls: ServingTls, name: str | None = None) -> bytes:
    """Return the certificate that a client is shown."""
    asking = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    asking.check_hostname = False
    asking.verify_mode = ssl.CERT_NONE
    there, back = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = asking.wrap_bio(back, there, server_hostname=name)
    peer = tls.context.wrap_bio(there, back, server_side=True)
    for _ in range(4):
        for side in (client, peer):
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                continue
    return client.getpeercert(True) or b""


@pytest.mark.parametrize("name", [None, "localhost"])
def test_a_renewed_certificate_is_taken_over(
    serving: tuple[OwnTls, ServingTls], name: str | None
) -> None:
    own, tls = serving
    before = shown_by(tls, name)
    assert tls.look_again() is False
    own.renew(OLD)
    assert shown_by(tls, name) == before
    assert tls.look_again() is True
    assert shown_by(tls, name) != before
    assert tls.look_again() is False


def test_a_broken_file_changes_nothing(serving: tuple[OwnTls, ServingTls]) -> None:
    own, tls = serving
    before = shown_by(tls)
    whole = own.server.read_bytes()
    own.server.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ConfigurationError, match="TLS cannot be done"):
        tls.look_again()
    own.server.unlink()
    with pytest.raises(ConfigurationError):
        tls.look_again()
    assert shown_by(tls) == before
    own.make(NAMES, OLD, force=True)
    assert tls.look_again() is True
    assert shown_by(tls) != before


def test_a_pair_that_does_not_fit_is_told(tmp_path: Path) -> None:
    one, other = made(tmp_path / "one"), made(tmp_path / "other")
    given = at(tmp_path, tls_cert=str(one.authority), tls_key=str(other.server))
    files = tls_files(given)
    assert files is not None
    with pytest.raises(ConfigurationError, match="TLS cannot be done"):
        context_of(files)


def test_the_service_renews_its_own_and_nobody_elses(tmp_path: Path) -> None:
    own = OwnTls.of(tmp_path)
    own.make(NAMES, now() - timedelta(days=300))
    before = own.server.read_bytes()
    renew_if_due(at(tmp_path, tls_cert=str(own.server), tls_key=str(own.server)))
    assert own.server.read_bytes() == before
    renew_if_due(at(tmp_path))
    assert own.server.read_bytes() != before


@pytest.mark.parametrize(("age", "is_told"), [(300, False), (350, True), (400, True)])
def test_a_given_certificate_that_ends_soon_is_told(
    tmp_path: Path, age: int, is_told: bool
) -> None:
    own = OwnTls.of(tmp_path)
    own.make(NAMES, now() - timedelta(days=age))
    with structlog.testing.capture_logs() as told:
        renew_if_due(at(tmp_path, tls_cert=str(own.server), tls_key=str(own.server)))
    assert [line["event"] for line in told] == ["certificate.ends_soon"] * is_told


def test_what_cannot_be_renewed_goes_on(tmp_path: Path) -> None:
    own = OwnTls.of(tmp_path)
    own.make(NAMES, now() - timedelta(days=300))
    own.authority_key.unlink()
    before = own.server.read_bytes()
    with structlog.testing.capture_logs() as told:
        renew_if_due(at(tmp_path))
    assert [line["event"] for line in told] == ["certificate.not_renewed"]
    assert own.server.read_bytes() == before

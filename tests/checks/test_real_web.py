"""``http`` and ``tls`` against a real nginx, ``smtp`` against aiosmtpd."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from connectors.checks.prober import Checks
from drorch.ports.check import Verdict
from tests.checks.asking import ask, prober
from tests.checks.certificates import NAME, Authority
from tests.checks.serving import accepts, free_port, running
from tests.lab_gate import need, need_module

CONF = """
daemon off; pid {folder}/pid; error_log {folder}/error.log; worker_processes 1; {user}
events {{}}
http {{
  access_log off;
  client_body_temp_path {folder}/b; proxy_temp_path {folder}/p; fastcgi_temp_path {folder}/f;
  uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
  server {{
    listen 127.0.0.1:{plain};
    location /health {{ return 200 "all is well"; }}
    location /down {{ return 503 "database is away\\n\\x1b[31m"; }}
    location /moved {{ return 301 /health; }}
    location /away {{ return 302 http://10.99.99.99/; }}
    location /who {{ return 200 "$request_method $http_x_probe $host"; }}
    location /big {{ root {folder}; }}
  }}
{tls}
}}
"""
TLS = """
  server {{ listen 127.0.0.1:{port} ssl; ssl_certificate {pair.certificate};
    ssl_certificate_key {pair.key}; location / {{ return 200 "all is well"; }} }}
"""


@dataclass(frozen=True)
class Web:
    plain: int
    good: int
    short: int
    expired: int

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.plain}{path}"


@pytest.fixture(scope="module")
def web(room: Callable[[str], Path], authority: Authority) -> Iterator[Web]:
    nginx = need("nginx", why="web server", install="apt-get install nginx-light")
    folder, web = room("nginx"), Web(free_port(), free_port(), free_port(), free_port())
    with (folder / "big").open("wb") as big:
        big.truncate(200_000_000)
    tls = (
        TLS.format(port=web.good, pair=authority.issue("good", days=60))
        + TLS.format(port=web.short, pair=authority.issue("short", days=3))
        + TLS.format(port=web.expired, pair=authority.issue("expired", days=-1))
    )
    user = "user root;" if folder.owner() == "root" else ""
    conf = folder / "nginx.conf"
    conf.write_text(CONF.format(folder=folder, plain=web.plain, tls=tls, user=user))
    with running([nginx, "-p", folder, "-c", conf], folder=folder, ready=accepts(web.expired)):
        yield web


@pytest.fixture
def trusting(authority: Authority) -> Checks:
    return prober(authorities={"comune-ca": authority.path})


@pytest.mark.parametrize(
    "params",
    [
        {"path": "/health"},
        {"path": "/health", "status": [200, 204], "contains": "is well"},
        {"path": "/down", "status": [503]},
        {"path": "/moved", "contains": "well"},
        {"path": "/away", "status": [302]},
        {"path": "/health", "method": "HEAD"},
        {"path": "/who", "headers": {"X-Probe": "yes"}, "contains": "GET yes"},
        {"path": "/big"},
    ],
)
async def test_http_is_well(web: Web, params: dict[str, Any]) -> None:
    path = params["path"]
    result = await ask("http", {**params, "url": web.url(path)})
    assert result.healthy, result


@pytest.mark.parametrize(
    ("params", "words"),
    [
        ({"path": "/down"}, "503 Service Temporarily Unavailable, wanted 2xx; body starts"),
        ({"path": "/down", "status": [200]}, "wanted 200"),
        ({"path": "/health", "contains": "ok"}, "'ok' is not in the first 11 bytes"),
        ({"path": "/health", "status": [204]}, "200 OK, wanted 204"),
        ({"path": "/away"}, "not followed"),
        ({"path": "/nowhere"}, "404 Not Found"),
        ({"path": "/big", "contains": "ok"}, "in the first 1048576 bytes"),
    ],
)
async def test_http_that_answers_otherwise_is_unwell(
    web: Web, params: dict[str, Any], words: str
) -> None:
    result = await ask("http", {**params, "url": web.url(params["path"])})
    assert result.verdict is Verdict.UNWELL
    assert words in result.evidence


async def test_https_believes_the_named_authority_alone(web: Web, trusting: Checks) -> None:
    url = f"https://127.0.0.1:{web.good}/"
    good = await ask("http", {"url": url, "ca": "comune-ca", "contains": "well"}, using=trusting)
    assert good.healthy, good
    stranger = await ask("http", {"url": url}, using=trusting)
    assert stranger.verdict is Verdict.UNWELL
    assert "TLS" in stranger.evidence
    asked_for = await ask("http", {"url": url, "verify": False}, using=trusting)
    assert asked_for.healthy, asked_for
    wrong_name = {"url": f"https://localhost:{web.good}/", "ca": "comune-ca"}
    other = await ask("http", wrong_name, using=trusting)
    assert other.verdict is Verdict.UNWELL
    assert "localhost" in other.evidence


async def test_tls(web: Web, trusting: Checks) -> None:
    params = {"host": "127.0.0.1", "port": web.good, "ca": "comune-ca", "min_days": 30}
    for more in ({}, {"server_name": NAME}):
        result = await ask("tls", {**params, **more}, using=trusting)
        assert result.healthy, result
        assert "days" in result.evidence


@pytest.mark.parametrize(
    ("server", "more", "words"),
    [
        ("good", {"min_days": 90}, "wanted at least 90"),
        ("short", {"min_days": 14}, "wanted at least 14"),
        ("good", {"server_name": "other.lab.test"}, "other.lab.test"),
        ("expired", {}, "expired"),
        ("good", {"ca": None}, "local issuer"),
        ("plain", {}, "speaks no TLS"),
    ],
)
async def test_tls_that_is_not_right_is_unwell(
    web: Web, trusting: Checks, server: str, more: dict[str, Any], words: str
) -> None:
    params = {"host": "127.0.0.1", "port": getattr(web, server), "ca": "comune-ca", **more}
    result = await ask("tls", params, using=trusting)
    assert result.verdict is Verdict.UNWELL
    assert words in result.evidence


@contextlib.asynccontextmanager
async def mail(context: ssl.SSLContext | None) -> AsyncIterator[int]:
    need_module("aiosmtpd", why="mail server", install="pip install aiosmtpd")
    from aiosmtpd.smtp import SMTP

    loop = asyncio.get_running_loop()
    server = await loop.create_server(
        lambda: SMTP(object(), hostname="mail.lab.test", tls_context=context, loop=loop),
        "127.0.0.1",
        0,
    )
    async with server:
        yield int(server.sockets[0].getsockname()[1])


@pytest.fixture
def identity(authority: Authority) -> ssl.SSLContext:
    pair = authority.issue("mail", days=30)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(pair.certificate, pair.key)
    return context


async def test_smtp(identity: ssl.SSLContext, trusting: Checks) -> None:
    async with mail(identity) as port:
        params = {"host": "127.0.0.1", "port": port}
        plain = await ask("smtp", params)
        blind = await ask("smtp", {**params, "starttls": True})
        verified = await ask(
            "smtp", {**params, "starttls": True, "ca": "comune-ca"}, using=trusting
        )
    assert plain.healthy, plain
    assert "220 mail.lab.test" in plain.evidence
    assert blind.healthy, blind
    assert "not verified" in blind.evidence
    assert verified.healthy, verified
    assert "TLS verified" in verified.evidence


async def test_smtp_without_starttls_is_unwell_when_it_is_wanted() -> None:
    async with mail(None) as port:
        result = await ask("smtp", {"host": "127.0.0.1", "port": port, "starttls": True})
    assert result.verdict is Verdict.UNWELL
    assert "not offered" in result.evidence

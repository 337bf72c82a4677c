"""Without authentication: this machine, under its own name, from its own pages."""

from __future__ import annotations

import httpx2
import pytest
from starlette.datastructures import Headers

from api.routes.guard import refused
from tests.api.desk import YAML


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1:8140", "127.0.0.1", "localhost:9", "LOCALHOST", "[::1]:8140", "[::1]"],
)
async def test_loopback_names_are_served(http: httpx2.AsyncClient, host: str) -> None:
    assert (await http.get("/healthz", headers={"Host": host})).status_code == 200


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.example:8140",
        "127.0.0.1.evil.example",
        "localhost.evil.example:8140",
        "10.0.0.1:8140",
        "0.0.0.0:8140",
        "127.0.0.1:8140@evil.example",
        "[::1",
        "localhost:",
        "",
    ],
)
async def test_any_other_name_is_refused(http: httpx2.AsyncClient, host: str) -> None:
    answer = await http.get("/", headers={"Host": host})
    assert answer.status_code == 403
    assert answer.json()["type"] == "/problems/host-refused"
    assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]


def test_two_host_headers_or_none_are_refused() -> None:
    twice = Headers(raw=[(b"host", b"127.0.0.1"), (b"host", b"evil.example")])
    assert refused("GET", twice) is not None
    assert refused("GET", Headers()) is not None


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": "https://127.0.0.1:8140"},
        {"Origin": "http://127.0.0.1:8141"},
        {"Origin": "http://localhost:8140"},
        {"Origin": "http://[bad"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site", "Origin": "http://127.0.0.1:8140"},
    ],
)
async def test_another_site_changes_nothing(
    http: httpx2.AsyncClient, headers: dict[str, str]
) -> None:
    for method, path in [("POST", "/api/v1/plans"), ("DELETE", "/api/v1/holds/sim/1")]:
        answer = await http.request(method, path, headers={**YAML, **headers})
        assert answer.status_code == 403
        assert answer.json()["code"] == "origin-refused"


async def test_our_own_pages_and_programs_may(http: httpx2.AsyncClient) -> None:
    own = {"Origin": "http://127.0.0.1:8140", "Sec-Fetch-Site": "same-origin"}
    for headers in (own, {}):
        answer = await http.post(
            "/api/v1/plans/validate", content="plan: x", headers={**YAML, **headers}
        )
        assert answer.json()["code"] == "invalid-plan"


async def test_every_answer_is_hardened(http: httpx2.AsyncClient) -> None:
    for path in ("/", "/static/style.css", "/api/v1/runs", "/nothing"):
        headers = (await http.get(path)).headers
        assert headers["content-security-policy"].startswith(
            "default-src 'none'; script-src 'self'"
        )
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["x-frame-options"] == "DENY"
        # "no-referrer" would make browsers send "Origin: null" with our own forms
        assert headers["referrer-policy"] == "same-origin"
        assert headers["x-request-id"]

"""Checks: what their short and long forms become."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from drorch.model.plan import CheckSpec
from plans.language.kinds import KINDS
from tests.unit.plans.sources import problems, step

DATABASE: dict[str, Any] = {
    "database": None,
    "user": None,
    "secret": None,
    "query": None,
    "expect": None,
}
HTTP: dict[str, Any] = {
    "method": "GET",
    "status": [200],
    "contains": None,
    "headers": {},
    "ca": None,
    "verify": True,
}
FORMS: list[tuple[str, str, dict[str, Any]]] = [
    ("tcp: 10.1.0.10:389", "tcp 10.1.0.10:389", {"host": "10.1.0.10", "port": 389}),
    ("tcp: '[::1]:389'", "tcp [::1]:389", {"host": "::1", "port": 389}),
    ("tcp: {host: '::1', port: 1}", "tcp [::1]:1", {"host": "::1", "port": 1}),
    ("tcp: {host: '[::1]', port: 1}", "tcp [::1]:1", {"host": "::1", "port": 1}),
    ("http: http://a/", "http http://a/", HTTP | {"url": "http://a/"}),
    (
        "http: {url: https://a/, status: [200, 302], headers: {A: 1}, verify: false, ca: own}",
        "http https://a/",
        HTTP
        | {
            "url": "https://a/",
            "status": [200, 302],
            "headers": {"A": "1"},
            "verify": False,
            "ca": "own",
        },
    ),
    (
        "http: {url: https://a/, status: 204, method: HEAD, contains: 1}",
        "http https://a/",
        HTTP | {"url": "https://a/", "status": [204], "method": "HEAD", "contains": "1"},
    ),
    (
        "dns: {server: 10.1.0.1, name: a.example}",
        "dns a.example A at 10.1.0.1",
        {"server": "10.1.0.1", "port": 53, "name": "a.example", "type": "A", "expect": None},
    ),
    (
        "dns: {server: n.example, name: b, type: MX, expect: x, port: 5}",
        "dns b MX at n.example",
        {"server": "n.example", "port": 5, "name": "b", "type": "MX", "expect": ["x"]},
    ),
    (
        "tls: h",
        "tls h:443",
        {"host": "h", "port": 443, "server_name": None, "min_days": 7, "ca": None},
    ),
    ("icmp: 10.1.0.1", "icmp 10.1.0.1", {"host": "10.1.0.1"}),
    ("ldap: h", "ldap h:389", {"host": "h", "port": 389, "base": None, "tls": False}),
    (
        "ldap: {host: h, tls: true}",
        "ldap h:636",
        {"host": "h", "port": 636, "base": None, "tls": True},
    ),
    ("ldap: h:390", "ldap h:390", {"host": "h", "port": 390, "base": None, "tls": False}),
    ("smtp: h", "smtp h:25", {"host": "h", "port": 25, "starttls": False}),
    ("ssh: h", "ssh h:22", {"host": "h", "port": 22, "contains": None}),
    ("postgres: h", "postgres h:5432", DATABASE | {"host": "h", "port": 5432}),
    ("mysql: h:3307", "mysql h:3307", DATABASE | {"host": "h", "port": 3307}),
    (
        "postgres: {host: h, database: d, user: u, secret: s, query: select 1, expect: 1}",
        "postgres h:5432/d",
        {
            "host": "h",
            "port": 5432,
            "database": "d",
            "user": "u",
            "secret": "s",
            "query": "select 1",
            "expect": "1",
        },
    ),
    ("redis: h", "redis h:6379", {"host": "h", "port": 6379, "secret": None}),
    ("ntp: h", "ntp h:123", {"host": "h", "port": 123, "max_offset": 5.0}),
    (
        "ntp: {host: h, max_offset: 500ms}",
        "ntp h:123",
        {"host": "h", "port": 123, "max_offset": 0.5},
    ),
    (
        "smb: h",
        "smb h:445",
        {"host": "h", "port": 445, "share": None, "user": None, "secret": None},
    ),
    ("agent: {}", "agent", {}),
    ("callout: {name: state}", "callout state", {"name": "state", "with": {}}),
    (
        "callout: {name: state, with: {n: 1}}",
        "callout state",
        {"name": "state", "with": {"n": "1"}},
    ),
]


def check(written: str) -> CheckSpec:
    return step(f"vm: 1, verify: [{{{written}}}]").verify[0]


@pytest.mark.parametrize(("written", "name", "params"), FORMS, ids=[form[0] for form in FORMS])
def test_params_are_complete_and_typed(written: str, name: str, params: dict[str, Any]) -> None:
    found = check(written)
    assert (found.kind, found.name) == (written.partition(":")[0], name)
    assert found.params == params
    assert (found.timeout, found.interval) == (timedelta(seconds=5), timedelta(seconds=2))
    assert found.stable is None


def test_every_kind_is_tried_here() -> None:
    assert {written.partition(":")[0] for written, _, _ in FORMS} == set(KINDS)


def test_common_keys_stand_inside_or_beside() -> None:
    inside = check("tcp: {host: h, port: 1, name: X, timeout: 1s, interval: 3s, stable: 0s}")
    beside = check("tcp: 'h:1', name: X, timeout: 1s, interval: 3s, stable: 0s")
    assert inside == beside
    assert (inside.name, inside.timeout, inside.stable) == (
        "X",
        timedelta(seconds=1),
        timedelta(0),
    )


def test_a_name_to_look_up_is_not_the_name_of_the_check() -> None:
    found = check("dns: {server: s, name: b.example, timeout: 1s}, name: The zone")
    assert (found.name, found.params["name"]) == ("The zone", "b.example")


def test_names_are_unique_in_a_step() -> None:
    found = step("vm: 1, verify: [{icmp: a}, {icmp: a}, {icmp: a}, {icmp: b, name: icmp a}]")
    assert [c.name for c in found.verify] == ["icmp a", "icmp a #2", "icmp a #3", "icmp a #4"]


@pytest.mark.parametrize(
    "host", ["", "-a", "a_b..c", "10.1.0", "256.1.1.1", "a b", "[a]", "[10.0.0.1]", "::zz", "a/b"]
)
def test_hosts_that_are_none(host: str) -> None:
    body = f"steps: {{tried: {{vm: 1, verify: [{{icmp: '{host}'}}]}}}}\n"
    assert [line.split()[1] for line in problems(body)] == ["bad-address"]


@pytest.mark.parametrize("host", ["a", "a-b.example", "_x.example.", "10.0.0.1", "fe80::1", "A.B"])
def test_hosts(host: str) -> None:
    assert check(f"icmp: '{host}'").params == {"host": host}


@pytest.mark.parametrize(
    "url",
    ["http://", "http://a:0/", "http://a:99999/", "http://[::zz]/", "http://a b/", "//a/", "a", ""],
)
def test_urls_that_are_none(url: str) -> None:
    body = f"steps: {{tried: {{vm: 1, verify: [{{http: '{url}'}}]}}}}\n"
    assert [line.split()[1] for line in problems(body)] == ["bad-address"]

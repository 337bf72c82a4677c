"""A callout on paper: what a person can type, and nothing that the configuration keeps secret."""

from __future__ import annotations

from typing import Any

import pytest

from api.runbook.callouts import callout_by_hand
from api.runbook.checks import Around
from api.runbook.contents import runbook
from api.runbook.page import as_html
from api.runbook.text import as_text
from connectors.secrets import SecretRef
from tests.fakes.plans import callout, plan
from tests.fakes.script import T0

SECRET = "Tr0ub4dor-and-3"
TELEGRAM = "https://api.telegram.example/bot110201543:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw/send"
SLACK = "https://hooks.slack.example/services/T00000000/B00000000/XXXXXXXXXXXXXXXXXXXXXXXX"
LEAKS: list[tuple[list[str], str]] = [
    (["--token", SECRET], SECRET),
    (["--pass=def456"], "def456"),
    (["--password=plainword"], "plainword"),
    (["--api-key", "plainword"], "plainword"),
    (["-p", "plainword"], "plainword"),
    (["-pplainword"], "plainword"),
    (["-psecret"], "ecret"),
    (["-u", "root:hunter"], "hunter"),
    (["-H", "Authorization: Token plainword"], "plainword"),
    (["--header", "Authorization: plainword"], "plainword"),
    (["-H", "X-Api-Key: plainword"], "plainword"),
    (["Authorization: plainword"], "plainword"),
    (["-H", "Authorization: Bearer {zone}plainword"], "plainword"),
    (["https://user:plainword@10.1.0.53/zones"], "plainword"),
    (["https://10.1.0.53/zones?key=plainword&zone={zone}"], "plainword"),
    (["https://10.1.0.53/zones#plainword"], "plainword"),
    ([TELEGRAM], "AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw"),
    (["--url", SLACK], "XXXXXXXXXXXXXXXXXXXXXXXX"),
    ([SLACK], "T00000000"),
    (["PGPASSWORD=plainword", "psql"], "plainword"),
    (["DNS_TOKEN=plainword"], "plainword"),
    (["--data", '{"token": "plainword"}'], "plainword"),
    (['{"token": "plainword"}'], "plainword"),
    (["-c", "curl -H 'Authorization: plainword' https://10.1.0.53"], "plainword"),
    ([SECRET], SECRET),
    (["hunter2"], "hunter2"),
    (["9f86d081884c7d659a2feaa0c55ad015"], "9f86d081"),
    (["drt_a1b2c3"], "a1b2c3"),
    (["root:plainword@10.1.0.53"], "plainword"),
    (["prefix{zone}" + SECRET], SECRET),
]


def told(words: list[str], **more: Any) -> str:
    table = {"dns": {"command": ["/usr/local/bin/reset-dns", *words], **more}}
    return callout_by_hand("dns", {"zone": "comune.example"}, table)


@pytest.mark.parametrize(("words", "secret"), LEAKS)
def test_a_secret_in_a_command_is_not_printed(words: list[str], secret: str) -> None:
    assert any(secret in word for word in words), "the test would see it"
    line = told(words)
    assert secret not in line
    assert line.startswith("/usr/local/bin/reset-dns ")
    assert "***" in line
    assert line.endswith("  # ***: [callouts.dns]"), "where it stands is told"


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["{zone}"], "comune.example"),
        (["--zone", "{zone}", "--server", "10.1.0.53"], "--zone comune.example --server 10.1.0.53"),
        (["--zone={zone}"], "--zone=comune.example"),
        (["restart", "bind9", "named.service"], "restart bind9 named.service"),
        (["-v", "-xzf", "/srv/zones/db.{zone}"], "-v -xzf /srv/zones/db.comune.example"),
        (["ns1.comune.example:8053", "10.1.0.0/24", "fd00::1"], "ns1.comune.example:8053 10.1.0.0/24 fd00::1"),
        (["https://10.1.0.53:8443/zones/{zone}"], "https://10.1.0.53:8443/zones/comune.example"),
        (["admin@10.1.0.53", "-n", "5", "--", "reload"], "admin@10.1.0.53 -n 5 -- reload"),
        (["mode=full"], "mode=full"),
    ],
)  # fmt: skip
def test_what_a_person_needs_is_printed(words: list[str], line: str) -> None:
    assert told(words) == f"/usr/local/bin/reset-dns {line}"


def test_what_the_plan_gives_is_quoted() -> None:
    table = {"c": {"command": ["/bin/x", "{zone}"]}}
    assert callout_by_hand("c", {"zone": "a b; rm"}, table) == "/bin/x 'a b; rm'"


def test_variables_are_told_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DNS_TOKEN", SECRET)
    line = told(["{zone}"], env=["DNS_TOKEN", "DNS_USER"])
    assert line == (
        "DNS_TOKEN=$DNS_TOKEN DNS_USER=$DNS_USER /usr/local/bin/reset-dns comune.example"
    )


@pytest.mark.parametrize(
    ("kept", "words"),
    [
        ({"file": "/etc/drorch/desk.token"}, "desk-token: the file /etc/drorch/desk.token"),
        ({"env": "DESK_TOKEN"}, "desk-token: the variable DESK_TOKEN"),
        ({"credential": "desk.token"}, "desk-token: the credential desk.token"),
    ],
)
def test_the_token_of_a_web_hook_is_told_as_a_reference(
    kept: dict[str, Any], words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DESK_TOKEN", SECRET)
    table = {
        "hook": {"url": "https://me:word@10.1.0.30:8443/hooks/desk?key=x", "secret": "desk-token"}
    }
    line = callout_by_hand("hook", {"who": "desk"}, table, {"desk-token": SecretRef(**kept)})
    assert line == (
        f"call https://***@10.1.0.30:8443/hooks/desk?*** with who=desk; its token is the secret {words}"
    )
    assert callout_by_hand("hook", {}, table).endswith("its token is the secret desk-token")


def test_where_the_configuration_is_away_its_place_is_told() -> None:
    assert "[callouts.nowhere]" in callout_by_hand("nowhere", {}, {})


@pytest.mark.parametrize("url", ["https://[::1/x", "https://10.1.0.53:port/x"])
def test_a_broken_address_breaks_no_paper(url: str) -> None:
    assert callout_by_hand("c", {}, {"c": {"url": url}})


def test_no_form_of_the_paper_has_a_secret_of_the_configuration() -> None:
    words = [word for leak, _ in LEAKS for word in leak]
    around = Around(
        types={},
        callouts={"call-zone": {"command": ["/bin/x", *words], "env": ["DNS_TOKEN"]}},
        secrets={},
    )
    book = runbook(plan(callout("zone")), at=T0, zone="UTC", around=around)
    for text in (as_text(book), as_html(book)):
        assert "/bin/x" in text
        assert [secret for _, secret in LEAKS if secret in text] == []

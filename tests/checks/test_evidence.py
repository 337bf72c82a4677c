"""Evidence is one line, escaped, shortened, and never holds a secret."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.checks.evidence import LONGEST, MASK, shown
from tests.checks.asking import SECRET, ask
from tests.checks.hostile import behaving, page


def test_terminal_escapes_and_line_breaks_are_spelt_out() -> None:
    assert shown(b"\x1b[2Jhello\r\n\x00\xff") == r"\x1b[2Jhello\r\n\x00\xff"
    assert shown("abc\u202egpj\u2028") == r"abc\u202egpj\u2028"


def test_long_answers_are_cut_with_an_ellipsis() -> None:
    assert shown("x" * 600) == "x" * (LONGEST - 1) + "…"


def test_a_secret_that_the_end_cuts_in_two_is_masked() -> None:
    assert shown(f"password is {SECRET[:9]}", [SECRET]) == f"password is {MASK}"


@given(st.binary(max_size=2000))
def test_evidence_is_always_one_printable_line(data: bytes) -> None:
    line = shown(data)
    assert line.isprintable()
    assert len(line) <= LONGEST


@given(st.text(min_size=6), st.text(max_size=700), st.text(max_size=700))
def test_a_secret_never_survives(secret: str, before: str, after: str) -> None:
    line = shown(before + secret + after, [secret])
    masked = shown(before.replace(secret, "") + after.replace(secret, ""), [secret])
    if secret not in MASK and secret not in masked:
        assert secret not in line


@pytest.mark.parametrize(
    "echo",
    [
        f"-ERR wrong password {SECRET}\r\n".encode(),
        b"-ERR " + b"x" * 90 + SECRET.encode() + b"\r\n",
        f"-ERR {json.dumps(SECRET)}\r\n".encode(),
        f"-ERR no line end {SECRET}".encode(),
        b"y" * 60 + SECRET.encode() + b"z" * 20_000,
    ],
)
async def test_a_server_that_echoes_the_secret_does_not_get_it_into_the_evidence(
    echo: bytes,
) -> None:
    async with behaving(page, echo) as port:
        params = {"host": "127.0.0.1", "port": port, "secret": "probe"}
        result = await ask("redis", params)
    assert not result.healthy
    assert SECRET not in result.evidence
    assert SECRET[:8] not in result.evidence, result.evidence


async def test_passwords_in_addresses_and_headers_stay_out() -> None:
    text = b"HTTP/1.1 500 Oops\r\n\r\nyou sent hunter2-hunter2 and Bearer abcdefgh"
    async with behaving(page, text) as port:
        params = {
            "url": f"http://probe:hunter2-hunter2@127.0.0.1:{port}/",
            "headers": {"Authorization": "Bearer abcdefgh"},
        }
        result = await ask("http", params)
    assert "500 Oops" in result.evidence
    assert "hunter2" not in result.evidence
    assert "abcdefgh" not in result.evidence

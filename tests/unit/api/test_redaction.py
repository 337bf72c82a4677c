"""No secret reaches the log, wherever it stands and whatever it is wrapped in."""

from __future__ import annotations

import json
import logging
import string
import time
from typing import Any

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from api import logs
from api.redaction import HIDDEN, redact, redacted

SECRET = st.text(string.ascii_letters + string.digits + "!$%+~/:@#é", min_size=8, max_size=60).map(
    lambda text: f"s3cr3t{text}"
)
TOKEN = st.text(string.ascii_letters + string.digits + "_", min_size=8, max_size=60).map(
    lambda text: f"drt_{text}"
)
NAMES = st.sampled_from(
    ["token", "password", "Secret", "AUTHORIZATION", "set-cookie", "api_token", "token_secret",
     "DRORCH_TOKEN", "passwd", "pg_password"]
)  # fmt: skip
PLAIN = st.one_of(st.none(), st.booleans(), st.integers(), st.text(max_size=20))


def nested(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Put *inner* into lists and tables, some deep, beside harmless things."""
    return st.recursive(
        inner,
        lambda deeper: st.one_of(
            st.tuples(PLAIN, deeper),
            st.lists(deeper, min_size=1, max_size=2),
            deeper.map(lambda value: {"place": value, "other": 1}),
        ),
        max_leaves=4,
    )


def written(event: dict[str, Any]) -> str:
    return json.dumps(redact(None, "info", dict(event)), default=repr, ensure_ascii=False)


@given(NAMES, SECRET, st.data())
def test_what_stands_under_the_name_of_a_secret_is_hidden(
    name: str, secret: str, data: st.DataObject
) -> None:
    value = data.draw(nested(st.just({name: secret})))
    assert secret not in written({"event": "x", "about": value})
    assert secret not in written({"event": "x", name: [secret, {"a": secret}]})


@given(TOKEN, st.text(max_size=20), st.data())
def test_our_tokens_are_hidden_in_any_text(token: str, around: str, data: st.DataObject) -> None:
    text = f"{around}{token} {around}"
    value = data.draw(nested(st.just(text)))
    shown = written({"event": text, "deep": value, "error": ValueError(text), "raw": text.encode()})
    assert token not in shown


@given(SECRET, st.sampled_from(["postgresql", "https", "amqp+ssl"]), st.text("abc", max_size=9))
def test_passwords_in_urls_are_hidden(secret: str, scheme: str, user: str) -> None:
    shown = redacted(f"cannot reach {scheme}://{user}:{secret}@db.example/x: refused")
    assert secret not in shown
    assert shown.startswith(f"cannot reach {scheme}://{HIDDEN}@")


@pytest.mark.parametrize(
    "text",
    [
        "Authorization: Bearer abcSECRETxyz",
        "basic QWxhZGRpbjpSECRETVuIHNlc2FtZQ==",
        "PVEAPIToken=root@pam!x=SECRET-4f",
        "GET /x?token=SECRET&limit=2",
        "host=db password=SECRET dbname=x",
    ],
)
def test_other_forms_of_secrets(text: str) -> None:
    assert "SECRET" not in redacted(text)


@pytest.mark.parametrize(
    "text",
    [
        "https://10.1.0.2:8006/api2/json/nodes",
        "the secret 'anagrafe-probe' is not configured",
        "http://[::1]:8140 answers",
        "mario@comune.example asked",
        "",
    ],
)
def test_what_is_no_secret_stays_readable(text: str) -> None:
    assert redacted(text) == text


@pytest.mark.parametrize("piece", ["://a:", "drt_", "token=", "bearer ", "aA_", "@", "://"])
def test_hostile_text_is_not_slow(piece: str) -> None:
    text = piece * (200_000 // len(piece))
    began = time.perf_counter()
    redacted(text)
    assert time.perf_counter() - began < 2.0


def test_a_service_logs_json_with_nothing_of_it(capsys: pytest.CaptureFixture[str]) -> None:
    canary = "drt_abc_CANARY1234567890"
    try:
        logs.configure("json", "debug")
        log = structlog.get_logger()
        with structlog.contextvars.bound_contextvars(request_id="r1", run="town-1"):
            log.debug("it.happened", token=canary, url=f"https://x:{canary}@y/")
            try:
                raise RuntimeError(f"with {canary}")
            except RuntimeError:
                log.exception("it.broke")
            logging.getLogger("some.library").warning("it has %s", canary)
    finally:
        structlog.reset_defaults()
        logging.basicConfig(level=logging.WARNING, force=True)
    told = capsys.readouterr().err
    assert "CANARY" not in told
    lines = [json.loads(line) for line in told.splitlines()]
    assert [line["event"] for line in lines] == ["it.happened", "it.broke", f"it has {HIDDEN}"]
    assert all(line["request_id"] == "r1" and line["run"] == "town-1" for line in lines)
    assert all(line["timestamp"].endswith("Z") for line in lines)
    assert "RuntimeError" in lines[1]["exception"]


def test_nothing_that_is_logged_rewrites_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    hostile = "\x1b[2J\rall is well\nforged line\x9b"
    try:
        logs.configure("console", "info")
        structlog.get_logger().info("it.happened", reason=hostile)
        logging.getLogger("some.library").warning(hostile)
    finally:
        structlog.reset_defaults()
        logging.basicConfig(level=logging.WARNING, force=True)
    told = capsys.readouterr().err
    assert len(told.splitlines()) == 2
    assert "\r" not in told
    assert "\x9b" not in told
    assert "\x1b[2J" not in told


def test_a_traceback_keeps_its_lines_and_shows_no_variables(
    capsys: pytest.CaptureFixture[str],
) -> None:
    try:
        logs.configure("console", "info")
        password = "s3cr3tvariable"
        try:
            raise RuntimeError(str(len(password)))
        except RuntimeError:
            structlog.get_logger().exception("it.broke")
    finally:
        structlog.reset_defaults()
    told = capsys.readouterr().err
    assert "Traceback" in told
    assert len(told.splitlines()) > 3
    assert "RuntimeError: 14" in told

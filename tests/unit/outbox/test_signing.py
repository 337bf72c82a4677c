"""Signatures that the receivers' own library takes, and secrets that are none."""

from __future__ import annotations

import base64
import os
import time

import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from connectors.notifiers.signing import headers, key_of
from drorch.errors import ConfigurationError
from tests.fakes.receiver import OTHER, SECRET

BODY = '{"type":"run.ended","data":{"è":"…"}}'.encode()


def signed(*secrets: str) -> dict[str, str]:
    return headers([key_of(s) for s in secrets], "msg_1", int(time.time()), BODY)


def test_the_library_takes_a_signature() -> None:
    assert Webhook(SECRET).verify(BODY, signed(SECRET))["type"] == "run.ended"


def test_during_rotation_both_secrets_verify() -> None:
    both = signed(SECRET, OTHER)
    for secret in (SECRET, OTHER):
        Webhook(secret).verify(BODY, both)


@pytest.mark.parametrize(
    ("name", "value"),
    [("webhook-id", "msg_2"), ("webhook-timestamp", str(int(time.time()) - 9))],
    ids=["id", "timestamp"],  # the time is another one in each process that collects
)
def test_a_changed_header_is_refused(name: str, value: str) -> None:
    with pytest.raises(WebhookVerificationError):
        Webhook(SECRET).verify(BODY, signed(SECRET) | {name: value})


def test_a_changed_body_and_another_secret_are_refused() -> None:
    with pytest.raises(WebhookVerificationError):
        Webhook(SECRET).verify(BODY + b" ", signed(SECRET))
    with pytest.raises(WebhookVerificationError):
        Webhook(OTHER).verify(BODY, signed(SECRET))


def test_any_key_of_a_fitting_size_agrees_with_the_library() -> None:
    for size in (24, 32, 64):
        secret = "whsec_" + base64.b64encode(os.urandom(size)).decode()
        Webhook(secret).verify(BODY, signed(secret))


@pytest.mark.parametrize(
    "secret",
    ["", "whsec_", "hunter2", "whsec_!!!", SECRET.removeprefix("whsec_"), "whsec_c2hvcnQ="],
)
def test_what_is_no_secret_says_how_one_is_made(secret: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        key_of(secret)
    assert "openssl rand" in refused.value.hint
    assert secret == "" or secret not in str(refused.value).replace("'whsec_'", "")

"""[webhooks.NAME]: what is refused before the service starts, and that nothing secret is shown."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from api.settings import Settings, load_settings
from connectors.network import Network
from connectors.notifiers import Webhooks
from connectors.notifiers.webhooks import _asked_wait
from drorch.errors import ConfigurationError
from drorch.outbox.rules import DEFAULT_EVENTS

GOOD = '[webhooks.desk]\nurl = "https://10.1.0.30:8443/hooks/abc"\nsecret = {env = "S"}\n'


def read(tmp_path: Path, text: str) -> Settings:
    path = tmp_path / "drorch.toml"
    path.write_text(text)
    return load_settings(path, {})


def test_what_is_left_away_is_the_default(tmp_path: Path) -> None:
    hook = read(tmp_path, GOOD).webhooks["desk"]
    assert hook.events == DEFAULT_EVENTS
    assert hook.host == "10.1.0.30:8443"
    assert hook.ca is None


def test_the_child_process_reads_the_same(tmp_path: Path) -> None:
    settings = read(tmp_path, GOOD + 'events = ["run.*"]\nprevious_secret = {file = "/x"}\n')
    again = Settings.model_validate_json(settings.model_dump_json())
    assert again.webhooks == settings.webhooks


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (GOOD + 'events = ["step.faild"]', "did you mean step.failed"),
        (GOOD + "events = []", "events"),
        (GOOD.replace("https://", ""), "in full"),
        (GOOD.replace("https", "ftp"), "in full"),
        (GOOD.replace("//10", "//ann:pw@10"), "signed with 'secret'"),
        (GOOD.replace('{env = "S"}', '"whsec_abc"'), "secret"),
        (GOOD.replace("desk", "Desk!", 1).replace("[webhooks.Desk!]", '[webhooks."D/x"]'), "D/x"),
        (GOOD + 'colour = "red"', "colour"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, text: str, told: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        read(tmp_path, text)
    assert told in str(refused.value)
    assert "whsec_abc" not in str(refused.value)


def test_an_authority_has_to_be_configured(tmp_path: Path) -> None:
    settings = read(tmp_path, GOOD + 'ca = "nobody"')
    with pytest.raises(ConfigurationError, match="nobody"):
        Webhooks(settings.webhooks, network=Network())


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("", 0.0),
        ("120", 120.0),
        ("-5", 0.0),
        ("soon", 0.0),
        ("Wed, 21 Oct 2015 07:28:00 GMT", 0.0),
        ("Wed, 21 Oct 2015 07:28:00", 0.0),
        ("9" * 400, 999_999_999.0),
        ("١٢", 0.0),
    ],
)
def test_retry_after_is_read_whatever_it_is(value: str, seconds: float) -> None:
    found: Any = _asked_wait(value)
    assert found == seconds


def test_a_date_to_come_is_waited_for() -> None:
    assert _asked_wait("Fri, 31 Dec 2999 23:59:59 GMT") > 10**9

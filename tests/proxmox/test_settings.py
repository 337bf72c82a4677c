"""The connector's table in drorch.toml: what is accepted, and how mistakes are told."""

from __future__ import annotations

from typing import Any

import pytest

from connectors.proxmox.settings import Endpoint, read_settings
from connectors.registry import connect
from drorch.errors import ConfigurationError

PIN = ":".join(["Ab"] * 32)
TABLE: dict[str, Any] = {
    "endpoints": ["10.1.0.2:8006", "10.1.0.3:8006"],
    "token_id": "drorch@pve!recovery",
    "token_secret": {"env": "PVE_TOKEN"},
    "fingerprint": PIN,
}


def without(*keys: str, **changes: Any) -> dict[str, Any]:
    return {k: v for k, v in TABLE.items() if k not in keys} | changes


def test_the_documented_table_is_accepted() -> None:
    settings = read_settings("pve", TABLE)
    assert settings.endpoints == (Endpoint("10.1.0.2", 8006), Endpoint("10.1.0.3", 8006))
    assert settings.fingerprint == ("ab" * 32,)
    assert (settings.user, settings.token_name) == ("drorch@pve", "recovery")
    assert settings.read_timeout > 30  # Proxmox's own proxy waits that long for a node


def test_the_registry_finds_it_and_nothing_is_contacted() -> None:
    assert connect("pve", TABLE | {"type": "proxmox"}).name == "pve"


@pytest.mark.parametrize(
    ("text", "endpoint"),
    [
        ("pve1.example", Endpoint("pve1.example", 8006)),
        ("pve1:443", Endpoint("pve1", 443)),
        ("[2001:db8::2]:8006", Endpoint("2001:db8::2", 8006)),
        ("[2001:db8::2]", Endpoint("2001:db8::2", 8006)),
    ],
)
def test_endpoints(text: str, endpoint: Endpoint) -> None:
    assert read_settings("pve", without(endpoints=[text])).endpoints == (endpoint,)


@pytest.mark.parametrize(("text", "seconds"), [("45s", 45.0), ("1m", 60.0), (41, 41.0)])
def test_timeouts(text: object, seconds: float) -> None:
    assert read_settings("pve", without(read_timeout=text)).read_timeout == seconds


@pytest.mark.parametrize(
    ("table", "words"),
    [
        (without("endpoints"), "endpoints: is missing"),
        (without(endpoints=[]), "endpoints"),
        (without(endpoints=["https://10.1.0.2:8006"]), "endpoints.0: write it as host:port"),
        (without(endpoints=["10.1.0.2:99999"]), "endpoints.0: write it as host:port"),
        (without(token_id="root@pam"), "token_id: write it as user@realm!name"),
        (without("token_secret"), "token_secret: is missing"),
        (without(token_secret="abc"), "token_secret"),
        (without(token_secret={}), "exactly one of 'file', 'env' and 'credential'"),
        (without("fingerprint"), "give exactly one of 'fingerprint', 'ca' and 'insecure = true'"),
        (without(insecure=True), "give exactly one of"),
        (without(ca="/etc/ssl/ca.pem"), "give exactly one of"),
        (without("fingerprint", insecure=False), "give exactly one of"),
        (without(fingerprint="AB:CD"), "fingerprint: a fingerprint is the SHA-256"),
        (without(fingerprint=[]), "fingerprint: give one SHA-256 fingerprint"),
        (without(read_timeout="soon"), "read_timeout"),
        (without(read_timeout=0), "read_timeout"),
        (without(fingreprint=PIN), "fingreprint: unknown key; did you mean fingerprint?"),
    ],
)
def test_mistakes_name_the_key(table: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        read_settings("pve", table)
    assert caught.value.message.startswith("[connectors.pve] ")
    assert words in caught.value.message
    assert caught.value.hint


def test_every_mistake_is_told_at_once() -> None:
    with pytest.raises(ConfigurationError) as caught:
        read_settings("pve", without(endpoints=["a b"], token_id="x"))
    assert "endpoints.0" in caught.value.message
    assert "token_id" in caught.value.message


def test_insecure_and_ca_are_accepted_by_name() -> None:
    assert read_settings("pve", without("fingerprint", insecure=True)).insecure
    assert read_settings("pve", without("fingerprint", ca="/etc/ssl/ca.pem")).ca is not None

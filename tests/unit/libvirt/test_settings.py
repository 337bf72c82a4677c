"""The connector's table, and life without the libvirt binding."""

from __future__ import annotations

import sys

import pytest

from connectors.libvirt import factory
from connectors.libvirt.crossing import Crossing
from connectors.libvirt.settings import parse_settings
from drorch.errors import ConfigurationError, UnreachableError


def test_defaults_fit_a_local_host() -> None:
    settings = parse_settings("kvm1", {})
    assert settings.uri == "qemu:///system"
    assert settings.connection_uri == settings.shown_uri == settings.uri


def test_durations_are_written_as_everywhere() -> None:
    settings = parse_settings("kvm1", {"read_timeout": "500ms", "order_timeout": "2m"})
    assert (settings.read_timeout, settings.order_timeout) == (0.5, 120.0)
    assert parse_settings("kvm1", {"read_timeout": 3}).read_timeout == 3


@pytest.mark.parametrize(
    ("table", "word"),
    [
        ({"url": "qemu:///system"}, "url"),
        ({"uri": "system"}, "uri"),
        ({"uri": 7}, "uri"),
        ({"read_timeout": "soon"}, "read_timeout"),
        ({"read_timeout": 0}, "read_timeout"),
        ({"keepalive_count": 0}, "keepalive_count"),
        ({"threads": 1000}, "threads"),
    ],
)
def test_a_wrong_key_is_named(table: dict[str, object], word: str) -> None:
    with pytest.raises(ConfigurationError, match=rf"\[connectors\.kvm1\] {word}: ") as caught:
        parse_settings("kvm1", table)
    assert "read_timeout" in caught.value.hint


@pytest.mark.parametrize(
    "uri", ["qemu+tcp://root:hunter2@kvm1/system", "qemu+tls://kvm1/system?password=hunter2"]
)
def test_a_password_in_the_uri_is_refused_and_not_repeated(uri: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        parse_settings("kvm1", {"uri": uri})
    assert "hunter2" not in caught.value.message + caught.value.hint


def test_what_is_shown_names_neither_user_nor_parameters() -> None:
    settings = parse_settings("kvm1", {"uri": "qemu+ssh://root@kvm1:22/system?keyfile=/etc/k"})
    assert settings.shown_uri == "qemu+ssh://kvm1:22/system"


@pytest.mark.parametrize(
    ("uri", "opened"),
    [
        ("qemu+ssh://kvm1/system", "qemu+ssh://kvm1/system?no_tty=1"),
        ("qemu+ssh://kvm1/system?keyfile=/k", "qemu+ssh://kvm1/system?keyfile=/k&no_tty=1"),
        ("qemu+ssh://kvm1/system?no_tty=0", "qemu+ssh://kvm1/system?no_tty=0"),
        ("qemu+tls://kvm1/system", "qemu+tls://kvm1/system"),
    ],
)
def test_ssh_never_asks_on_the_terminal(uri: str, opened: str) -> None:
    assert parse_settings("kvm1", {"uri": uri}).connection_uri == opened


async def test_without_the_binding_it_says_how_to_install_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "libvirt", None)
    connector = factory("kvm1", {})
    with pytest.raises(ConfigurationError) as caught:
        await connector.open()
    assert "pip install 'drorch[libvirt]'" in caught.value.hint
    assert "libvirt-dev" in caught.value.hint
    await connector.close()


async def test_a_connector_that_is_not_open_says_so() -> None:
    with pytest.raises(UnreachableError, match="not open"):
        await factory("kvm1", {}).survey()


def test_what_was_given_up_is_not_sent_any_more() -> None:
    crossing = Crossing()
    assert crossing.abandon()
    with pytest.raises(UnreachableError):
        crossing.depart()


def test_what_was_sent_cannot_be_given_up() -> None:
    crossing = Crossing()
    crossing.depart()
    assert not crossing.abandon()

"""Where ``drorch serve`` may listen, under which names it answers, and whom it believes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import ip_address, ip_network
from pathlib import Path

from api.host_names import LOOPBACK, canonical, is_loopback
from api.settings import ServerSettings, Settings
from api.tls import OwnTls, read
from drorch.errors import ConfigurationError

BACKLOG = 2048
"""Connections that may wait to be let in."""


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """The certificate (first in its file, with what signed it behind it) and its key."""

    certificate: Path
    key: Path


def tls_files(settings: Settings) -> TlsFiles | None:
    """Return what the service answers with: the configured pair, else its own one, else None."""
    server = settings.server
    if server.tls_cert is not None and server.tls_key is not None:
        return TlsFiles(server.tls_cert, server.tls_key)
    own = OwnTls.of(settings.data_dir)
    return TlsFiles(own.server, own.server) if own.exists else None


def is_exposed(settings: Settings) -> bool:
    """Tell whether anybody but this machine's own users can ask: directly, or by a proxy."""
    return not is_loopback(settings.server.host) or bool(settings.server.trusted_proxy)


def refuse_unsafe(settings: Settings) -> None:
    """Raise `ConfigurationError` where passwords and tokens would cross a network in the clear."""
    server = settings.server
    if is_loopback(server.host) or server.trusted_proxy or tls_files(settings) is not None:
        return
    raise ConfigurationError(
        f"[server] host = {server.host!r} is not loopback, and there is no TLS: what people send "
        "could be read and changed on its way",
        hint="'drorch tls init' makes a certificate; or set [server] tls_cert and tls_key, or "
        'trusted_proxy = ["ADDRESS"] where a proxy does TLS; or use host = "127.0.0.1" and a '
        "tunnel: ssh -L 8140:127.0.0.1:8140 HOST",
    )


class HostNames:
    """The names under which the service may be asked, in their canonical form.

    Any other name is how a page of another site reaches a service inside (DNS rebinding).
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._found: frozenset[str] = frozenset()
        self.read_again()

    def __contains__(self, name: str) -> bool:
        return name in self._found

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(self._found))

    def read_again(self) -> None:
        """Take over the names of a certificate that has changed. Raises `ConfigurationError`."""
        server = self._settings.server
        given = [*LOOPBACK, *server.names]
        if not is_loopback(server.host) and not _is_any(server.host):
            given.append(server.host)
        files = tls_files(self._settings)
        given += read(files.certificate).names if files is not None else ()
        self._found = frozenset(name for one in given if (name := canonical(one)))


def _is_any(host: str) -> bool:
    """Tell whether *host* stands for all addresses, and so for no name."""
    try:
        return ip_address(host).is_unspecified
    except ValueError:
        return host == ""


class Peers:
    """Which machines may talk to the service without TLS: a named proxy, and this one itself."""

    def __init__(self, server: ServerSettings) -> None:
        self._proxies = [ip_network(value) for value in server.trusted_proxy]

    def may_ask(self, peer: str, own: str) -> bool:
        """Tell whether *peer* may ask at our address *own* in the clear."""
        try:
            address = ip_address(peer)
        except ValueError:
            return False
        return peer == own or address.is_loopback or any(address in n for n in self._proxies)

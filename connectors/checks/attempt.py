"""One attempt of one check: its parameters, its connections, and what may be said about it."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias, TypeVar

from connectors.checks.conversation import Conversation
from connectors.checks.evidence import shown, without
from connectors.checks.threads import Threads
from connectors.checks.trust import Trust
from connectors.network import Network
from drorch.errors import ConfigurationError, DrorchError
from drorch.ports.callout import Callouts
from drorch.ports.check import ASKED
from drorch.ports.connector import Connector

T = TypeVar("T")


class UnwellError(DrorchError):
    """Something answered, but not what is wanted."""

    code = "unwell"


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """What all attempts share."""

    network: Network
    trust: Trust
    secret: Callable[[str], str]
    connectors: Mapping[str, Connector]
    callouts: Callouts
    threads: Threads


@dataclass(slots=True, kw_only=True)
class Attempt:
    """What one check works with.

    ``asked`` is what was asked, for the evidence. ``reached`` becomes true with the first sign
    that the other side is there: silence after it is the application's, not the network's.
    """

    kind: str
    params: Mapping[str, Any]
    timeout: float
    world: World
    asked: str = ""
    reached: bool = False
    saw: str = ""
    _secrets: list[str] = field(default_factory=list)

    def text(self, key: str) -> str:
        """Return a parameter that the check can't do without."""
        value = self.params.get(key)
        if value is None or value == "":
            raise ConfigurationError(f"the {self.kind} check has no {key!r}")
        return str(value)

    def port(self, usual: int | None = None) -> int:
        """Return the port, or the usual one of this kind."""
        value = self.params.get("port")
        if value is None:
            value = usual
        if value is None:
            raise ConfigurationError(f"the {self.kind} check has no 'port'")
        return int(value)

    def secret(self) -> str | None:
        """Return the value of the secret that the check names, and keep it out of evidence."""
        name = self.params.get("secret")
        if name is None:
            return None
        try:
            value = self.world.secret(str(name))
        except KeyError as error:
            raise ConfigurationError(
                f"the secret {str(name)!r} is not in the configuration",
                hint=f"add {name} = {{ file = ... }} to [secrets] in drorch.toml",
            ) from error
        self.hide(value)
        return value

    def hide(self, value: str) -> None:
        """Keep *value* out of this attempt's evidence."""
        if value:
            self._secrets.append(value)

    def quote(self, data: bytes | str, limit: int = 120) -> str:
        """Return what the other side said, fit to be quoted."""
        return shown(data, self._secrets, limit)

    def said(self, data: bytes | str, limit: int = 120) -> str:
        """Return `quote` in quotation marks."""
        return f"'{self.quote(data, limit)}'"

    def evidence(self, answer: str) -> str:
        """Return the line that says what was asked and what came back."""
        asked = f"{ASKED}{self.asked}: " if self.asked else ""
        return shown(without(asked + answer, self._secrets))

    def tls(self) -> tuple[ssl.SSLContext, str]:
        """Return the context for TLS under another protocol, and what to say about trust.

        Without ``ca`` anybody is believed: the question is whether it answers, and no secret
        is sent. The ``tls`` check is the one that judges certificates.
        """
        ca = self.params.get("ca")
        if ca is None:
            return self.world.trust.blind(), "TLS, certificate not verified"
        return self.world.trust.context(str(ca)), "TLS verified"

    async def converse(self, host: str, port: int) -> Conversation:
        """Connect to the first address of *host* that lets us, and only to allowed ones."""
        candidates = await self.world.network.candidates(host, port)
        conversation = await self.first(candidates, lambda at: Conversation.open(at, port))
        self.reached = True
        return conversation

    async def dial(self, host: str, port: int) -> tuple[socket.socket, str]:
        """Return a connected blocking socket for a blocking library, and its address."""
        candidates = await self.world.network.candidates(host, port)
        connected = await self.first(candidates, lambda at: _dial(at, port))
        self.reached = True
        return connected

    async def first(self, candidates: list[str], attempt: Callable[[str], Awaitable[T]]) -> T:
        """Return what *attempt* gives for the first address that it works with.

        Each address but the last gets its share of the time; the last one's error counts.
        """
        share = self.timeout / len(candidates)
        for address in candidates[:-1]:
            try:
                async with asyncio.timeout(share):
                    return await attempt(address)
            except OSError:  # TimeoutError is one
                continue
        return await attempt(candidates[-1])


Kind: TypeAlias = Callable[[Attempt], Awaitable[str]]
"""Carries out one attempt and returns what a healthy other side answered.

Raises `UnwellError`, `ConfigurationError`, `OSError`; takes as long as it likes, because the
prober ends it; gives its sockets back when it is cancelled.
"""


def at(host: str, port: int) -> str:
    """Return ``host:port`` as people write it."""
    return f"[{host}]:{port}" if ":" in host and not host.startswith("[") else f"{host}:{port}"


async def _dial(address: str, port: int) -> tuple[socket.socket, str]:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    sock.setblocking(False)
    try:
        await asyncio.get_running_loop().sock_connect(sock, (address, port))
    except BaseException:
        sock.close()
        raise
    return sock, address

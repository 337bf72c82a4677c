"""What checks, call-outs and web hooks may reach: names resolved once, every address checked."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Callable, Iterable, Mapping, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import TypeAlias

import httpx2
from typing_extensions import override

from connectors.checks.threads import Threads
from drorch.errors import ConfigurationError, UnreachableError

Address: TypeAlias = IPv4Address | IPv6Address
Lookup: TypeAlias = Callable[[str], Sequence[str]]
"""Takes a host name and returns its addresses; blocks; raises `OSError`."""

DEFAULT_ALLOW = (
    "10.0.0.0/8",
    "172.16.0.0/12",
    "192.168.0.0/16",
    "127.0.0.0/8",
    "::1/128",
    "fc00::/7",
)
"""Private ranges and loopback. Not 100.64.0.0/10: it belongs to operators, and metadata
services of clouds live in it; who uses it for a network of their own names it."""

_LINK_LOCAL = ("169.254.0.0/16", "fe80::/10")
# AWS, Google, Scaleway; Alibaba, Azure, Oracle. Three of them lie inside of private ranges.
_METADATA = (
    *("fd00:ec2::254", "fd20:ce::254", "fd00:42::42"),
    *("100.100.100.200", "168.63.129.16", "192.0.0.192"),
)
_NEVER = tuple(ip_network(n) for n in (*_LINK_LOCAL, *_METADATA))
# Compatible addresses, SIIT, NAT64: the last 32 bits are the IPv4 address.
_TRANSLATED = tuple(IPv6Network(n) for n in ("::/96", "::ffff:0:0:0/96", "64:ff9b::/96"))
_NAT64_LOCAL = IPv6Network("64:ff9b:1::/48")
_MOST_CANDIDATES = 4
_LAST_PORT = 65535
_LOOKUPS_AT_ONCE = 16


class Network:
    """The guard before every connection to a target that a plan or the configuration names.

    The address that was checked is the one to connect to: a name is not looked up again, so a
    second answer of the name server can't lead elsewhere.
    """

    def __init__(
        self, allow: Sequence[str] = DEFAULT_ALLOW, *, lookup: Lookup | None = None
    ) -> None:
        """Raise `ConfigurationError` when *allow* holds something that is no network."""
        self._allow = [_network(entry) for entry in allow]
        self._lookup = lookup or _ask_system
        self._threads: Threads | None = None
        self._pending: dict[str, asyncio.Task[list[str]]] = {}

    async def resolve(self, host: str, port: int) -> str:
        """Return the first address of *host* that may be reached. Errors as `candidates`."""
        return (await self.candidates(host, port))[0]

    async def candidates(self, host: str, port: int) -> list[str]:
        """Return the addresses of *host* that may be reached, at most four, IPv4 first.

        Raises `ConfigurationError` when the addresses are all outside ``[network] allow``, and
        `UnreachableError` when the name has no address now.
        """
        found = [_plain(address) for address in await self._addresses(host)]
        allowed = [address for address in dict.fromkeys(found) if self.allows(address)]
        if not allowed:
            raise ConfigurationError(
                f"{_target(host, port, found)} is not in [network] allow, so it was not contacted",
                hint="add its network to [network] allow in drorch.toml (link-local and what "
                "clouds tell about themselves is never contacted)",
            )
        allowed.sort(key=lambda address: address.version)
        return [str(address) for address in allowed[:_MOST_CANDIDATES]]

    def allows(self, address: Address) -> bool:
        """Tell whether *address*, and what gateways would make of it, may be contacted."""
        meant = [address, *_embedded(address)]
        if any(_forbidden(one) for one in meant):
            return False
        return all(any(one in network for network in self._allow) for one in meant)

    def transport(self, verify: ssl.SSLContext | bool = True) -> httpx2.AsyncBaseTransport:
        """Return a transport for `httpx2.AsyncClient` that connects to checked addresses only.

        Names stay in the Host header, in SNI, and in what the certificate is compared with. Use
        it by `connectors.egress`: a client made by hand may heed proxies of the environment, and
        a proxy would connect wherever it likes.
        """
        return _GuardedTransport(self, verify)

    async def _addresses(self, host: str) -> list[Address]:
        bare = host.strip("[]")
        with contextlib.suppress(ValueError):
            return [ip_address(bare)]
        found = await asyncio.shield(self._looking_up(bare))
        return [ip_address(address) for address in found]

    def _looking_up(self, host: str) -> asyncio.Task[list[str]]:
        """Share one look-up among all who ask for the same name while it is under way."""
        task = self._pending.get(host)
        if task is None or task.get_loop() is not asyncio.get_running_loop():
            task = asyncio.create_task(self._ask(host))
            self._pending[host] = task
            task.add_done_callback(lambda done: self._forget(host, done))
        return task

    def _forget(self, host: str, task: asyncio.Task[list[str]]) -> None:
        if self._pending.get(host) is task:
            del self._pending[host]
        if not task.cancelled():
            task.exception()  # everybody who waited may have gone; then it is nobody's error

    async def _ask(self, host: str) -> list[str]:
        if self._threads is None:
            self._threads = Threads("drorch-lookup", _LOOKUPS_AT_ONCE)
        try:
            found = await self._threads.run(lambda: list(self._lookup(host)))
        except (OSError, UnicodeError) as error:
            raise UnreachableError(
                f"the name {host!r} could not be resolved: {error}",
                hint="during a black start use addresses in plans, or start the name servers first",
            ) from error
        if not found:
            raise UnreachableError(f"the name {host!r} has no address")
        return found


class _GuardedTransport(httpx2.AsyncBaseTransport):
    def __init__(self, network: Network, verify: ssl.SSLContext | bool) -> None:
        self._network = network
        # A connection is not kept: it belongs to an address, and another name with the same
        # address would go over it without its certificate having been looked at.
        self._inner = httpx2.AsyncHTTPTransport(
            verify=verify, trust_env=False, limits=httpx2.Limits(max_keepalive_connections=0)
        )

    @override
    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        host = request.url.raw_host.decode("ascii")
        port = request.url.port
        if port is None:
            port = 443 if request.url.scheme == "https" else 80
        if not 0 < port <= _LAST_PORT:
            raise ConfigurationError(f"there is no port {port}", hint="ports end at 65535")
        candidates = await self._network.candidates(host, port)
        for address in candidates[:-1]:
            with contextlib.suppress(httpx2.ConnectError, httpx2.ConnectTimeout):
                return await self._send(request, host, address, share=len(candidates))
        return await self._send(request, host, candidates[-1])

    async def _send(
        self, request: httpx2.Request, host: str, address: str, *, share: int = 1
    ) -> httpx2.Response:
        return await self._inner.handle_async_request(
            httpx2.Request(
                request.method,
                request.url.copy_with(host=address),
                headers=request.headers,
                stream=request.stream,
                extensions=_extensions(request.extensions, host, share),
            )
        )

    @override
    async def aclose(self) -> None:
        await self._inner.aclose()


def _extensions(given: Mapping[str, object], host: str, share: int) -> dict[str, object]:
    """Keep the name for TLS; give each of several addresses its share of the connect time."""
    extensions = {**given, "sni_hostname": host}
    limits = given.get("timeout")
    if isinstance(limits, dict) and isinstance(limits.get("connect"), int | float):
        extensions["timeout"] = {**limits, "connect": limits["connect"] / share}
    return extensions


def _network(entry: str) -> IPv4Network | IPv6Network:
    try:
        return ip_network(entry, strict=False)
    except (ValueError, TypeError) as error:
        raise ConfigurationError(
            f"[network] allow: {entry!r} is not a network",
            hint='write networks like "10.0.0.0/8" or "fd00::/8"; names are not possible here',
        ) from error


def _plain(address: Address) -> Address:
    """Return the IPv4 address that an IPv4-mapped one stands for, else *address* without zone."""
    if isinstance(address, IPv6Address):
        return address.ipv4_mapped or IPv6Address(int(address))
    return address


def _embedded(address: Address) -> Iterable[IPv4Address]:
    """Yield the IPv4 addresses that gateways would make of an IPv6 address."""
    if isinstance(address, IPv4Address):
        return
    if address.ipv4_mapped is not None:
        yield address.ipv4_mapped
    if address.sixtofour is not None:
        yield address.sixtofour
    if address.teredo is not None:
        yield from address.teredo
    number = int(address)
    last = IPv4Address(number & 0xFFFFFFFF)
    if any(address in network for network in _TRANSLATED) and not address.is_loopback:
        yield last
    if address in _NAT64_LOCAL:  # RFC 6052: a prefix of 48 bits parts the address, one of 96 not
        parted = IPv4Address((number >> 64 & 0xFFFF) << 16 | number >> 40 & 0xFFFF)
        yield from (one for one in (last, parted) if int(one))
    if number >> 32 & 0xFCFFFFFF == 0x00005EFE:  # ISATAP
        yield last


def _forbidden(address: Address) -> bool:
    """Tell whether *address* is never contacted, whatever the configuration says."""
    if address.is_link_local or address.is_multicast or address.is_unspecified:
        return True
    return any(address in network for network in _NEVER) or address == IPv4Address(2**32 - 1)


def _target(host: str, port: int, found: Sequence[Address]) -> str:
    addresses = ", ".join(str(address) for address in found[:_MOST_CANDIDATES])
    return f"{host}:{port}" if host == addresses else f"{host}:{port} ({addresses})"


def _ask_system(host: str) -> Sequence[str]:
    answers = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    return [str(answer[4][0]) for answer in answers]

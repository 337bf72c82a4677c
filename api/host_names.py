"""Names of hosts: how they are written, and which ones this machine has."""

from __future__ import annotations

import contextlib
import fcntl
import ipaddress
import re
import socket
import struct
from collections.abc import Iterable, Iterator
from pathlib import Path

LOOPBACK = ("localhost", "127.0.0.1", "::1")
_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_NAME = re.compile(rf"{_LABEL}(?:\.{_LABEL})*")
_SIOCGIFADDR = 0x8915
_IF_INET6 = Path("/proc/net/if_inet6")
_GLOBAL = "00"


def canonical(name: str) -> str | None:
    """Return a host name or an address in the one way it is compared in; None if it is neither.

    An IPv6 address may stand in brackets, as in a URL.
    """
    plain = name.strip().lower()
    bare = plain[1:-1] if plain.startswith("[") and plain.endswith("]") else plain
    with contextlib.suppress(ValueError):
        return str(ipaddress.ip_address(bare))
    # What ends in a number is an address that is written wrongly, never a name.
    is_name = _NAME.fullmatch(plain) and len(plain) <= 253 and not plain.split(".")[-1].isdigit()
    return plain if is_name else None


def is_loopback(host: str) -> bool:
    """Tell whether nobody but this machine can ask at *host*."""
    with contextlib.suppress(ValueError):
        return ipaddress.ip_address(host).is_loopback
    return host == "localhost"


def of_this_machine(*more: str) -> tuple[str, ...]:
    """Return *more*, then this machine's names and addresses, then loopback's; each once.

    Asks the resolver for the full name, which takes some seconds where none answers.
    """
    own = [socket.getfqdn(), socket.gethostname(), *_addresses()]
    names = [name for given in (*more, *own, *LOOPBACK) if (name := canonical(given))]
    return tuple(dict.fromkeys(names))


def _addresses() -> Iterator[str]:
    yield from _of_interfaces()
    with contextlib.suppress(OSError):
        yield from _global_ipv6(_IF_INET6.read_text(encoding="ascii").splitlines())


def _of_interfaces() -> Iterator[str]:
    """Yield the first IPv4 address of each interface."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        for _, name in socket.if_nameindex():
            with contextlib.suppress(OSError):  # an interface without one
                asked = struct.pack("256s", name.encode()[:15])
                answer = fcntl.ioctl(asking.fileno(), _SIOCGIFADDR, asked)
                yield socket.inet_ntoa(answer[20:24])


def _global_ipv6(lines: Iterable[str]) -> Iterator[str]:
    for line in lines:
        digits, _, _, scope, *_ = line.split()
        if scope == _GLOBAL:
            yield str(ipaddress.IPv6Address(int(digits, 16)))

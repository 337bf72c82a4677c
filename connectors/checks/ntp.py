"""``ntp``: a time server that is itself synchronised, near enough to our clock."""

from __future__ import annotations

import secrets
import struct
import time
from dataclasses import dataclass
from datetime import timedelta

from connectors.checks.attempt import Attempt, UnwellError, at
from connectors.checks.conversation import datagram

_SINCE_1900 = 2_208_988_800
_SIZE = 48
_ALARM = 3
_WORST_STRATUM = 15
_SERVER = 4


@dataclass(frozen=True, slots=True)
class _Reply:
    leap: int
    stratum: int
    reference: bytes
    offset: float
    """Their clock minus ours, in seconds."""


async def check(attempt: Attempt) -> str:
    """Ask once by SNTP (RFC 4330); the cookie in our request keeps strangers' answers out."""
    host, port = attempt.text("host"), attempt.port(123)
    attempt.asked = f"ntp {at(host, port)}"
    address = await attempt.world.network.resolve(host, port)
    cookie = secrets.token_bytes(8)
    request = bytes([0x23]) + bytes(39) + cookie
    sent = time.time()

    def read(data: bytes) -> _Reply | None:
        attempt.reached = True
        return _read(data, cookie, sent)

    return _judge(attempt, await datagram(address, port, request, read))


def _read(data: bytes, cookie: bytes, sent: float) -> _Reply | None:
    if len(data) < _SIZE or data[24:32] != cookie or data[0] & 7 != _SERVER:
        return None
    theirs = (_seconds(data[32:40]) + _seconds(data[40:48])) / 2
    ours = (sent + time.time()) / 2
    return _Reply(data[0] >> 6, data[1], data[12:16], theirs - ours)


def _seconds(stamp: bytes) -> float:
    whole, fraction = struct.unpack("!II", stamp)
    if whole < 1 << 31:  # after 7 February 2036 the count begins anew (RFC 4330, section 3)
        whole += 1 << 32
    return float(whole - _SINCE_1900 + fraction / (1 << 32))


def _judge(attempt: Attempt, reply: _Reply) -> str:
    if reply.stratum == 0:
        code = attempt.quote(reply.reference.rstrip(b"\0"))
        raise UnwellError(f"refuses service with the code {code}")
    if reply.leap == _ALARM or reply.stratum > _WORST_STRATUM:
        raise UnwellError(f"not synchronised (leap {reply.leap}, stratum {reply.stratum})")
    said = f"stratum {reply.stratum}, offset {reply.offset:+.3f} s"
    most = attempt.params.get("max_offset")
    if isinstance(most, timedelta):
        most = most.total_seconds()
    if most is not None and abs(reply.offset) > float(most):
        raise UnwellError(
            f"{said}, wanted at most {float(most):g} s", hint="one of the two clocks is wrong"
        )
    return said

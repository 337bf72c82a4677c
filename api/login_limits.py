"""How often somebody may fail to log in: five times a minute, then longer and longer pauses.

Kept in memory of the one HTTP process: a restart forgets it, which gives five more tries.
"""

from __future__ import annotations

import math
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address, ip_network

from limits import RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter

from api.schemas.access_problems import TooManyRequestsError

A_MINUTE = 5
FIRST_PAUSE = 60.0
LONGEST_PAUSE = 900.0
_FORGOTTEN_AFTER = 3600.0
"""Seconds of peace after which the pauses begin short again."""
_MOST = 10_000
_PREFIX = 64
"""Bits of an IPv6 address that one subscriber has."""


@dataclass(slots=True)
class _Pause:
    until: float
    times: int


class LoginLimits:
    """Counts failures by account and by address."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._item = RateLimitItemPerMinute(A_MINUTE)
        self._window = MovingWindowRateLimiter(MemoryStorage())
        self._pauses: OrderedDict[str, _Pause] = OrderedDict()
        self._known: OrderedDict[tuple[str, str], None] = OrderedDict()

    def refuse(self, name: str, address: str) -> None:
        """Raise `TooManyRequestsError` while this account, or this address, has to wait.

        Without a *name*, as here and in `failed`, the address alone counts. Who has logged in from
        there before does not wait for what others at that address did: many share one, behind a
        proxy or a tunnel, and failing on purpose would keep all of them out.
        """
        now = self._clock()
        keys = self._keys(name, address)
        if (name, place_of(address)) in self._known:
            keys = keys[-1:]
        waits = [p.until - now for key in keys if (p := self._pauses.get(key))]
        if (longest := max(waits, default=0.0)) > 0:
            raise too_many(math.ceil(longest))

    def failed(self, name: str, address: str) -> None:
        """Count a log-in that was refused; the fifth within a minute begins a pause."""
        now = self._clock()
        for key in self._keys(name, address):
            self._window.hit(self._item, key)
            if not self._window.test(self._item, key):
                self._window.clear(self._item, key)
                self._pause(key, now)

    def succeeded(self, name: str, address: str) -> None:
        """Begin anew for this account, and remember that it came from this address.

        From there it is counted apart: who tries passwords elsewhere does not lock it out.
        """
        self._known[name, place_of(address)] = None
        if len(self._known) > _MOST:
            self._known.popitem(last=False)
        key = self._keys(name, address)[-1]
        self._window.clear(self._item, key)
        self._pauses.pop(key, None)

    def _pause(self, key: str, now: float) -> None:
        before = self._pauses.pop(key, None)
        goes_on = before is not None and now - before.until < _FORGOTTEN_AFTER
        times = before.times + 1 if before is not None and goes_on else 1
        span = min(FIRST_PAUSE * 2 ** (times - 1), LONGEST_PAUSE)
        self._pauses[key] = _Pause(now + span, times)
        if len(self._pauses) > _MOST:
            self._pauses.popitem(last=False)

    def _keys(self, name: str, address: str) -> tuple[str, ...]:
        place = place_of(address)
        account = f"{name}|{place}" if (name, place) in self._known else name
        return (f"address/{place}", f"account/{account}") if name else (f"address/{place}",)


def too_many(again: int) -> TooManyRequestsError:
    """Return the refusal of who has to come back in *again* seconds."""
    return TooManyRequestsError(
        f"too many failed log-ins: wait {again} seconds",
        again=again,
        hint="a token is taken meanwhile, and so is the command line on the service's machine; "
        "a new password does not end the pause",
    )


def place_of(address: str) -> str:
    """Return *address*, of an IPv6 one the network that one subscriber has."""
    try:
        found = ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(found, IPv6Address):
        if found.ipv4_mapped is not None:
            return str(found.ipv4_mapped)
        return str(ip_network((found, _PREFIX), strict=False))
    return str(found)

"""``icmp``: the host answers a ping; says nothing about its applications."""

from __future__ import annotations

from icmplib import ICMPLibError, SocketPermissionError, async_ping

from connectors.checks.attempt import Attempt
from drorch.errors import ConfigurationError, UnreachableError


async def check(attempt: Attempt) -> str:
    """Send one echo request: without privilege where the system lets us, else with."""
    host = attempt.text("host")
    attempt.asked = f"ping {host}"
    address = await attempt.world.network.resolve(host, 0)
    try:
        answer = await _ping(address, attempt.timeout)
    except SocketPermissionError as error:
        raise ConfigurationError(
            "this user may not send pings",
            hint="set sysctl net.ipv4.ping_group_range='0 2147483647', or give CAP_NET_RAW",
        ) from error
    except ICMPLibError as error:
        raise UnreachableError(f"no ping could be sent: {error}") from error
    if answer is None:
        raise UnreachableError(f"no echo within {attempt.timeout:g} s")
    return f"echo after {answer:.1f} ms"


async def _ping(address: str, timeout: float) -> float | None:
    """Return the round trip in milliseconds, None when nothing came back."""
    try:
        host = await async_ping(address, count=1, timeout=timeout, privileged=False)
    except SocketPermissionError:
        host = await async_ping(address, count=1, timeout=timeout, privileged=True)
    return float(host.avg_rtt) if host.is_alive else None

"""When a request of the HTTP client leaves: its connection stands, and no byte is out."""

from __future__ import annotations

from typing import Any

from drorch.ports.connector import Permit

_LEAVING = "http11.send_request_headers.started"


def departing(permit: Permit) -> dict[str, Any]:
    """Return the extensions of a request that asks *permit* as the last thing before it leaves.

    Waiting for a free connection and connecting come before; they may take seconds.
    """

    async def trace(name: str, _: object) -> None:
        if name == _LEAVING:
            permit()

    return {"trace": trace}

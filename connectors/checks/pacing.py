"""Not more guest agent pings than a hypervisor node can bear: they are slow and take turns."""

from __future__ import annotations

import asyncio

_EVERY = 1.0


class Pacing:
    """Lets one caller pass per key and second, in the order in which they came."""

    def __init__(self, every: float = _EVERY) -> None:
        self._every = every
        self._next: dict[tuple[str, str | None], float] = {}

    async def turn(self, connector: str, host: str | None) -> None:
        """Return when it is this caller's turn; a turn that is cancelled is lost."""
        loop = asyncio.get_running_loop()
        mine = max(self._next.get((connector, host), 0.0), loop.time())
        self._next[(connector, host)] = mine + self._every
        if mine > loop.time():
            await asyncio.sleep(mine - loop.time())

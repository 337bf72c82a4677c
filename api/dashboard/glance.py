"""What was last seen of the fleet, for pages: looked at in the background, and never waited for.

A page that waits for a hypervisor shows nothing just when people need it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeAlias

import structlog

from drorch.ports.clock import Clock

log = structlog.get_logger()

Json: TypeAlias = dict[str, Any]
Look: TypeAlias = Callable[[], Awaitable[Json]]

EVERY = 60.0
"""Seconds after which somebody who opens a page makes us look again."""
_FIRST = 2.0
"""Seconds that the first page waits, so that it need not say that nobody has looked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Glance:
    """The fleet as `api.estates.fleet` tells it, and when that was."""

    at: datetime
    fleet: Json


class FleetGlance:
    """Keeps the newest look, and takes another while pages are asked for."""

    def __init__(self, clock: Clock, look: Look) -> None:
        self._clock = clock
        self._look = look
        self._seen: Glance | None = None
        self._task: asyncio.Task[None] | None = None

    async def newest(self) -> Glance | None:
        """Return what was seen last; None where nobody has looked yet."""
        if self._is_due() and (self._task is None or self._task.done()):
            self._task = asyncio.create_task(self._take())
        if self._seen is None and self._task is not None:
            await asyncio.wait((self._task,), timeout=_FIRST)
        return self._seen

    def _is_due(self) -> bool:
        seen = self._seen
        return seen is None or (self._clock.now() - seen.at).total_seconds() >= EVERY

    async def _take(self) -> None:
        try:
            fleet = await self._look()
        except Exception:
            log.exception("glance.failed")
        else:
            self._seen = Glance(at=self._clock.now(), fleet=fleet)

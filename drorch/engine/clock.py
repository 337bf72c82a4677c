"""The real clock: wall time at the start of the process plus monotonic time."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime, timedelta


class SystemClock:
    """Never goes backwards, even when somebody sets the machine's clock in the night."""

    def __init__(self) -> None:
        self._began = datetime.now(UTC)
        self._zero = time.monotonic()

    def now(self) -> datetime:
        return self._began + timedelta(seconds=time.monotonic() - self._zero)

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

"""The port to time: wall clock for the record, monotonic for deadlines."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol


class Clock(Protocol):
    def now(self) -> datetime:
        """Return the time in UTC: the wall clock when the process began plus monotonic time.

        It never goes backwards while the process lives, whatever happens to the wall clock.
        """

    async def sleep(self, seconds: float) -> None:
        """Return after *seconds* of this clock."""

"""The port to ownership: exactly one process drives a run."""

from __future__ import annotations

from typing import Protocol


class Lease(Protocol):
    """Ownership of one run by this process, for as long as `lost` returns nothing."""

    @property
    def epoch(self) -> int | None:
        """Counts the owners of the run; what is appended under an older one is refused.

        None where the operating system ends a dead owner's lease by itself: nobody can be late.
        """

    def lost(self) -> str:
        """Tell why this process must not act for the run any more, empty while it may.

        Answers at once, from any thread, by the clock that runs on while the process is stopped.
        Once it has told a reason it never says again that all is well.
        """

    async def release(self) -> None:
        """Give the run up, so that another process may take it at once. Safe to repeat."""


class Leases(Protocol):
    async def acquire(self, run: str) -> Lease | None:
        """Take *run*, or return None while a living process holds it.

        The lease of a process that died, hangs or is cut off ends by itself.
        """

    async def is_held(self, run: str) -> bool:
        """Tell whether some living process drives *run*."""

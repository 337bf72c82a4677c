"""The port to ownership: exactly one process drives a run."""

from __future__ import annotations

from typing import Protocol


class Lease(Protocol):
    def release(self) -> None:
        """Give the run up, so that another process may take it at once. Safe to repeat."""


class Leases(Protocol):
    def acquire(self, run: str) -> Lease | None:
        """Take *run*, or return None while a living process holds it.

        The lease ends by itself the moment its holder's process dies.
        """

    def is_held(self, run: str) -> bool:
        """Tell whether some living process drives *run*."""

"""Permits for tests that order by hand: one that forbids nothing, and one that can forbid."""

from __future__ import annotations

from drorch.errors import OrderWithheldError, Withheld


def allowed() -> None:
    """Forbid nothing."""


class CountedPermit:
    """Counts how often it was asked; forbids as long as ``why`` says why."""

    def __init__(self, why: str = "") -> None:
        self.asked = 0
        self.why = why

    def __call__(self) -> None:
        self.asked += 1
        if self.why:
            raise OrderWithheldError(self.why, scope=Withheld.HOLD)

"""The port to callouts: named commands and web hooks that the configuration defines."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class CalloutResult:
    """``evidence`` is what it printed or answered, shortened, without secrets."""

    ok: bool
    evidence: str


class Callouts(Protocol):
    def knows(self, name: str) -> bool:
        """Tell whether the configuration defines *name*."""

    def repeatable(self, name: str) -> bool:
        """Tell whether running it a second time is declared harmless."""

    async def call(self, name: str, arguments: Mapping[str, str]) -> CalloutResult:
        """Carry it out once, within its configured time."""

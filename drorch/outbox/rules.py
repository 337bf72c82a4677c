"""Which events become messages, and when a delivery is tried again: rules without any I/O."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from enum import StrEnum
from typing import get_args

from drorch.run import events as ev

KINDS: frozenset[str] = frozenset(cls.type for cls in get_args(ev.Event))
"""Every type of event that a run can record."""
DEFAULT_EVENTS = ("run.*", "step.asked", "step.failed", "answer.overdue", "service.*")
"""What people are told unless the configuration says otherwise."""
TEST = "webhook.test"
"""The type of the message that a person asks for, to see whether a hook works."""

WAITS: Sequence[float] = (5, 300, 1800, 7200, 18_000, 36_000, 50_400, 72_000, 86_400)
"""Seconds after each try that failed; after one more try a message is given up."""
TRIES = len(WAITS) + 1
_LONGEST_ASKED = 3600.0
_JITTER = 0.2
OLDEST = 4 * 86_400.0
"""Seconds; what happened longer ago becomes no message: a hook that was away tells no old news."""


class Verdict(StrEnum):
    """What one try came to."""

    DELIVERED = "delivered"
    AGAIN = "again"
    """It did not arrive, or nobody knows whether it did."""
    GONE = "gone"
    """The target wants no message any more (410)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of a try: *reason* is for people, *wait* the seconds that the target asks for."""

    verdict: Verdict
    reason: str = ""
    wait: float = 0.0


def chosen(patterns: Iterable[str]) -> frozenset[str]:
    """Return the types of event that *patterns* name; ``run.*`` and ``*`` stand for several.

    Raises ValueError for a pattern that fits none.
    """
    found: set[str] = set()
    for pattern in patterns:
        fitting = {kind for kind in KINDS if _fits(kind, pattern)}
        if not fitting:
            near = get_close_matches(pattern, sorted(KINDS), 1)
            guess = f"; did you mean {near[0]}?" if near else ""
            raise ValueError(f"there is no event {pattern!r}{guess} (docs/webhooks.md lists them)")
        found |= fitting
    return frozenset(found)


def _fits(kind: str, pattern: str) -> bool:
    return kind.startswith(pattern[:-1]) if pattern.endswith("*") else kind == pattern


def wait_after(tries: int, chance: float, asked: float = 0.0) -> float | None:
    """Return the seconds until the next try after *tries* that failed; None: it is given up.

    *chance*, from 0 to 1, adds up to a fifth, so that many do not come at once. What the target
    *asked* for is heeded up to an hour; the schedule's own wait is never shortened.
    """
    if tries > len(WAITS):
        return None
    own = WAITS[tries - 1] * (1 + _JITTER * chance)
    return max(own, min(asked, _LONGEST_ASKED))

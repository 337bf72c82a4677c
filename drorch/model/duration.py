"""How a duration is written in a plan, and wherever a sentence speaks of a plan's own."""

from __future__ import annotations

from datetime import timedelta

_MILLISECONDS = {"h": 3_600_000, "m": 60_000, "s": 1000, "ms": 1}


def format_duration(duration: timedelta) -> str:
    """Write *duration* as a plan does, ``1h30m`` or ``200ms``: the shortest exact form."""
    rest = round(duration.total_seconds() * 1000)
    parts = []
    for unit, size in _MILLISECONDS.items():
        count, rest = divmod(rest, size)
        if count:
            parts.append(f"{count}{unit}")
    return "".join(parts) or "0s"


def format_seconds(seconds: float) -> str:
    """Write what was measured as a plan would, to the second."""
    return format_duration(timedelta(seconds=round(seconds)))

"""Moments as a report writes them: without the day where it is that of the beginning."""

from __future__ import annotations

from collections.abc import Callable

from api.locale import day, time_of_day


def moments_of(began: str | None, zone: str) -> Callable[[str | None], str]:
    """Return what writes a moment: the time, and before it the day if it is another one."""
    first = day(began, zone)

    def told(at: str | None) -> str:
        own = day(at, zone)
        time = time_of_day(at, zone)
        return time if own == first or not own else f"{own[:5]} {time}"

    return told

"""Durations and moments as a report writes them: units that both languages share."""

from __future__ import annotations

from collections.abc import Callable

from api.locale import day, time_of_day


def spelt(seconds: float | None) -> str:
    """Return a duration as people say it: ``45 s``, ``14 min 20 s``, ``1 h 05 min``."""
    if seconds is None:
        return ""
    if 0 < seconds < 0.5:
        return "< 1 s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        minutes, rest = divmod(whole, 60)
        return f"{minutes} min {rest:02} s" if rest else f"{minutes} min"
    hours, minutes = divmod(round(whole / 60), 60)
    return f"{hours} h {minutes:02} min" if minutes else f"{hours} h"


def signed(seconds: float) -> str:
    """Return a difference: ``+3 min``, ``=`` for less than half a second."""
    if abs(seconds) < 0.5:
        return "="
    sign = "+" if seconds > 0 else "\N{MINUS SIGN}"
    return f"{sign}{spelt(abs(seconds))}"


def moments_of(began: str | None, zone: str) -> Callable[[str | None], str]:
    """Return what writes a moment: the time, and before it the day if it is another one."""
    first = day(began, zone)

    def told(at: str | None) -> str:
        own = day(at, zone)
        time = time_of_day(at, zone)
        return time if own == first or not own else f"{own[:5]} {time}"

    return told

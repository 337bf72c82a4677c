"""Durations and moments as people read them."""

from __future__ import annotations

from datetime import datetime


def span(seconds: float | None) -> str:
    """Return *seconds* at a glance: ``8s``, ``2m05s``, ``1h02m``; a dash for none."""
    if seconds is None:
        return "-"
    whole = max(0, round(seconds))
    if whole < 60:
        return f"{whole}s"
    if whole < 3600:
        minutes, rest = divmod(whole, 60)
        return f"{minutes}m{rest:02d}s" if rest else f"{minutes}m"
    hours, rest = divmod(whole, 3600)
    return f"{hours}h{rest // 60:02d}m" if rest >= 60 else f"{hours}h"


def moment(text: str | None) -> datetime | None:
    """Return the time that an output wrote as RFC 3339."""
    return None if text is None else datetime.fromisoformat(text)


def clock_time(text: str | None) -> str:
    """Return a recorded time as the local clock shows it."""
    at = moment(text)
    return "" if at is None else at.astimezone().strftime("%H:%M:%S")


def day_and_time(text: str | None) -> str:
    at = moment(text)
    return "" if at is None else at.astimezone().strftime("%Y-%m-%d %H:%M:%S")


def between(began: str | None, ended: str | None) -> float | None:
    """Return the seconds between two recorded times."""
    first, last = moment(began), moment(ended)
    return None if first is None or last is None else (last - first).total_seconds()

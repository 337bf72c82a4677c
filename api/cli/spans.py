"""Moments as people read them at a terminal, and how long one is from another."""

from __future__ import annotations

from datetime import datetime

from api.locale import _
from drorch.model.hours import zone_named


def moment(text: str | None) -> datetime | None:
    """Return the time that an output wrote as RFC 3339."""
    return None if text is None else datetime.fromisoformat(text)


def in_zone(at: datetime, zone: str = "") -> datetime:
    """Return *at* as the clocks in *zone* show it; without one, as this machine's clock does."""
    return at.astimezone(zone_named(zone) if zone else None)


def zone_words(zone: str) -> str:
    """Return the name of the zone whose time `in_zone` gives."""
    return zone if zone and zone_named(zone) else _("this machine's clock")


def clock_time(text: str | None, zone: str = "") -> str:
    """Return a recorded time as the clocks in *zone* show it."""
    at = moment(text)
    return "" if at is None else in_zone(at, zone).strftime("%H:%M:%S")


def day_and_time(text: str | None, zone: str = "") -> str:
    at = moment(text)
    return "" if at is None else in_zone(at, zone).strftime("%Y-%m-%d %H:%M:%S")


def between(began: str | None, ended: str | None) -> float | None:
    """Return the seconds between two recorded times."""
    first, last = moment(began), moment(ended)
    return None if first is None or last is None else (last - first).total_seconds()

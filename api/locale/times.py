"""Moments as people read them: in their language, in the zone where the service's people live."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

from babel.dates import format_date

from api.locale.catalogue import LANGUAGES, WRITTEN
from api.locale.speaking import language
from drorch.model.hours import zone_named

_ORDER = ("it", "en")


def _there(value: str | datetime | None, zone: str) -> datetime | None:
    if not value:
        return None
    at = datetime.fromisoformat(value) if isinstance(value, str) else value
    return at.astimezone(zone_named(zone) or UTC)


def time_of_day(value: str | datetime | None, zone: str) -> str:
    """Return a moment as HH:MM:SS; empty for none."""
    at = _there(value, zone)
    return at.strftime("%H:%M:%S") if at else ""


def hour_and_minute(value: str | datetime | None, zone: str) -> str:
    """Return a moment as HH:MM; empty for none."""
    return time_of_day(value, zone)[:5]


def day(value: str | datetime | None, zone: str) -> str:
    """Return the date of a moment, day first as both our languages have it; empty for none."""
    at = _there(value, zone)
    return at.strftime("%d/%m/%Y") if at else ""


def day_and_minute(value: str | datetime | None, zone: str) -> str:
    """Return a moment with its date, to the minute; empty for none."""
    at = _there(value, zone)
    return at.strftime("%d/%m/%Y %H:%M") if at else ""


def day_and_time(value: str | datetime | None, zone: str) -> str:
    """Return a moment with its date and the name of its zone; empty for none."""
    at = _there(value, zone)
    return at.strftime("%d/%m/%Y %H:%M:%S %Z") if at else ""


def long_day(value: str | datetime | None, zone: str) -> str:
    """Return the date of a moment in words, with its day of the week; empty for none."""
    at = _there(value, zone)
    if at is None:
        return ""
    spoken = of_babel()
    return format_date(at, "full", locale="en_GB" if spoken == WRITTEN else spoken)


def of_babel() -> str:
    """Return the language spoken here as babel knows it: English for one that it may not know."""
    return language() if language() in LANGUAGES else WRITTEN


def of_plan(text: Mapping[str, str]) -> str:
    """Return a text of a plan in the language spoken here, else in any that it has."""
    for code in (language(), *_ORDER):
        if found := text.get(code):
            return found
    return next(iter(text.values()), "")

"""When a service has to be open again: the next opening after a moment, on the wall clock there."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from drorch.model.plan import OpeningHours

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
LOOKED_AHEAD = 400
"""Days: what stays closed for longer has no next opening."""


def next_opening(hours: OpeningHours, after: datetime, zone: ZoneInfo) -> datetime | None:
    """Return the first opening later than *after*, in UTC; None when none is in sight.

    No days means every day. A time that the night of a clock change skips is read as RFC 5545
    does, with the offset before the change (02:30 is 03:30 then); one that it repeats is the
    first of the two.
    """
    opens = time.fromisoformat(hours.time)
    # A day earlier: a time that is skipped around midnight opens on the day after its own.
    first = after.astimezone(zone).date() - timedelta(days=1)
    for ahead in range(LOOKED_AHEAD + 2):
        day = first + timedelta(days=ahead)
        if _is_open(hours, day):
            at = datetime.combine(day, opens, tzinfo=zone).astimezone(UTC)
            if at > after:
                return at
    return None


def _is_open(hours: OpeningHours, day: date) -> bool:
    if hours.days and DAYS[day.weekday()] not in hours.days:
        return False
    return day.isoformat() not in hours.closed


def zone_named(name: str) -> ZoneInfo | None:
    """Return the time zone *name*, or None where this machine does not know it."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return None

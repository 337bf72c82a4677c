"""The next opening: days, closed dates, and the two nights on which the clock changes."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drorch.model.hours import DAYS, LOOKED_AHEAD, next_opening, zone_named
from drorch.model.plan import OpeningHours

ROME = ZoneInfo("Europe/Rome")
WEEKDAYS = DAYS[:5]


def rome(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=ROME)


@pytest.mark.parametrize(
    ("hours", "after", "opens"),
    [
        (OpeningHours(time="08:15"), "2026-11-22T03:07", "2026-11-22T08:15"),
        (OpeningHours(time="08:15"), "2026-11-22T08:14:59", "2026-11-22T08:15"),
        (OpeningHours(time="08:15"), "2026-11-22T08:15", "2026-11-23T08:15"),
        (OpeningHours(time="00:00"), "2026-12-31T23:59", "2027-01-01T00:00"),
        # A Friday evening.
        (OpeningHours(time="08:15", days=WEEKDAYS), "2026-11-20T18:00", "2026-11-23T08:15"),
        (OpeningHours(time="08:15", days=("fri",)), "2026-11-20T18:00", "2026-11-27T08:15"),
        (
            OpeningHours(time="08:15", days=WEEKDAYS, closed=("2026-11-23", "2026-11-24")),
            "2026-11-20T18:00",
            "2026-11-25T08:15",
        ),
        (
            OpeningHours(time="08:15", closed=("2026-12-25",)),
            "2026-12-24T20:00",
            "2026-12-26T08:15",
        ),
    ],
)
def test_the_next_opening(hours: OpeningHours, after: str, opens: str) -> None:
    at = next_opening(hours, rome(after), ROME)
    assert at == rome(opens)
    assert at is not None
    assert at.tzinfo is UTC


@pytest.mark.parametrize(
    ("time", "after", "opens"),
    [
        # The night to 29 March 2026 skips 02:00 to 03:00.
        ("08:15", "2026-03-29T00:30:00Z", "2026-03-29T06:15:00Z"),
        ("08:15", "2026-03-28T08:00:00Z", "2026-03-29T06:15:00Z"),
        ("02:30", "2026-03-28T23:00:00Z", "2026-03-29T01:30:00Z"),
        ("02:30", "2026-03-29T01:30:00Z", "2026-03-30T00:30:00Z"),
        # The night to 25 October 2026 has 02:00 to 03:00 twice.
        ("08:15", "2026-10-25T00:30:00Z", "2026-10-25T07:15:00Z"),
        ("02:30", "2026-10-24T22:00:00Z", "2026-10-25T00:30:00Z"),
        ("02:30", "2026-10-25T00:45:00Z", "2026-10-26T01:30:00Z"),
    ],
)
def test_nights_of_a_clock_change(time: str, after: str, opens: str) -> None:
    at = next_opening(OpeningHours(time=time), datetime.fromisoformat(after), ROME)
    assert at == datetime.fromisoformat(opens)


def test_the_day_is_the_one_over_there() -> None:
    """Sunday evening in Rome is Monday morning in Auckland already."""
    hours = OpeningHours(time="08:15", days=("mon",))
    at = next_opening(hours, rome("2026-11-22T18:00"), ZoneInfo("Pacific/Auckland"))
    assert at == datetime(2026, 11, 22, 19, 15, tzinfo=UTC)


def test_a_day_that_a_country_skipped_opens_on_the_next() -> None:
    hours = OpeningHours(time="08:15", days=("fri",))
    at = next_opening(hours, datetime(2011, 12, 30, 10, 30, tzinfo=UTC), ZoneInfo("Pacific/Apia"))
    assert at == datetime(2011, 12, 30, 18, 15, tzinfo=UTC)  # Saturday 31 there


def test_what_never_opens_has_no_opening() -> None:
    first = date(2026, 11, 1)
    closed = tuple((first + timedelta(days=n)).isoformat() for n in range(LOOKED_AHEAD + 60))
    assert (
        next_opening(OpeningHours(time="08:15", closed=closed), rome("2026-11-22T03:00"), ROME)
        is None
    )
    far = OpeningHours(time="08:15", closed=closed[: 22 + 390])
    assert next_opening(far, rome("2026-11-22T03:00"), ROME) == rome("2027-12-18T08:15")


@pytest.mark.parametrize("name", ["", "Europe", "Europe/Rom", "../../etc/passwd", "Rome", "a\0b"])
def test_what_is_no_zone(name: str) -> None:
    assert zone_named(name) is None


_ZONES = ("Europe/Rome", "America/New_York", "Australia/Lord_Howe", "Pacific/Apia", "UTC")


@settings(max_examples=300, deadline=None)
@given(
    zone=st.sampled_from(_ZONES).map(ZoneInfo),
    after=st.datetimes(datetime(2009, 1, 1), datetime(2035, 1, 1), timezones=st.just(UTC)),
    minute=st.integers(0, 24 * 60 - 1),
    days=st.lists(st.sampled_from(DAYS), unique=True).map(tuple),
)
def test_it_is_the_first_opening_that_is_later(
    zone: ZoneInfo, after: datetime, minute: int, days: tuple[str, ...]
) -> None:
    hours = OpeningHours(time=f"{minute // 60:02}:{minute % 60:02}", days=days)
    at = next_opening(hours, after, zone)
    assert at is not None
    assert at > after
    # From a moment before it nothing comes first, and what is open at that time is a day of its.
    between = after + (at - after) / 2
    assert next_opening(hours, between, zone) == at
    assert next_opening(hours, at - timedelta(seconds=1), zone) == at
    local = at.astimezone(zone)
    written = [(local - timedelta(days=d)).date() for d in (0, 1)]
    assert any(not days or DAYS[day.weekday()] in days for day in written)
    if local.strftime("%H:%M") != hours.time:  # only where the clock skipped it
        before, behind = (at + timedelta(hours=h) for h in (-26, 26))
        assert before.astimezone(zone).utcoffset() != behind.astimezone(zone).utcoffset()

"""Durations and times as people write them, rightly and wrongly."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drorch.model.duration import format_duration
from plans.units import LONGEST, guess_duration, guess_time, parse_duration


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("90s", 90),
        ("5m", 300),
        ("1h30m", 5400),
        ("1d2h3m4s", 93784),
        ("500ms", 0.5),
        ("0s", 0),
        ("1s5ms", 1.005),
    ],
)
def test_durations(text: str, seconds: float) -> None:
    assert parse_duration(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize(
    "text", ["", "5", "5 m", "m", "1.5h", "30m1h", "1h1h", "-5m", "5M", "\u0665m", "5m ", "9999d"]
)
def test_what_is_no_duration(text: str) -> None:
    assert parse_duration(text) is None


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("5 minutes", "5m"),
        ("5min", "5m"),
        ("1,5 ore", "1h30m"),
        ("1.5h", "1h30m"),
        ("90 secondi", "1m30s"),
        ("2 giorni", "48h"),
        ("1h 30m", "1h30m"),
        ("1 hour and 30 minutes", "1h30m"),
        ("30m1h", "1h30m"),
        ("00:05:00", "5m"),
        ("PT1H30M", "1h30m"),
        ("250 milliseconds", "250ms"),
        ("soon", None),
        ("5 parsecs", None),
        ("", None),
        ("99999 days", None),
    ],
)
def test_guesses_at_durations(text: str, meant: str | None) -> None:
    assert guess_duration(text) == meant


@pytest.mark.parametrize(
    ("text", "meant"),
    [("8:15", "08:15"), ("8.15", "08:15"), ("08h15", "08:15"), ("25:00", None), ("noon", None)],
)
def test_guesses_at_times(text: str, meant: str | None) -> None:
    assert guess_time(text) == meant


@given(st.integers(min_value=0, max_value=int(LONGEST.total_seconds() * 1000)))
def test_what_is_written_is_read_back(milliseconds: int) -> None:
    duration = timedelta(milliseconds=milliseconds)
    assert parse_duration(format_duration(duration)) == duration


@given(st.text(max_size=40))
def test_guesses_are_durations(text: str) -> None:
    guess = guess_duration(text)
    assert guess is None or parse_duration(guess) is not None

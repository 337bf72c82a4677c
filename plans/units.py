"""Durations and times of day as plans write them, and what somebody probably meant."""

from __future__ import annotations

import re
from datetime import timedelta

from drorch.model.duration import format_duration

LONGEST = timedelta(days=366)
DURATION = (
    r"(?=[0-9])(?:[0-9]{1,9}d)?(?:[0-9]{1,9}h)?(?:[0-9]{1,9}m)?(?:[0-9]{1,9}s)?(?:[0-9]{1,9}ms)?"
)
CLOCK_TIME = r"(?:[01][0-9]|2[0-3]):[0-5][0-9]"

_PARTS = re.compile(r"([0-9]+)(ms|[dhms])")
_DURATION = re.compile(DURATION + r"\Z")
_MILLISECONDS = {"d": 86_400_000, "h": 3_600_000, "m": 60_000, "s": 1000, "ms": 1}
# English and Italian, because that is what people type at night.
_WORDY_PART = re.compile(
    r"([0-9]{1,9}(?:[.,][0-9]{1,3})?)\s*"
    r"(ms|milli[a-z]*|d(?:ays?)?|giorn[oi]|h(?:ou)?(?:rs?)?|or[ae]|m(?:in)?[a-z]*|s(?:ec)?[a-z]*)(?![a-z])"
)
_WORDY = re.compile(rf"(?:{_WORDY_PART.pattern}[\s,]*(?:and|e)?\s*)+\Z")
_COLONS = re.compile(r"([0-9]{1,3}):([0-9]{2}):([0-9]{2})\Z")
_LOOSE_TIME = re.compile(r"([0-9]{1,2})[.:h]([0-9]{1,2})\Z")


def parse_duration(text: str) -> timedelta | None:
    """Return the duration written as ``90s``, ``5m`` or ``1h30m``; None if it is not one."""
    if not is_duration(text):
        return None
    return _sum(_PARTS.findall(text))


def is_duration(text: str) -> bool:
    """Tell whether *text* is written as a duration, also if it is longer than `LONGEST`."""
    return _DURATION.match(text) is not None


def guess_duration(text: str) -> str | None:
    """Return how the duration that *text* seems to mean is written, if that is clear."""
    lowered = text.strip().lower()
    if colons := _COLONS.match(lowered):
        parts = list(zip(colons.groups(), ("h", "m", "s"), strict=True))
    elif _WORDY.match(lowered.removeprefix("pt")):
        parts = [(n, _unit(word)) for n, word in _WORDY_PART.findall(lowered)]
    else:
        return None
    guessed = _sum([(n.replace(",", "."), unit) for n, unit in parts])
    return None if guessed is None else format_duration(guessed)


def guess_time(text: str) -> str | None:
    """Return the time of day that *text* seems to mean, as HH:MM."""
    loose = _LOOSE_TIME.match(text.strip())
    if loose is None:
        return None
    hours, minutes = int(loose[1]), int(loose[2])
    fits = hours < 24 and minutes < 60
    return f"{hours:02}:{minutes:02}" if fits else None


def _unit(word: str) -> str:
    if word.startswith(("ms", "milli")):
        return "ms"
    if word.startswith("g"):
        return "d"
    return "h" if word.startswith("o") else word[0]


def _sum(parts: list[tuple[str, str]]) -> timedelta | None:
    total = sum(float(number) * _MILLISECONDS[unit] for number, unit in parts)
    if total > LONGEST.total_seconds() * 1000:
        return None
    return timedelta(milliseconds=total)

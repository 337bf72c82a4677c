"""Durations as people read them, in their language. A plan's own words: `drorch.model.duration`."""

from __future__ import annotations

from api.locale.speaking import pgettext

_HOUR = 3600
_MANY_HOURS = 48


def spelt(seconds: float | None) -> str:
    """Return a duration as people say it: ``45 s``, ``14 min 20 s``, ``1 h 05 min``, ``3 d 4 h``.

    It is as exact as anybody needs: to the second below an hour, to the minute below two days.
    Empty for none.
    """
    if seconds is None:
        return ""
    if 0 < seconds < 0.5:
        return pgettext("a duration", "< 1 s")
    whole = max(0, round(seconds))
    if whole < _HOUR:
        return _below_an_hour(whole)
    hours, minutes = divmod(round(whole / 60), 60)
    if hours >= _MANY_HOURS:
        return _days(round(whole / _HOUR))
    if minutes:
        return pgettext("a duration", "{n} h {minutes} min", n=hours, minutes=f"{minutes:02}")
    return pgettext("a duration", "{n} h", n=hours)


def _below_an_hour(whole: int) -> str:
    if whole < 60:
        return pgettext("a duration", "{n} s", n=whole)
    minutes, rest = divmod(whole, 60)
    if rest:
        return pgettext("a duration", "{n} min {seconds} s", n=minutes, seconds=f"{rest:02}")
    return pgettext("a duration", "{n} min", n=minutes)


def _days(hours: int) -> str:
    days, rest = divmod(hours, 24)
    if rest:
        return pgettext("a duration", "{n} d {hours} h", n=days, hours=rest)
    return pgettext("a duration", "{n} d", n=days)


def signed(seconds: float) -> str:
    """Return a difference: ``+3 min``, ``=`` for less than half a second."""
    if abs(seconds) < 0.5:
        return "="
    sign = "+" if seconds > 0 else "\N{MINUS SIGN}"
    return f"{sign}{spelt(abs(seconds))}"

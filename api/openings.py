"""The opening that a service has to be back for, in words: for the screens and the pages."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple, TypeAlias

from babel.dates import format_datetime

from api.locale import _, ngettext, spelt
from api.locale.times import of_babel
from drorch.model.hours import zone_named

Json: TypeAlias = dict[str, Any]

_THIS_WEEK = timedelta(days=6)
"""Further away a day of the week alone would be mistaken."""


class Opening(NamedTuple):
    """``at`` is what is still ahead; None when it is met, missed, or nobody can tell."""

    words: str
    at: datetime | None
    missed: bool = False


def opening(service: Json, run: Json, now: datetime) -> Opening | None:
    """Return what to say of a service's opening, in the local time of the run's zone."""
    hours = service["open_by"]
    if hours is None:
        return None
    if hours["at"] is None:
        return Opening(_("open by {time}", time=hours["time"]), None)
    at = datetime.fromisoformat(hours["at"])
    when, met = local(at, run["timezone"], now), hours["met"]
    watched = not service["external"] and run["mode"] != "dry-run"
    if met is None and watched and not run["ended_at"] and at < now:
        met = False  # its service is not up yet, and the time is over
    if met is not None:
        if met:
            return Opening(_("open by {when} met", when=when), None)
        return Opening(_("open by {when} MISSED", when=when), None, missed=True)
    if run["ended_at"] or at < now:
        return Opening(_("opens {when}", when=when), None)
    return Opening(_("opens {when} (in {left})", when=when, left=_left(at - now)), at)


def openings_line(run: Json, now: datetime) -> tuple[str, bool]:
    """Return the next opening of all services in words, and whether one was missed."""
    told = list(_told(run, now))
    ahead = [at for one in told if (at := one.at) is not None]
    missed = sum(one.missed for one in told)
    words = [ngettext("{n} opening MISSED", "{n} openings MISSED", missed)] if missed else []
    if ahead:
        first = min(ahead)
        when, left = local(first, run["timezone"], now), _left(first - now)
        words.append(_next_opening(ahead.count(first), when, left))
    return " · ".join(words), bool(missed)


def _next_opening(many: int, when: str, left: str) -> str:
    if many > 1:
        return _("next opening for {n}: {when} (in {left})", n=many, when=when, left=left)
    return _("next opening: {when} (in {left})", when=when, left=left)


def _told(run: Json, now: datetime) -> Iterator[Opening]:
    for service in run["services"]:
        if not service["external"] and (one := opening(service, run, now)) is not None:
            yield one


def local(at: datetime, zone: str, now: datetime) -> str:
    """Return a moment as ``Mon 08:15`` there, with the date when it is not this week."""
    near = abs(at - now) < _THIS_WEEK
    there = at.astimezone(zone_named(zone) or UTC)
    return format_datetime(there, "EEE HH:mm" if near else "EEE dd MMM HH:mm", locale=of_babel())


def _left(span: timedelta) -> str:
    minutes = round(span.total_seconds() / 60)
    return spelt(60 * minutes) if minutes else _("less than 1 min")

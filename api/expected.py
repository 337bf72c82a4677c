"""What a forecast says to people: when it ends, whether that is in time, and on what it stands."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any, NamedTuple, TypeAlias

from api.locale import _, ngettext, spelt
from api.locale import told as spoken
from drorch.model.hours import zone_named

Json: TypeAlias = dict[str, Any]

_FAR = timedelta(hours=12)
"""A moment that is further away is told with its day."""


_ROUNDED = 300
"""Seconds from where a margin is told in whole minutes."""


class Outlook(NamedTuple):
    """``words`` are empty where nothing is forecast; ``tone`` is ``late``, ``risk`` or empty."""

    words: str
    tone: str


def expected(eta: Json | None, zone: str, now: datetime) -> str:
    """Return the middle and the late end of a forecast, as ``05:10-05:40``; empty for none."""
    if eta is None:
        return ""
    late = datetime.fromisoformat(eta["p90"]) + timedelta(seconds=59)  # a minute that has begun
    first, last = _minute(datetime.fromisoformat(eta["p50"]), zone, now), _minute(late, zone, now)
    return first if first == last else f"{first}-{last}"


def _minute(at: datetime, zone: str, now: datetime) -> str:
    form = "%d/%m %H:%M" if at - now > _FAR else "%H:%M"
    return at.astimezone(zone_named(zone) if zone else None).strftime(form)


def ends(run: Json, zone: str, now: datetime) -> str:
    """Return the end in a few words; empty where nothing is forecast."""
    when = expected(run.get("eta"), zone, now)
    if not when:
        return ""
    if run["eta_basis"]["incomplete"]:
        return _("the rest is up at {when}", when=when)
    return _("the end is expected at {when}", when=when)


def outlook(run: Json, zone: str, now: datetime) -> Outlook:
    """Return when an open run is expected to end, if it can by itself, and on what that stands."""
    basis = run.get("eta_basis")  # a service of an older version has none
    if run["ended_at"] or basis is None:
        return Outlook("", "")
    if run["eta"] is None:
        return Outlook(_("nothing more comes up without a person"), "risk")
    verdict, tone = _verdict(run)
    parts = [f"{ends(run, zone, now)} ({stands_on(basis)})", verdict, *_conditions(basis)]
    return Outlook(", ".join(part for part in parts if part), tone)


def basis_words(run: Json) -> str:
    """Return on what the forecast of an open run stands; empty where there is none."""
    basis = run.get("eta_basis")
    if run["ended_at"] or basis is None:
        return ""
    if run["eta"] is None:
        return _("nothing more comes up without a person")
    return ", ".join([stands_on(basis), *_conditions(basis)])


def stands_on(basis: Json) -> str:
    """Say what a forecast was made from."""
    if not basis["runs"] or not basis["learned"]:
        return _("only guesses") if basis["guessed"] else _("as the plan says")
    told = ngettext("from {n} earlier run", "from {n} earlier runs", basis["runs"])
    if not basis["guessed"]:
        return told
    return told + ", " + ngettext("{n} step guessed", "{n} steps guessed", basis["guessed"])


def _conditions(basis: Json) -> Iterator[str]:
    if many := basis["answers"]:
        yield ngettext("if {n} answer comes in time", "if {n} answers come in time", many)
    if basis["assumes"]:
        what = ", ".join(spoken(thing) for thing in basis["assumes"])
        yield _("once this is over: {what}", what=what)
    if many := basis["left_out"]:
        yield ngettext(
            "without {n} step that nothing brings up by itself",
            "without {n} steps that nothing brings up by itself",
            many,
        )


def _verdict(run: Json) -> tuple[str, str]:
    """Compare with the objective: late by the middle of the forecast, at risk by its late end."""
    if not run["rto"] or run["started_at"] is None:
        return "", ""
    goal = datetime.fromisoformat(run["started_at"]) + timedelta(seconds=run["rto"]["seconds"])
    if datetime.fromisoformat(run["eta"]["p50"]) > goal:
        return _("the objective will probably be MISSED"), "late"
    spare = (goal - datetime.fromisoformat(run["eta"]["p90"])).total_seconds()
    if spare < 0:
        return _("the objective is at risk"), "risk"
    if run["eta_basis"]["incomplete"]:
        return "", ""
    whole = spare if spare < _ROUNDED else 60 * (spare // 60)
    return _("{time} before the objective", time=spelt(whole)), ""

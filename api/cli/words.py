"""Events as one line each, for people; what is not worth a line has none."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import NamedTuple

from api.cli.access import Json
from api.cli.program import repeat_options
from api.cli.spans import clock_time, day_and_time
from api.event_words import Clock, Tone, told_event

GOOD, BAD, WARN, ASK, CALM = "green", "bold red", "yellow", "bold magenta", "cyan"
_STYLES: Mapping[Tone, str] = {
    Tone.GOOD: GOOD,
    Tone.BAD: BAD,
    Tone.WARN: WARN,
    Tone.ASK: ASK,
    Tone.CALM: CALM,
}
MINOR = frozenset({"machine.running", "step.started"})
"""Told in a log of plain lines, but too many for a short list of what happened last."""


class Line(NamedTuple):
    """One thing that happened: when, about what, and in which colour."""

    at: str
    text: str
    style: str


def tell(event: Json, zone: str = "") -> Line | None:
    """Return the line for *event*, or None when it is not worth one. Times are those of *zone*."""
    clock = Clock(partial(clock_time, zone=zone), partial(day_and_time, zone=zone))
    told = told_event(event, clock)
    if told is None or told.quiet:
        return None
    is_asked_for = event["type"] == "run.requested"  # it names a command that is there to be typed
    text = repeat_options(told.text) if is_asked_for else told.text
    return Line(clock_time(event["at"], zone), text, _STYLES[told.tone])

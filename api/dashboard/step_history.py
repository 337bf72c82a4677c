"""What the journal tells of one step: its attempts, and how its checks went."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeAlias

from api.event_words import Clock, Tone, told_event
from api.locale import day_and_minute, time_of_day

Json: TypeAlias = dict[str, Any]

_NEWEST = 12
_LONGEST = 400
_CLASSES = {Tone.GOOD: "good", Tone.BAD: "bad", Tone.WARN: "tight", Tone.ASK: "tight"}
_BAD = frozenset({"attempt.failed", "step.put-back", "order.voided", "machine.lost"})


@dataclass(slots=True, kw_only=True)
class Attempt:
    """One attempt. ``result``: open, healthy, failed, put back (nothing was received), in doubt.

    Times are those of the journal, None where it did not come so far.
    """

    number: int
    order: str
    begun_at: str
    accepted_at: str | None = None
    running_at: str | None = None
    ended_at: str | None = None
    result: str = "open"
    detail: str = ""
    handle: str = ""


def attempts_of(events: Iterable[Json]) -> list[Attempt]:
    """Return the attempts that *events* of one step tell of, oldest first."""
    found: list[Attempt] = []
    for event in events:
        if event["type"] == "step.started":
            order = event["data"].get("order", "")
            number = int(event["data"]["attempt"])
            found.append(Attempt(number=number, order=order, begun_at=event["at"]))
        elif found:
            _go_on(found[-1], event)
    return found


def _go_on(attempt: Attempt, event: Json) -> None:
    kind, at, data = event["type"], event["at"], event["data"]
    match kind:
        case "order.accepted":
            attempt.accepted_at, attempt.handle = at, data.get("handle", "")
        case "machine.running":
            attempt.running_at = at
        case "order.in-doubt":
            attempt.result, attempt.detail = "in doubt", data.get("reason", "")
        case "step.healthy" | "step.accepted":
            attempt.ended_at, attempt.result = at, "healthy"
        case "step.failed" | "step.skipped":
            attempt.ended_at = attempt.ended_at or at
        case _ if kind in _BAD and attempt.ended_at is None:
            attempt.ended_at = at
            attempt.result = "put back" if kind == "step.put-back" else "failed"
            attempt.detail = data.get("detail") or data.get("reason") or attempt.detail


def answers_of(events: Iterable[Json], check: str) -> Sequence[Json]:
    """Return what changed about a check, newest first: ``at``, ``healthy``, ``evidence``."""
    found: list[Json] = []
    for event in events:
        data = event["data"]
        if event["type"] == "check.changed" and data.get("check") == check:
            seen = {"healthy": data["healthy"], "evidence": data["evidence"]}
            found.append({"at": event["at"], **seen})
        elif event["type"] == "step.healthy" and check in data.get("checks", {}):
            found.append({"at": event["at"], **data["checks"][check]})
    return found[::-1][:_NEWEST]


def event_line(event: Json, zone: str) -> Json:
    """Return an event with its sentence (``words``, ``tone``), for one line of a page.

    ``by`` is the person behind it, where the sentence does not name them.
    """
    time, day = partial(time_of_day, zone=zone), partial(day_and_minute, zone=zone)
    told = told_event(event, Clock(time, day))
    words = told.text if told else event.get("step") or ""
    by = event.get("actor") or ""
    return {
        **event,
        "words": words if len(words) <= _LONGEST else f"{words[: _LONGEST - 1]}…",
        "tone": _CLASSES.get(told.tone, "") if told else "",
        "by": "" if by == "drorch" or by in words else by,
    }

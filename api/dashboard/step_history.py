"""What the journal tells of one step: its attempts, and how its checks went."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

Json: TypeAlias = dict[str, Any]

_NEWEST = 12
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


def event_line(event: Json) -> Json:
    """Return an event with what it says beside its type, short enough for one line."""
    quiet = ("checks", "machines", "findings", "until", "retry_at", "handle", "connector")
    parts = [f"{k} {v}" for k, v in event["data"].items() if k not in quiet and v not in ("", None)]
    told = ", ".join(parts)
    return {**event, "words": told if len(told) <= 200 else told[:199] + "…"}

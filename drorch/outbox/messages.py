"""What a message says: bounded JSON of chosen fields, whose texts are anybody's words."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from drorch.model.moment import stamp
from drorch.outbox.rules import TEST
from drorch.run import events as ev

MOST_BYTES = 20_000
_LENGTHS = (1000, 200)
"""Characters that are kept of each text; the second where the first is too much together."""
_TOLD = (
    *("status", "reason", "hint", "kind", "detail", "ask", "question", "assign", "overdue_at"),
    *("comment", "attempt", "scope", "key", "service", "healthy", "evidence", "break_glass"),
    *("approve_by", "revision", "check", "host", "retry_at", "connector"),
)
"""Fields that leave, where an event has them. Named one by one: nothing leaves by being added."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Happened:
    """An event of a run, with what a receiver has to know of the run."""

    run: str
    plan: str
    mode: str
    seq: int
    event: ev.Event


def payload(what: Happened) -> str:
    """Return the message about an event as JSON of at most `MOST_BYTES` bytes."""
    event = what.event
    about = {"run": what.run, "plan": what.plan, "mode": what.mode, "seq": what.seq}
    about |= {"step": getattr(event, "step", None), "actor": getattr(event, "by", "") or None}
    more = {name: told for name in _TOLD if (told := _plain(getattr(event, name, None))) != ""}
    if isinstance(event, ev.FindingsReported):
        more["findings"] = len(event.findings)
    if isinstance(event, ev.StepsCancelled):
        more["steps"] = len(event.steps)
    return _written(event.type, event.at, about | more)


def test_payload(at: datetime, hook: str, actor: str) -> str:
    """Return the message that shows whether *hook* works; *actor* asked for it."""
    return _written(TEST, at, {"hook": hook, "actor": actor})


def _plain(value: object) -> object:
    """Return *value* as JSON has it; empty for what there is no need to tell."""
    if isinstance(value, datetime):
        return stamp(value)
    if isinstance(value, bool | int):
        return value
    return str(value) if value is not None else ""


def _written(kind: str, at: datetime, data: dict[str, Any]) -> str:
    text = ""
    for length in _LENGTHS:
        cut = {name: _cut(value, length) for name, value in data.items()}
        content = {"type": kind, "timestamp": stamp(at), "data": cut}
        text = json.dumps(content, ensure_ascii=False, separators=(",", ":"))
        text = text.encode("utf-8", "replace").decode()  # half a character is nobody's text
        if len(text.encode()) <= MOST_BYTES:
            break
    return text


def _cut(value: Any, length: int) -> Any:
    if isinstance(value, str) and len(value) > length:
        return value[: length - 1] + "…"
    return value

"""Events as one line each, for people; what is not worth a line has none."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, TypeAlias

from api.cli.access import Json
from api.cli.program import repeat_options
from api.cli.spans import clock_time, counted, day_and_time
from drorch.ports.connector import Severity


class Line(NamedTuple):
    """One thing that happened: when, about what, and in which colour."""

    at: str
    text: str
    style: str


Data: TypeAlias = Mapping[str, Any]
_Told: TypeAlias = tuple[str, str]

_MODES = {"live": "a live run", "dry-run": "a dry run", "simulate": "a simulation"}
GOOD, BAD, WARN, ASK, CALM = "green", "bold red", "yellow", "bold magenta", "cyan"


def tell(event: Json, zone: str = "") -> Line | None:
    """Return the line for *event*, or None when it is not worth one. Times are those of *zone*."""
    words = _WORDS.get(event["type"])
    if words is None:
        return None
    data = event.get("data") or {}
    told = words(event.get("step") or "", {**data, "zone": zone}, event.get("actor") or "")
    return Line(clock_time(event["at"], zone), *told) if told else None


def _said(data: Data) -> str:
    comment = data.get("comment")
    return f": {comment}" if comment else ""


def _requested(_step: str, data: Data, by: str) -> _Told:
    reason = f" ({data['reason']})" if data.get("reason") else ""
    mode = _MODES.get(data.get("mode", ""), "a run")
    asked = f"{by} asks for {mode} of {data.get('plan', '')}{reason}"
    if not data.get("approve_by"):
        return asked, CALM
    until = clock_time(data["approve_by"], data["zone"])
    command = repeat_options(f"'drorch approve {data.get('run', '')}'")
    return f"{asked}; somebody else has to approve it until {until}: {command}", ASK


def _findings(_step: str, data: Data, _by: str) -> _Told | None:
    found = data.get("findings") or []
    bad = sum(f.get("severity") == Severity.ERROR for f in found)
    if not found:
        return None
    worth = sum(f.get("severity") == Severity.WARNING for f in found)
    if not bad and not worth:
        return f"{counted(len(found), 'remark')} before the start", CALM
    told = f"{counted(bad, 'error') if bad else 'no errors'}, {counted(worth, 'warning')}"
    return f"{told} before the start", BAD if bad else WARN


def _started(step: str, data: Data, _by: str) -> _Told | None:
    words = {"start": "start ordered", "stop": "restart: stop ordered", "callout": "callout begins"}
    said = words.get(data.get("order", ""))
    attempt = data.get("attempt", 1)
    again = f" (attempt {attempt})" if attempt > 1 else ""
    if said is None:
        return (f"{step} verified again{again}", CALM) if attempt > 1 else None
    return f"{step} {said}{again}", CALM


def _failed_attempt(step: str, data: Data, _by: str) -> _Told:
    next_at = clock_time(data.get("retry_at"), data["zone"])
    then = f"; next attempt at {next_at}" if next_at else ""
    return f"{step} attempt {data.get('attempt', 1)} failed: {data.get('detail', '')}{then}", WARN


def _asked(step: str, data: Data, _by: str) -> _Told:
    if data.get("ask") == "manual":
        return f"{step} asks: {data.get('question', '')}", ASK
    return f"{step} needs a decision: {data.get('question') or 'retry, skip or accept'}", ASK


def _done(step: str, _data: Data, by: str) -> _Told:
    if by and by != "drorch":
        return f"{step} approved by {by}", GOOD
    return f"{step} done, checks come next", CALM


def _ended(_step: str, data: Data, _by: str) -> _Told:
    status = str(data.get("status", ""))
    return f"the run has ended: {status}", GOOD if status == "succeeded" else BAD


def _obstacle(_step: str, data: Data, _by: str) -> _Told:
    hint = f" ({data['hint']})" if data.get("hint") else ""
    return f"{data.get('scope', '')} {data.get('key', '')}: {data.get('reason', '')}{hint}", WARN


def _service(_step: str, data: Data, _by: str) -> _Told:
    name, evidence = f"service {data.get('service', '')} (elsewhere)", data.get("evidence", "")
    healthy = data.get("healthy")
    if healthy:
        return f"{name} is up", GOOD
    if healthy is None:
        return f"{name} cannot be asked from here: {evidence}", WARN
    return f"{name} is down: {evidence}", BAD


def _found(step: str, data: Data, _by: str) -> _Told:
    outside = "was started outside" if data.get("outside") else "runs already"
    return f"{step} {outside}: verified", CALM


def _by_person(verb: str, style: str) -> Callable[[str, Data, str], _Told]:
    def words(step: str, data: Data, by: str) -> _Told:
        return f"{step} {verb} by {by}{_said(data)}".strip(), style

    return words


def _on_paper(step: str, data: Data, by: str) -> _Told:
    at = day_and_time(data.get("done_at"), data["zone"])
    told = f"{step} {data.get('result', '')} at {at} by {data.get('done_by', '')}"
    style = GOOD if data.get("result") == "done" else WARN
    return f"{told} (from paper, entered by {by}){_said(data)}", style


_WORDS: Mapping[str, Callable[[str, Data, str], _Told | None]] = {
    "run.requested": _requested,
    "run.started": lambda _s, d, _b: (f"the run begins, driven by {d.get('driver', '')}", CALM),
    "run.adopted": lambda _s, d, _b: (f"the run is carried on by {d.get('driver', '')}", WARN),
    "run.paused": lambda _s, d, b: (f"paused by {b}{_said(d)}", WARN),
    "run.resumed": lambda _s, d, b: (f"resumed by {b}{_said(d)}", CALM),
    "run.abort-requested": lambda _s, d, b: (f"abort asked by {b}{_said(d)}", BAD),
    "run.ended": _ended,
    "run.findings": _findings,
    "obstacle.found": _obstacle,
    "obstacle.gone": lambda _s, d, _b: (f"{d.get('scope')} {d.get('key')} is back", GOOD),
    "service.seen": _service,
    "steps.cancelled": lambda _s, d, _b: (
        f"{counted(len(d.get('steps', ())), 'step')} cancelled",
        WARN,
    ),
    "step.started": _started,
    "step.put-back": lambda s, d, _b: (f"{s} not ordered: {d.get('reason', '')}", WARN),
    "order.in-doubt": lambda s, d, _b: (f"{s} order in doubt: {d.get('reason', '')}", WARN),
    "order.voided": lambda s, d, _b: (f"{s} order void: {d.get('reason', '')}", WARN),
    "machine.running": lambda s, d, _b: (f"{s} runs{_on(d)}, checks come next", CALM),
    "machine.found": _found,
    "machine.lost": lambda s, d, _b: (f"{s} is lost: {d.get('detail', '')}", BAD),
    "machine.stopped": lambda s, _d, _b: (f"{s} is off, starts again", CALM),
    "action.done": _done,
    "step.healthy": lambda s, _d, _b: (f"{s} healthy", GOOD),
    "attempt.failed": _failed_attempt,
    "step.asked": _asked,
    "answer.overdue": lambda s, _d, _b: (f"{s} still waits for an answer: overdue", ASK),
    "step.failed": lambda s, d, _b: (f"{s} failed: {d.get('detail', '')}{_said(d)}", BAD),
    "step.retried": _by_person("retried", CALM),
    "step.skipped": _by_person("skipped", WARN),
    "step.accepted": _by_person("accepted", GOOD),
    "step.on-paper": _on_paper,
}


def _on(data: Data) -> str:
    return f" on {data['host']}" if data.get("host") else ""


MINOR = frozenset({"machine.running", "step.started"})
"""Told in a log of plain lines, but too many for a short list of what happened last."""

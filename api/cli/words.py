"""Events as one line each, for people; what is not worth a line has none."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, TypeAlias

from api.cli.access import Json
from api.cli.program import repeat_options
from api.cli.spans import clock_time, day_and_time
from api.cli.states import state_word
from api.locale import _, ngettext, noted, pgettext, told
from drorch.ports.connector import Severity


class Line(NamedTuple):
    """One thing that happened: when, about what, and in which colour."""

    at: str
    text: str
    style: str


Data: TypeAlias = Mapping[str, Any]
_Told: TypeAlias = tuple[str, str]
_Words: TypeAlias = Callable[[str, Data, str], _Told]

_ASKED_FOR = {
    "live": noted("{name} asks for a live run of {plan}"),
    "dry-run": noted("{name} asks for a dry run of {plan}"),
    "simulate": noted("{name} asks for a simulation of {plan}"),
}
_A_RUN = noted("{name} asks for a run of {plan}")
GOOD, BAD, WARN, ASK, CALM = "green", "bold red", "yellow", "bold magenta", "cyan"


def tell(event: Json, zone: str = "") -> Line | None:
    """Return the line for *event*, or None when it is not worth one. Times are those of *zone*."""
    words = _WORDS.get(event["type"])
    if words is None:
        return None
    data = event.get("data") or {}
    said = words(event.get("step") or "", {**data, "zone": zone}, event.get("actor") or "")
    return Line(clock_time(event["at"], zone), *said) if said else None


def _said(data: Data) -> str:
    comment = data.get("comment")
    return f": {comment}" if comment else ""


def _requested(_step: str, data: Data, by: str) -> _Told:
    reason = f" ({data['reason']})" if data.get("reason") else ""
    words = _ASKED_FOR.get(data.get("mode", ""), _A_RUN)
    asked = f"{_(words, name=by, plan=data.get('plan', ''))}{reason}"
    if not data.get("approve_by"):
        return asked, CALM
    until = clock_time(data["approve_by"], data["zone"])
    command = repeat_options(f"'drorch approve {data.get('run', '')}'")
    then = _(
        "{who_asks}; somebody else has to approve it until {until}: {command}",
        who_asks=asked,
        until=until,
        command=command,
    )
    return then, ASK


def _findings(_step: str, data: Data, _by: str) -> _Told | None:
    found = data.get("findings") or []
    bad = sum(f.get("severity") == Severity.ERROR for f in found)
    if not found:
        return None
    worth = sum(f.get("severity") == Severity.WARNING for f in found)
    if not bad and not worth:
        many = len(found)
        return ngettext("{n} remark before the start", "{n} remarks before the start", many), CALM
    errors = ngettext("{n} error", "{n} errors", bad) if bad else _("no errors")
    warnings = ngettext("{n} warning", "{n} warnings", worth)
    what = f"{errors}, {warnings}"
    return _("{what} before the start", what=what), BAD if bad else WARN


_ORDERED = {
    "start": noted("{step} start ordered"),
    "stop": noted("{step} restart: stop ordered"),
    "callout": noted("{step} callout begins"),
}
_AGAIN = noted("{step} verified again")


def _started(step: str, data: Data, _by: str) -> _Told | None:
    said = _ORDERED.get(data.get("order", ""), "")
    attempt = data.get("attempt", 1)
    again = _(" (attempt {n})", n=attempt) if attempt > 1 else ""
    if not said and not again:
        return None
    return f"{_(said or _AGAIN, step=step)}{again}", CALM


def _failed_attempt(step: str, data: Data, _by: str) -> _Told:
    next_at = clock_time(data.get("retry_at"), data["zone"])
    then = _("; next attempt at {time}", time=next_at) if next_at else ""
    why, n = told(data.get("detail", "")), data.get("attempt", 1)
    return _("{step} attempt {n} failed: {why}", step=step, n=n, why=why) + then, WARN


def _asked(step: str, data: Data, _by: str) -> _Told:
    if data.get("ask") == "manual":
        return _("{step} asks: {question}", step=step, question=data.get("question", "")), ASK
    what = data.get("question") or _("retry, skip or accept")
    return _("{step} needs a decision: {what}", step=step, what=told(what)), ASK


def _done(step: str, _data: Data, by: str) -> _Told:
    if by and by != "drorch":
        return _("{step} approved by {name}", step=step, name=by), GOOD
    return _("{step} done, checks come next", step=step), CALM


def _ended(_step: str, data: Data, _by: str) -> _Told:
    status = str(data.get("status", ""))
    words = _("the run has ended: {status}", status=state_word(status))
    return words, GOOD if status == "succeeded" else BAD


def _obstacle(_step: str, data: Data, _by: str) -> _Told:
    return obstacle_words(data), WARN


def obstacle_words(data: Data) -> str:
    """Return what stands in the way of many steps, why, and what to do about it."""
    hint = f" ({told(data['hint'])})" if data.get("hint") else ""
    why = told(data.get("reason", ""))
    return f"{scope_words(data.get('scope'))} {data.get('key', '')}: {why}{hint}"


def scope_words(scope: object) -> str:
    """Return what kind of thing an obstacle is about."""
    words = {
        "site": pgettext("an obstacle", "site"),
        "connector": pgettext("an obstacle", "connector"),
        "host": pgettext("an obstacle", "host"),
        "machine": pgettext("an obstacle", "machine"),
    }
    return words.get(str(scope or ""), str(scope or ""))


def _service(_step: str, data: Data, _by: str) -> _Told:
    name, why = data.get("service", ""), told(data.get("evidence", ""))
    healthy = data.get("healthy")
    if healthy:
        return _("service {name} (elsewhere) is up", name=name), GOOD
    if healthy is None:
        unseen = _(
            "service {name} (elsewhere) cannot be asked from here: {why}", name=name, why=why
        )
        return unseen, WARN
    return _("service {name} (elsewhere) is down: {why}", name=name, why=why), BAD


def _found(step: str, data: Data, _by: str) -> _Told:
    if data.get("outside"):
        return _("{step} was started outside: verified", step=step), CALM
    return _("{step} runs already: verified", step=step), CALM


def _running(step: str, data: Data, _by: str) -> _Told:
    if host := data.get("host"):
        return _("{step} runs on {host}, checks come next", step=step, host=host), CALM
    return _("{step} runs, checks come next", step=step), CALM


def _failed(step: str, data: Data, _by: str) -> _Told:
    why = told(data.get("detail", ""))
    return _("{step} failed: {why}", step=step, why=why) + _said(data), BAD


def _by_person(words: str, style: str) -> _Words:
    """Tell what a person has done, with their comment."""

    def said(step: str, data: Data, by: str) -> _Told:
        return f"{_(words, step=step, name=by)}{_said(data)}".strip(), style

    return said


def _because(words: str, style: str, key: str = "reason") -> _Words:
    """Tell what has happened to a step, with what the core says about it."""

    def said(step: str, data: Data, _by: str) -> _Told:
        return _(words, step=step, why=told(data.get(key, ""))), style

    return said


def _on_paper(step: str, data: Data, by: str) -> _Told:
    result = data.get("result", "")
    words = _(
        "{step} {result} at {time} by {name} (from paper, entered by {other})",
        step=step,
        result=paper_word(result),
        time=day_and_time(data.get("done_at"), data["zone"]),
        name=data.get("done_by", ""),
        other=by,
    )
    return words + _said(data), GOOD if result == "done" else WARN


def paper_word(result: str) -> str:
    """Return what was ticked on paper."""
    words = {
        "done": pgettext("on paper", "done"),
        "skipped": pgettext("on paper", "skipped"),
        "failed": pgettext("on paper", "failed"),
    }
    return words.get(result, result)


_WORDS: Mapping[str, Callable[[str, Data, str], _Told | None]] = {
    "run.requested": _requested,
    "run.started": lambda _s, d, _b: (
        _("the run begins, driven by {driver}", driver=d.get("driver", "")),
        CALM,
    ),
    "run.adopted": lambda _s, d, _b: (
        _("the run is carried on by {driver}", driver=d.get("driver", "")),
        WARN,
    ),
    "run.paused": _by_person(noted("paused by {name}"), WARN),
    "run.resumed": _by_person(noted("resumed by {name}"), CALM),
    "run.abort-requested": _by_person(noted("abort asked by {name}"), BAD),
    "run.ended": _ended,
    "run.findings": _findings,
    "obstacle.found": _obstacle,
    "obstacle.gone": lambda _s, d, _b: (
        _("{what} {name} is back", what=scope_words(d.get("scope")), name=d.get("key")),
        GOOD,
    ),
    "service.seen": _service,
    "steps.cancelled": lambda _s, d, _b: (
        ngettext("{n} step cancelled", "{n} steps cancelled", len(d.get("steps", ()))),
        WARN,
    ),
    "step.started": _started,
    "step.put-back": _because(noted("{step} not ordered: {why}"), WARN),
    "order.in-doubt": _because(noted("{step} order in doubt: {why}"), WARN),
    "order.voided": _because(noted("{step} order void: {why}"), WARN),
    "machine.running": _running,
    "machine.found": _found,
    "machine.lost": _because(noted("{step} is lost: {why}"), BAD, "detail"),
    "machine.stopped": lambda s, _d, _b: (_("{step} is off, starts again", step=s), CALM),
    "action.done": _done,
    "step.healthy": lambda s, _d, _b: (f"{s} {state_word('healthy')}", GOOD),
    "attempt.failed": _failed_attempt,
    "step.asked": _asked,
    "answer.overdue": lambda s, _d, _b: (
        _("{step} still waits for an answer: overdue", step=s),
        ASK,
    ),
    "step.failed": _failed,
    "step.retried": _by_person(noted("{step} retried by {name}"), CALM),
    "step.skipped": _by_person(noted("{step} skipped by {name}"), WARN),
    "step.accepted": _by_person(noted("{step} accepted by {name}"), GOOD),
    "step.on-paper": _on_paper,
}


MINOR = frozenset({"machine.running", "step.started"})
"""Told in a log of plain lines, but too many for a short list of what happened last."""

"""Each event of the journal in a sentence for people: for the terminal and the pages alike."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, NamedTuple, TypeAlias

from api.locale import _, ngettext, noted, pgettext, told
from api.locale.statuses import run_word, status_word
from api.wording import Json, short_evidence
from drorch.ports.connector import Severity
from drorch.run.status import OrderKind

Data: TypeAlias = Mapping[str, Any]
_OURSELVES = "drorch"


class Tone(StrEnum):
    """How an event sounds: in a colour at the terminal, as a class on a page."""

    GOOD = "good"
    BAD = "bad"
    WARN = "warn"
    ASK = "ask"
    CALM = "calm"


class Clock(NamedTuple):
    """How moments in a sentence are written: as a time of day, and with their day."""

    time: Callable[[Any], str]
    day: Callable[[Any], str]


class Told(NamedTuple):
    """``quiet``: a journal tells it whole; whoever only follows a run need not hear it."""

    text: str
    tone: Tone
    quiet: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class _Event:
    step: str
    data: Data
    by: str
    clock: Clock

    @property
    def comment(self) -> str:
        """What the person has added, as it stands behind a sentence."""
        comment = self.data.get("comment")
        return f": {comment}" if comment else ""

    def core(self, key: str) -> str:
        """Return a sentence of the core, in the language spoken here."""
        return told(str(self.data.get(key) or ""))


def told_event(event: Json, clock: Clock) -> Told | None:
    """Return *event* in a sentence; None for one that has none, such as of a newer version."""
    words = _WORDS.get(event["type"])
    if words is None:
        return None
    data, by = event.get("data") or {}, event.get("actor") or ""
    return words(_Event(step=event.get("step") or "", data=data, by=by, clock=clock))


_ASKED_FOR = {
    "live": noted("{name} asks for a live run of {plan}"),
    "dry-run": noted("{name} asks for a dry run of {plan}"),
    "simulate": noted("{name} asks for a simulation of {plan}"),
}
_A_RUN = noted("{name} asks for a run of {plan}")


def _requested(e: _Event) -> Told:
    reason = f" ({e.data['reason']})" if e.data.get("reason") else ""
    words = _ASKED_FOR.get(e.data.get("mode", ""), _A_RUN)
    asked = f"{_(words, name=e.by, plan=e.data.get('plan', ''))}{reason}"
    if not e.data.get("approve_by"):
        return Told(asked, Tone.CALM)
    then = _(
        "{who_asks}; somebody else has to approve it until {until}: {command}",
        who_asks=asked,
        until=e.clock.time(e.data["approve_by"]),
        command=f"'drorch approve {e.data.get('run', '')}'",
    )
    return Told(then, Tone.ASK)


def _approved(e: _Event) -> Told:
    if why := e.data.get("break_glass"):
        return Told(_("{name} broke the glass: {why}", name=e.by, why=why), Tone.WARN, quiet=True)
    return Told(_("approved by {name}", name=e.by) + e.comment, Tone.GOOD, quiet=True)


def _findings(e: _Event) -> Told:
    found = e.data.get("findings") or []
    bad = sum(f.get("severity") == Severity.ERROR for f in found)
    if not found:
        return Told(_("nothing was found before the start"), Tone.CALM, quiet=True)
    worth = sum(f.get("severity") == Severity.WARNING for f in found)
    if not bad and not worth:
        many = len(found)
        words = ngettext("{n} remark before the start", "{n} remarks before the start", many)
        return Told(words, Tone.CALM)
    errors = ngettext("{n} error", "{n} errors", bad) if bad else _("no errors")
    warnings = ngettext("{n} warning", "{n} warnings", worth)
    words = _("{what} before the start", what=f"{errors}, {warnings}")
    return Told(words, Tone.BAD if bad else Tone.WARN)


def _examined(e: _Event) -> Told:
    bad = len(e.data.get("errors") or ())
    words = ngettext("examined: {n} step has an error", "examined: {n} steps have an error", bad)
    return Told(words, Tone.BAD if bad else Tone.GOOD, quiet=True)


def _observed(e: _Event) -> Told:
    words = ngettext(
        "{connector} says how {n} machine stands",
        "{connector} says how {n} machines stand",
        len(e.data.get("machines") or ()),
        connector=e.data.get("connector", ""),
    )
    return Told(words, Tone.CALM, quiet=True)


_ORDERED = {
    OrderKind.START: noted("{step} start ordered"),
    OrderKind.STOP: noted("{step} restart: stop ordered"),
    OrderKind.CALLOUT: noted("{step} callout begins"),
}
_AGAIN = noted("{step} verified again")
_BEGUN = {
    OrderKind.VERIFY: noted("{step} is verified"),
    OrderKind.WAIT: noted("{step} pause begins"),
}


def _started(e: _Event) -> Told:
    order, attempt = e.data.get("order", ""), e.data.get("attempt", 1)
    again = _(" (attempt {n})", n=attempt) if attempt > 1 else ""
    said = _ORDERED.get(order, "")
    if not said and not again:
        return Told(_(_BEGUN.get(order, _AGAIN), step=e.step), Tone.CALM, quiet=True)
    return Told(f"{_(said or _AGAIN, step=e.step)}{again}", Tone.CALM)


def _accepted_order(e: _Event) -> Told:
    if e.data.get("already"):
        return Told(_("{step} needed no order", step=e.step), Tone.CALM, quiet=True)
    return Told(_("{step} order accepted", step=e.step), Tone.CALM, quiet=True)


def _deadline(e: _Event) -> Told:
    until = e.clock.time(e.data.get("until"))
    words = _("{step} has time until {until}: its hypervisor is away", step=e.step, until=until)
    return Told(words, Tone.WARN, quiet=True)


def _check(e: _Event) -> Told:
    values = {
        "step": e.step,
        "check": e.data.get("check", ""),
        "what": told(short_evidence(str(e.data.get("evidence") or ""))),
    }
    if e.data.get("healthy"):
        return Told(_("{step} check {check} holds: {what}", **values), Tone.GOOD, quiet=True)
    return Told(_("{step} check {check} does not hold: {what}", **values), Tone.WARN, quiet=True)


def _failed_attempt(e: _Event) -> Told:
    next_at = e.clock.time(e.data.get("retry_at"))
    then = _("; next attempt at {time}", time=next_at) if next_at else ""
    n = e.data.get("attempt", 1)
    words = _("{step} attempt {n} failed: {why}", step=e.step, n=n, why=e.core("detail"))
    return Told(words + then, Tone.WARN)


def _asked(e: _Event) -> Told:
    if e.data.get("ask") == "manual":
        question = e.data.get("question", "")
        return Told(_("{step} asks: {question}", step=e.step, question=question), Tone.ASK)
    what = e.data.get("question") or _("retry, skip or accept")
    return Told(_("{step} needs a decision: {what}", step=e.step, what=told(what)), Tone.ASK)


def _done(e: _Event) -> Told:
    if e.by and e.by != _OURSELVES:
        return Told(_("{step} approved by {name}", step=e.step, name=e.by), Tone.GOOD)
    return Told(_("{step} done, checks come next", step=e.step), Tone.CALM)


def _ended(e: _Event) -> Told:
    status = str(e.data.get("status", ""))
    words = _("the run has ended: {status}", status=run_word(status))
    return Told(words, Tone.GOOD if status == "succeeded" else Tone.BAD)


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


def _gone(e: _Event) -> Told:
    what = scope_words(e.data.get("scope"))
    return Told(_("{what} {name} is back", what=what, name=e.data.get("key")), Tone.GOOD)


def _service(e: _Event) -> Told:
    values = {"name": e.data.get("service", ""), "why": e.core("evidence")}
    healthy = e.data.get("healthy")
    if healthy:
        return Told(_("service {name} (elsewhere) is up", **values), Tone.GOOD)
    if healthy is None:
        words = _("service {name} (elsewhere) cannot be asked from here: {why}", **values)
        return Told(words, Tone.WARN)
    return Told(_("service {name} (elsewhere) is down: {why}", **values), Tone.BAD)


def _found(e: _Event) -> Told:
    if e.data.get("outside"):
        return Told(_("{step} was started outside: verified", step=e.step), Tone.CALM)
    return Told(_("{step} runs already: verified", step=e.step), Tone.CALM)


def _running(e: _Event) -> Told:
    if host := e.data.get("host"):
        words = _("{step} runs on {host}, checks come next", step=e.step, host=host)
        return Told(words, Tone.CALM)
    return Told(_("{step} runs, checks come next", step=e.step), Tone.CALM)


def _failed(e: _Event) -> Told:
    words = _("{step} failed: {why}", step=e.step, why=e.core("detail"))
    return Told(words + e.comment, Tone.BAD)


def _on_paper(e: _Event) -> Told:
    result = e.data.get("result", "")
    words = _(
        "{step} {result} at {time} by {name} (from paper, entered by {other})",
        step=e.step,
        result=paper_word(result),
        time=e.clock.day(e.data.get("done_at")),
        name=e.data.get("done_by", ""),
        other=e.by,
    )
    return Told(words + e.comment, Tone.GOOD if result == "done" else Tone.WARN)


def paper_word(result: str) -> str:
    """Return what was ticked on paper."""
    words = {
        "done": pgettext("on paper", "done"),
        "skipped": pgettext("on paper", "skipped"),
        "failed": pgettext("on paper", "failed"),
    }
    return words.get(result, result)


def _cancelled(e: _Event) -> Told:
    many = len(e.data.get("steps") or ())
    return Told(ngettext("{n} step cancelled", "{n} steps cancelled", many), Tone.WARN)


_Words: TypeAlias = Callable[[_Event], Told]


def _plain(words: str, tone: Tone, *, quiet: bool = False) -> _Words:
    """Tell what has happened to a step, or to the run by its ``driver``."""

    def said(e: _Event) -> Told:
        text = _(words, step=e.step, driver=e.data.get("driver", ""))
        return Told(text, tone, quiet)

    return said


def _by_person(words: str, tone: Tone) -> _Words:
    """Tell what a person has done, with their comment."""
    return lambda e: Told(f"{_(words, step=e.step, name=e.by)}{e.comment}".strip(), tone)


def _because(words: str, tone: Tone, key: str = "reason") -> _Words:
    """Tell what has happened to a step, with what the core says about it."""
    return lambda e: Told(_(words, step=e.step, why=e.core(key)), tone)


_WORDS: Mapping[str, _Words] = {
    "run.requested": _requested,
    "run.approved": _approved,
    "run.started": _plain(noted("the run begins, driven by {driver}"), Tone.CALM),
    "run.adopted": _plain(noted("the run is carried on by {driver}"), Tone.WARN),
    "run.paused": _by_person(noted("paused by {name}"), Tone.WARN),
    "run.resumed": _by_person(noted("resumed by {name}"), Tone.CALM),
    "run.abort-requested": _by_person(noted("abort asked by {name}"), Tone.BAD),
    "run.ended": _ended,
    "run.findings": _findings,
    "steps.examined": _examined,
    "machines.observed": _observed,
    "obstacle.found": lambda e: Told(obstacle_words(e.data), Tone.WARN),
    "obstacle.gone": _gone,
    "service.seen": _service,
    "steps.cancelled": _cancelled,
    "step.started": _started,
    "step.put-back": _because(noted("{step} not ordered: {why}"), Tone.WARN),
    "order.accepted": _accepted_order,
    "order.in-doubt": _because(noted("{step} order in doubt: {why}"), Tone.WARN),
    "order.voided": _because(noted("{step} order void: {why}"), Tone.WARN),
    "machine.running": _running,
    "machine.found": _found,
    "machine.lost": _because(noted("{step} is lost: {why}"), Tone.BAD, "detail"),
    "machine.stopped": _plain(noted("{step} is off, starts again"), Tone.CALM),
    "action.done": _done,
    "check.changed": _check,
    "step.healthy": lambda e: Told(f"{e.step} {status_word('healthy')}", Tone.GOOD),
    "attempt.failed": _failed_attempt,
    "retry.due": _plain(noted("{step} may be tried again"), Tone.CALM, quiet=True),
    "deadline.moved": _deadline,
    "step.asked": _asked,
    "answer.overdue": _plain(noted("{step} still waits for an answer: overdue"), Tone.ASK),
    "step.failed": _failed,
    "step.retried": _by_person(noted("{step} retried by {name}"), Tone.CALM),
    "step.skipped": _by_person(noted("{step} skipped by {name}"), Tone.WARN),
    "step.accepted": _by_person(noted("{step} accepted by {name}"), Tone.GOOD),
    "step.on-paper": _on_paper,
}

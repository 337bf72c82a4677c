"""The sentences of a report about steps: English for programs, each reader's own on paper."""

from __future__ import annotations

from collections.abc import Mapping

from api.locale import _, noted
from api.reports.measures import Json

_TEXTS: Mapping[str, str] = {
    "slower": noted("slower than expected: {took} instead of {expected}"),
    "faster": noted("faster than expected: {took} instead of {expected}"),
    "retried": noted("needed {attempts} attempts (the plan allows {allowed} in a row)"),
    "outside": noted("was started by somebody outside of drorch"),
    "outside-early": noted("was started outside of drorch, before what it needs was there"),
    "accepted": noted("its checks did not hold; {by} vouched for it"),
    "skipped": noted("was left out by {by}"),
    "went-on": noted("went on without {before}, which the plan has it wait for"),
    "unchecked": noted("no check: it counts as healthy as soon as its machine runs"),
    "tight": noted("{key} is tight: {used} of {limit} were needed"),
    "loose": noted("{key} is loose: {used} of {limit} were needed"),
    "expect": noted("it took {took}; the plan expects {expected}"),
    "ran-out": noted("{key} of {limit} was too short: healthy only at attempt {attempts}"),
    "retry": noted("healthy only at attempt {attempts}, the last of {allowed}"),
    "no-contact": noted("it went wrong, and the plan names nobody to call about it"),
}


def english(kind: str, values: Mapping[str, str]) -> str:
    """Return a sentence for programs and records."""
    return _TEXTS[kind].format_map(dict(values))


def said(kind: str, values: Mapping[str, str]) -> str:
    """Return a sentence in the language spoken here."""
    return _(_TEXTS[kind], **values) if kind in _TEXTS else kind


_SOLVED: Mapping[str, str] = {
    "retry": noted("Another attempt was enough."),
    "person-retry": noted("It went well after {by} had it tried again."),
    "accepted": noted("{by} vouched for it."),
    "skipped": noted("{by} had it left out."),
    "outside": noted("Somebody started it by hand."),
    "paper": noted("{by} had ticked it off on paper."),
    "open": noted("It was not solved."),
}


def solved(failure: Json) -> str:
    """Return how a failure was solved."""
    if failure["solved"] == "open" and failure["status"] not in ("failed", "cancelled"):
        return _("It is not solved yet.")
    return _(_SOLVED[failure["solved"]], by=failure["by"] or "?")


_DID: Mapping[str, str] = {
    "requested": noted("asked for the run"),
    "approved": noted("approved the run"),
    "broke-glass": noted("broke the glass: started alone what takes two"),
    "paused": noted("paused the run"),
    "resumed": noted("let the run go on"),
    "aborted": noted("aborted the run"),
    "answered": noted("answered yes"),
    "rejected": noted("answered no"),
    "retried": noted("had it tried again"),
    "skipped": noted("left it out"),
    "accepted": noted("vouched for it by hand"),
    "paper-done": noted("did it by the paper, and saw that it works"),
    "paper-skipped": noted("left it out by the paper"),
    "paper-failed": noted("noted on the paper that it failed"),
    "halted": noted("drorch was halted"),
    "lifted": noted("the halt was lifted"),
    "held": noted("the machine was held back"),
    "released": noted("the machine was released"),
}


def did_words(did: str) -> str:
    """Return in words what a person did."""
    return _(_DID[did]) if did in _DID else did


_EVENTS: Mapping[str, str] = {
    "run.approved": noted("the run was approved"),
    "run.started": noted("the run began"),
    "run.adopted": noted("another process of drorch carried on"),
    "run.paused": noted("the run was paused"),
    "run.resumed": noted("the run was resumed"),
    "run.abort-requested": noted("the run was to be aborted"),
    "run.ended": noted("the run ended"),
    "run.findings": noted("the preflight reported what it found"),
    "steps.examined": noted("the steps were examined"),
    "obstacle.found": noted("something stood in the way"),
    "obstacle.gone": noted("it does not stand in the way any more"),
    "service.seen": noted("a service elsewhere was looked at"),
    "steps.cancelled": noted("steps were given up"),
    "step.started": noted("begun"),
    "step.put-back": noted("the order was not received"),
    "order.accepted": noted("the order was accepted"),
    "order.in-doubt": noted("no answer to the order"),
    "order.voided": noted("the order was not carried out"),
    "machine.stopped": noted("the machine was off"),
    "machine.running": noted("the machine ran"),
    "machine.found": noted("the machine was found running"),
    "machine.lost": noted("the machine did not run any more"),
    "action.done": noted("done"),
    "step.healthy": noted("healthy"),
    "attempt.failed": noted("an attempt failed"),
    "step.asked": noted("a person was asked"),
    "answer.overdue": noted("the answer was overdue"),
    "step.failed": noted("failed"),
    "step.retried": noted("a person had it tried again"),
    "step.skipped": noted("a person left it out"),
    "step.accepted": noted("a person vouched for it"),
    "step.on-paper": noted("a tick on paper was entered"),
}


def event_words(kind: str) -> str:
    """Return in words what an event of the journal says."""
    return _(_EVENTS[kind]) if kind in _EVENTS else kind


_KINDS: Mapping[str, str] = {
    "machines": noted("machines: booting and checks"),
    "retries": noted("pauses between attempts"),
    "vendors": noted("vendors' answers"),
    "people": noted("our own people's answers"),
    "held": noted("held up: paused, halted, or a hypervisor away"),
    "other": noted("anything else"),
    "boot": noted("boot or action"),
    "check": noted("checks"),
}


def kind_words(kind: str) -> str:
    """Return in words where time went."""
    return _(_KINDS[kind])

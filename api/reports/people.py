"""What people did in a run, and what they were asked by hand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from api.reports.measures import Json, between
from drorch.model.plan import Manual
from drorch.ports.journal import Recorded
from drorch.run import events as ev
from drorch.run.state import RunState
from drorch.run.status import Scope
from drorch.run.words import stamp


@dataclass(frozen=True, slots=True)
class _Act:
    """Something a person did. ``did`` is one of a closed list of words."""

    did: str
    by: str
    comment: str = ""


def acts(recorded: Sequence[Recorded]) -> list[Json]:
    """Return who did what, in order: decisions, approvals, holds, halts, glass that was broken."""
    found = []
    for record in recorded:
        if (act := _act(record.event)) is not None:
            line = {"seq": record.seq, "at": stamp(record.at), "did": act.did, "by": act.by}
            line |= {"step": _about(record.event), "comment": act.comment}
            found.append(line)
    return found


def _about(event: ev.Event) -> str | None:
    if isinstance(event, ev.ObstacleFound | ev.ObstacleGone):
        return event.key if event.scope is Scope.MACHINE else None
    return event.step if isinstance(event, ev.StepFact) else None


def _act(event: ev.Event) -> _Act | None:
    match event:
        case ev.RunRequested():
            return _Act("requested", event.by, event.reason)
        case ev.RunApproved():
            did = "broke-glass" if event.break_glass else "approved"
            return _Act(did, event.by, event.break_glass or event.comment)
        case ev.RunPaused():
            return _Act("paused", event.by, event.comment)
        case ev.RunResumed():
            return _Act("resumed", event.by, event.comment)
        case ev.RunAbortRequested():
            return _Act("aborted", event.by, event.comment)
        case ev.StepFact():
            return _step_act(event)
        case ev.ObstacleFound() | ev.ObstacleGone():
            return _barrier(event)
    return None


def _step_act(event: ev.StepFact) -> _Act | None:
    match event:
        case ev.ActionDone() if event.by:
            return _Act("answered", event.by, event.evidence)
        case ev.StepRetried():
            return _Act("retried", event.by, event.comment)
        case ev.StepSkipped():
            return _Act("skipped", event.by, event.comment)
        case ev.StepAccepted():
            return _Act("accepted", event.by, event.comment)
        case ev.StepOnPaper():
            return _Act(f"paper-{event.result}", event.done_by or event.by, event.comment)
        case ev.StepFailed() if event.by:
            return _Act("rejected", event.by, event.comment)
        case ev.AttemptFailed(kind="rejected"):
            return _Act("rejected", "", event.detail)
    return None


def _barrier(event: ev.ObstacleFound | ev.ObstacleGone) -> _Act | None:
    """Who halted drorch or held a machine stands in the obstacle's own words."""
    words = {Scope.SITE: ("halted", "lifted"), Scope.MACHINE: ("held", "released")}
    if event.scope not in words:
        return None
    found = isinstance(event, ev.ObstacleFound)
    reason = event.reason if isinstance(event, ev.ObstacleFound) else ""
    return _Act(words[event.scope][0 if found else 1], "", reason)


def manual_actions(recorded: Sequence[Recorded], state: RunState) -> list[Json]:
    """Return the plan's questions: asked when, of whom, answered when, by whom, with what."""
    asked: dict[str, Json] = {}
    for record in recorded:
        event = record.event
        if not isinstance(event, ev.StepFact):
            continue
        number = state.index(event.step)
        if not isinstance(state.step(number).action, Manual):
            continue
        if isinstance(event, ev.StepAsked):
            asked.setdefault(event.step, _question(state, number, event))
        elif isinstance(event, ev.ActionDone) and event.step in asked:
            line = asked[event.step]
            line |= {"answered_at": stamp(event.at), "by": event.by, "comment": event.evidence}
            line["waited_s"] = between(state.steps[number].asked_at, event.at)
    for line in asked.values():
        line["status"] = state.steps[state.index(line["step"])].status
    return list(asked.values())


def _question(state: RunState, number: int, event: ev.StepAsked) -> Json:
    step = state.step(number)
    assign = event.assign or step.contact or state.plan.owner
    contact = state.plan.contact(assign)
    return {
        "step": step.id,
        "question": event.question or (step.action.ask if isinstance(step.action, Manual) else ""),
        "assign": contact.name if contact else assign,
        "asked_at": stamp(event.at),
        "answered_at": None,
        "waited_s": None,
        "by": None,
        "comment": None,
    }

"""What failed in a run, and how it was solved."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from api.reports.measures import Json, between
from drorch.ports.journal import Recorded
from drorch.run import events as ev
from drorch.run.state import RunState
from drorch.run.status import StepStatus
from drorch.run.words import stamp

SOLVED_BY_ITSELF = "retry"
NOT_SOLVED = "open"


@dataclass(slots=True)
class _Trouble:
    step: str
    began: datetime
    times: int = 0
    kind: str = ""
    detail: str = ""
    hint: str = ""
    solved: str = SOLVED_BY_ITSELF
    by: str = ""
    comment: str = ""
    ended: datetime | None = None


def failures(recorded: Sequence[Recorded], state: RunState) -> list[Json]:
    """Return each step that failed: how often, the last reason, and what ended it, in order.

    ``solved`` is ``retry`` (another attempt was enough), ``person-retry``, ``accepted``,
    ``skipped``, ``outside`` (somebody started it by hand) or ``open``.
    """
    found: dict[str, _Trouble] = {}
    for record in recorded:
        event = record.event
        if isinstance(event, ev.AttemptFailed | ev.MachineLost | ev.OrderInDoubt | ev.StepFailed):
            _failed(found, event)
        elif isinstance(event, ev.StepFact) and event.step in found:
            _followed(found[event.step], event)
    return [_told(state, trouble) for trouble in found.values()]


def _failed(
    found: dict[str, _Trouble],
    event: ev.AttemptFailed | ev.MachineLost | ev.OrderInDoubt | ev.StepFailed,
) -> None:
    trouble = found.setdefault(event.step, _Trouble(event.step, event.at))
    trouble.ended = None
    match event:
        case ev.AttemptFailed():
            trouble.times += 1
            trouble.kind, trouble.detail, trouble.hint = event.kind, event.detail, event.hint
        case ev.MachineLost():
            trouble.kind, trouble.detail = "lost", event.detail
        case ev.OrderInDoubt():
            trouble.kind, trouble.detail = trouble.kind or "unknown", event.reason
        case ev.StepFailed():
            trouble.kind, trouble.detail = event.kind, event.detail
            trouble.by, trouble.comment = event.by, event.comment
            trouble.ended, trouble.solved = event.at, NOT_SOLVED


def _followed(trouble: _Trouble, event: ev.StepFact) -> None:
    match event:
        case ev.StepRetried():
            trouble.solved, trouble.by, trouble.comment = "person-retry", event.by, event.comment
        case ev.MachineFound(outside=True):
            trouble.solved = "outside"
        case ev.StepAccepted():
            trouble.solved, trouble.by, trouble.comment = "accepted", event.by, event.comment
            trouble.ended = event.at
        case ev.StepSkipped():
            trouble.solved, trouble.by, trouble.comment = "skipped", event.by, event.comment
            trouble.ended = event.at
        case ev.StepOnPaper():
            trouble.solved, trouble.by, trouble.comment = "paper", event.done_by, event.comment
            trouble.ended = event.at
        case ev.StepHealthy():
            trouble.ended = event.at


_SOLVED = frozenset({StepStatus.HEALTHY, StepStatus.SKIPPED})


def _told(state: RunState, trouble: _Trouble) -> Json:
    own = state.steps[state.index(trouble.step)]
    is_solved = own.status in _SOLVED
    return {
        "step": trouble.step,
        "title": state.step(state.index(trouble.step)).title,
        "began_at": stamp(trouble.began),
        "ended_at": stamp(trouble.ended),
        "took_s": between(trouble.began, trouble.ended),
        "times": trouble.times,
        "kind": trouble.kind,
        "detail": trouble.detail,
        "hint": trouble.hint,
        "solved": trouble.solved if is_solved else NOT_SOLVED,
        "by": trouble.by,
        "comment": trouble.comment,
        "status": own.status,
    }

"""The after-action report of a run, as data: what was back when, and where the time went."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any, TypeAlias

from drorch.journal.pages import recorded_json
from drorch.ports.journal import Recorded
from drorch.run import events as ev
from drorch.run.evolve import fold
from drorch.run.services import met_by, open_by_json, service_up_at
from drorch.run.state import RunState, StepState
from drorch.run.status import Ask, StepStatus
from drorch.run.views import counts, run_json, step_json
from drorch.run.words import stamp

Json: TypeAlias = dict[str, Any]

_QUIET = (ev.RunRequested, ev.MachinesObserved, ev.CheckChanged, ev.RetryDue, ev.DeadlineMoved)
_SLOWER = 2.0
"""A step that took so many times what the plan expects is worth a word about its ``expect``."""
_SMALLEST = 30.0
"""Seconds below which a wrong expectation changes nothing for anybody."""


def after_action(recorded: Sequence[Recorded], *, imported: bool = False) -> Json:
    """Return the report of the run with this journal, also while it goes on.

    *imported*: it goes on elsewhere, and is here to be read only.
    """
    state = fold(record.event for record in recorded)
    state.imported = imported
    return {
        "run": run_json(state),
        "summary": _summary(state),
        "services": _services(state),
        "steps": [_step(state, number) for number in range(len(state.steps))],
        "waiting": waiting_times(recorded, state),
        "critical_path": _critical_path(state),
        "timeline": [
            recorded_json(record) for record in recorded if not isinstance(record.event, _QUIET)
        ],
        "proposals": list(_proposals(state)),
    }


def _summary(state: RunState) -> Json:
    services = _services(state)
    goals = [s for s in services if s["met"] is not None]
    openings = [s["open_by"]["met"] for s in services if s["open_by"]]
    return {
        "status": state.status,
        "mode": state.mode,
        "took_s": _between(state.started_at, state.ended_at),
        "rto_s": state.plan.rto.total_seconds() if state.plan.rto else None,
        "counts": counts(state),
        "machines": sum(step.machine is not None for step in state.plan.steps),
        "attempts": sum(own.earlier + own.spent for own in state.steps),
        "services_met": sum(bool(s["met"]) for s in goals),
        "services_with_rto": len(goals),
        "openings_missed": sum(met is False for met in openings),
        "openings": sum(met is not None for met in openings),
        "accepted_by_hand": [
            {"step": state.step(n).id, "by": own.accepted_by, "comment": own.comment}
            for n, own in enumerate(state.steps)
            if own.accepted_by
        ],
    }


def _services(state: RunState) -> list[Json]:
    found = []
    for service in state.plan.services:
        up_at = service_up_at(state, service)
        rto = service.rto.total_seconds() if service.rto else None
        rta = _between(state.started_at, up_at)
        met = met_by(state, service, rto, rta)
        found.append(
            {"id": service.id, "title": dict(service.title), "tier": service.tier}
            | {"rto_s": rto, "rta_s": rta, "met": met, "external": service.external}
            | {"open_by": open_by_json(state, service), "up_at": stamp(up_at)}
        )
    return found


def _step(state: RunState, number: int) -> Json:
    own = state.steps[number]
    done = own.healthy_at or own.ended_at
    return step_json(state, number) | {
        "queued_s": _between(own.ready_at, own.started_at),
        "boot_s": _between(own.started_at, own.running_at),
        "verify_s": _between(own.running_at, own.healthy_at),
        "took_s": _between(own.ready_at, done),
        "expected_s": state.step(number).expect.total_seconds(),
    }


def waiting_times(recorded: Sequence[Recorded], state: RunState) -> Json:
    """Return where time went, in seconds summed over the steps; they overlap each other.

    ``vendors_s`` are questions about a failure whose step names a contact other than the plan's
    owner, ``people_s`` all others; ``retries_s`` is back-off; ``machines_s`` booting and checks.
    """
    spent = {"people_s": 0.0, "vendors_s": 0.0, "machines_s": 0.0, "retries_s": 0.0}
    since: dict[str, tuple[str, datetime]] = {}
    for record in recorded:
        event = record.event
        step = getattr(event, "step", None)
        if step is None:
            continue
        if (kind := _kind_after(event, state)) is None:
            continue
        if step in since:
            before, began = since.pop(step)
            spent[before] += (record.at - began).total_seconds()
        if kind:
            since[step] = (kind, record.at)
    return {key: round(seconds, 3) for key, seconds in spent.items()}


def _kind_after(event: ev.Event, state: RunState) -> str | None:
    """Return what a step's time goes into from here: empty for nothing, None for no change."""
    match event:
        case ev.StepAsked():
            contact = state.step(state.index(event.step)).contact
            vendor = event.ask is Ask.FAILURE and contact not in (None, state.plan.owner)
            return "vendors_s" if vendor else "people_s"
        case ev.StepStarted() | ev.MachineRunning() | ev.MachineFound() | ev.ActionDone():
            return "machines_s"
        case ev.AttemptFailed(retry_at=datetime()) | ev.OrderVoided():
            return "retries_s"
        case (
            ev.StepHealthy()
            | ev.StepFailed()
            | ev.StepSkipped()
            | ev.StepAccepted()
            | ev.StepRetried()
            | ev.AttemptFailed()
            | ev.StepPutBack()
        ):
            return ""
    return None


def _critical_path(state: RunState) -> list[Json]:
    """Walk back from the step that was ready last, always to what was satisfied last."""
    number = max(
        (n for n, own in enumerate(state.steps) if own.healthy_at is not None),
        key=lambda n: state.steps[n].healthy_at or _never(state),
        default=None,
    )
    path: list[Json] = []
    seen: set[int] = set()
    while number is not None and number not in seen:
        seen.add(number)
        own = state.steps[number]
        took = _between(own.ready_at or own.started_at, _done_at(own))
        path.append({"step": state.step(number).id, "took_s": took})
        before = [n for n in _steps_before(state, number) if _done_at(state.steps[n]) is not None]
        number = max(before, key=lambda n: _done_at(state.steps[n]) or _never(state), default=None)
    return list(reversed(path))


def _steps_before(state: RunState, number: int) -> Iterator[int]:
    """Yield the steps that *number* needs directly; of a group, its members."""
    nodes = list(state.graph.predecessors(number))
    while nodes:
        node = nodes.pop()
        if state.graph.is_group(node):
            nodes += state.graph.members[node]
        else:
            yield node


def _proposals(state: RunState) -> Iterator[Json]:
    """Yield what the plan could learn from this run."""
    for number, own in enumerate(state.steps):
        step = state.step(number)
        took = _between(own.started_at, own.healthy_at)
        expected = step.expect.total_seconds()
        if took is None or own.status is not StepStatus.HEALTHY or own.attempt != 1:
            continue
        if took > _SLOWER * expected and took - expected > _SMALLEST:
            yield {
                "step": step.id,
                "key": "expect",
                "value": f"{round(took)}s",
                "reason": f"it took {round(took)} s; the plan expects {round(expected)} s",
            }


def _done_at(own: StepState) -> datetime | None:
    return own.healthy_at or own.ended_at


def _never(state: RunState) -> datetime:
    assert state.requested_at is not None  # noqa: S101 (a run begins by being requested)
    return state.requested_at


def _between(began: datetime | None, ended: datetime | None) -> float | None:
    if began is None or ended is None:
        return None
    return round((ended - began).total_seconds(), 3)

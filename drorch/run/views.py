"""A run and its steps as data for people and programs: the shapes of the REST API."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from datetime import datetime
from typing import Any, TypeAlias

from drorch.model import moment
from drorch.model.hours import next_opening, zone_named
from drorch.model.plan import CheckSpec, OpeningHours, Service, Step
from drorch.ports.connector import Finding
from drorch.run.schedule import what_is_full
from drorch.run.state import RunState, StepState
from drorch.run.status import IN_FLIGHT, Ask, Mode, RunStatus, StepStatus

Json: TypeAlias = dict[str, Any]


def stamp(at: datetime | None) -> str | None:
    """Return a moment as every output writes it; None stays None."""
    return None if at is None else moment.stamp(at)


def run_json(state: RunState) -> Json:
    """Return the run as the contract describes it. ``eta`` is null: nothing is forecast yet."""
    return {
        "id": state.run,
        "plan": state.plan.id,
        "title": state.plan.title,
        "revision": state.revision,
        "mode": state.mode,
        "status": state.status,
        "reason": state.reason,
        "created_at": stamp(state.requested_at),
        "started_at": stamp(state.started_at),
        "ended_at": stamp(state.ended_at),
        "counts": counts(state),
        "eta": None,
        "rto": _rto(state),
        "services": [service_json(state, service) for service in state.plan.services],
        "started_by": state.requested_by,
        "driver": state.driver,
        "only": list(state.only),
        "timezone": state.timezone,
        "digest": state.plan.digest,
        "obstacles": [
            {
                "scope": scope,
                "key": key,
                "reason": obstacle.reason,
                "hint": obstacle.hint,
                "since": stamp(obstacle.since),
            }
            for (scope, key), obstacle in state.obstacles.items()
        ],
        "findings": [finding_json(finding) for finding in state.findings],
    }


def counts(state: RunState) -> Json:
    """Return the number of steps in each status, also those with none."""
    found = Counter(shown_status(state, number) for number in range(len(state.steps)))
    return {status.value: found.get(status, 0) for status in StepStatus}


def shown_status(state: RunState, number: int) -> StepStatus:
    """A ready machine that a person holds back is shown as waiting for a person."""
    return StepStatus.WAITING if state.held(number) else state.steps[number].status


def step_json(state: RunState, number: int) -> Json:
    step, own = state.step(number), state.steps[number]
    return {
        "id": step.id,
        "title": step.title,
        "action": step.action.kind,
        "status": shown_status(state, number),
        "waits_for": waits_for(state, number),
        "attempt": own.attempt,
        "attempts": step.retry.attempts,
        "group": step.group,
        "tier": state.graph.tier[number],
        "depends_on": [{"step": d.target, "when": d.when} for d in step.depends_on],
        "connector": step.machine.connector if step.machine else None,
        "vm": (own.machine or step.machine.id or step.machine.name) if step.machine else None,
        "host": own.host,
        "power": own.power if step.machine else None,
        "started_outside": own.outside,
        "ready_at": stamp(own.ready_at),
        "started_at": stamp(own.started_at),
        "running_at": stamp(own.running_at),
        "healthy_at": stamp(own.healthy_at),
        "ended_at": stamp(own.ended_at),
        "next_at": stamp(own.timer),
        "error": own.error or None,
        "hint": own.hint or None,
        "question": own.question or None,
        "asks": own.ask,
        "overdue": own.overdue,
        "who": _who(state, step, own),
        "accepted_by": own.accepted_by or None,
        "decided_by": own.decided_by or None,
        "comment": own.comment or None,
        "handle": own.handle or None,
        "checks": [_check_json(own, check) for check in step.verify],
    }


def waits_for(state: RunState, number: int) -> str:
    """Return in words what a step waits for; empty when it acts or has ended."""
    own = state.steps[number]
    match own.status:
        case StepStatus.READY:
            return _ready_waits_for(state, number, own)
        case StepStatus.PENDING | StepStatus.BLOCKED:
            return _unmet(state, number)
        case StepStatus.WAITING:
            return "an answer" if own.ask is Ask.MANUAL else "a decision: retry, skip or accept"
        case StepStatus.STARTING:
            return "the outcome of its order" if own.doubt else "the machine to run"
        case StepStatus.VERIFYING:
            return _unhealthy(state, number)
        case _:
            return ""


def _ready_waits_for(state: RunState, number: int, own: StepState) -> str:
    if (obstacle := state.obstacle(number)) is not None:
        return obstacle.reason
    if own.timer is not None:
        return f"its next attempt at {stamp(own.timer)}"
    if state.paused:
        return "the run to be resumed"
    return what_is_full(state, state.bucket(number)) or "its turn"


def _unmet(state: RunState, number: int) -> str:
    """Name what is not satisfied yet: at most three, the obstructed first."""
    names: list[tuple[int, str]] = []
    for edge in state.graph.needs[number]:
        level = state.levels[edge.node]
        met = {"healthy": level.satisfied, "started": level.started, "finished": level.finished}
        if not met[edge.when]:
            names.append((-level.obstruct, _node_words(state, edge.node)))
    names.sort(key=lambda entry: entry[0])
    shown = ", ".join(name for _, name in names[:3])
    return shown + (f" and {len(names) - 3} more" if len(names) > 3 else "")


def _node_words(state: RunState, node: int) -> str:
    if state.graph.is_group(node):
        group = state.plan.groups[node - len(state.steps)]
        return f"{group.id} ({state.needs[node].unsatisfied} of {len(state.graph.members[node])})"
    return f"{state.step(node).id} ({shown_status(state, node)})"


def _unhealthy(state: RunState, number: int) -> str:
    own, step = state.steps[number], state.step(number)
    bad = [
        c.name for c in step.verify if c.name in own.checks and not own.checks[c.name][0].healthy
    ]
    return f"check {bad[0]}" if bad else "its checks to hold"


def _who(state: RunState, step: Step, own: StepState) -> Json | None:
    """Return the contact who must act, while somebody must."""
    if own.ask is None and not own.error:
        return None
    wanted = own.assign or step.contact or state.plan.owner
    contact = next((c for c in state.plan.contacts if c.id == wanted), None)
    if contact is None:
        return None
    return {
        "id": contact.id,
        "name": contact.name,
        "phone": contact.phone,
        "email": contact.email,
    }


def _check_json(own: StepState, check: CheckSpec) -> Json:
    seen = own.checks.get(check.name)
    return {
        "kind": check.kind,
        "name": check.name,
        "healthy": seen[0].healthy if seen else None,
        "evidence": seen[0].evidence if seen else None,
        "at": stamp(seen[1]) if seen else None,
    }


def service_json(state: RunState, service: Service) -> Json:
    """Return a service of this run with its state and its recovery time so far."""
    up_at = service_up_at(state, service)
    began = state.started_at
    rto = service.rto.total_seconds() if service.rto else None
    rta = (up_at - began).total_seconds() if up_at and began else None
    seen = state.externals.get(service.id)
    return {
        "id": service.id,
        "title": dict(service.title),
        "state": _service_state(state, service, up_at),
        "tier": service.tier,
        "eta": None,
        "rto": rto,
        "rta": rta,
        "met": _service_met(state, service, rto, rta),
        "up_at": stamp(up_at),
        "open_by": open_by_json(state, service),
        "contact": service.contact,
        "fallback": dict(service.fallback),
        "external": service.external,
        "evidence": seen.evidence if seen else None,
        "since": stamp(seen.since) if seen else None,
        "plan": state.plan.id,
        "run": state.run,
    }


def open_by_json(state: RunState, service: Service) -> Json | None:
    """Return the opening that a service has to be back for; None when the plan names none.

    ``met`` is null while it still can be, or where nobody measures: compare ``at`` with the
    present. ``at`` is null when no opening is in sight or this machine lacks the time zone.
    """
    hours = service.open_by
    at = _opening_at(state, hours) if hours else None
    return opening_json(hours, at, met=_opening_met(state, service, at))


def opening_json(
    hours: OpeningHours | None, at: datetime | None = None, *, met: bool | None = None
) -> Json | None:
    """Return opening hours with the opening that counts, as far as there is one."""
    if hours is None:
        return None
    days, closed = list(hours.days), list(hours.closed)
    return {"time": hours.time, "days": days, "closed": closed, "at": stamp(at), "met": met}


def _opening_at(state: RunState, hours: OpeningHours) -> datetime | None:
    """Return the first opening after the run began (or was asked for, before it begins)."""
    began, zone = state.started_at or state.requested_at, zone_named(state.timezone)
    return next_opening(hours, began, zone) if began and zone else None


def _opening_met(state: RunState, service: Service, at: datetime | None) -> bool | None:
    if at is None or service.external or state.mode is Mode.DRY_RUN:
        return None
    up_at = service_up_at(state, service)
    if up_at is None:
        return False if state.is_over else None
    return up_at <= at


def _service_met(
    state: RunState, service: Service, rto: float | None, rta: float | None
) -> bool | None:
    if rto is None or service.external or state.mode is Mode.DRY_RUN:
        return None
    if rta is None:
        return False if state.is_over else None
    return rta <= rto


def service_up_at(state: RunState, service: Service) -> datetime | None:
    """Return when the last of the service's steps became healthy, if all are."""
    times: list[datetime] = []
    for step in service.steps:
        own = state.steps[state.index(step)]
        if own.status is not StepStatus.HEALTHY or own.healthy_at is None:
            return None
        times.append(own.healthy_at)
    return max(times, default=None)


def _service_state(state: RunState, service: Service, up_at: datetime | None) -> str:
    if state.mode in (Mode.DRY_RUN, Mode.SIMULATE):
        return "unknown"
    if service.external:
        return _external_state(state, service)
    if up_at is not None:
        return "up"
    nodes = [state.graph.index[step] for step in service.steps]
    needed = [n for n in state.graph.closure(nodes) if not state.graph.is_group(n)]
    if any(_stuck(state, n) for n in needed) or state.is_over:
        return "down"
    return "restoring" if state.started_at else "down"


def _external_state(state: RunState, service: Service) -> str:
    seen = state.externals.get(service.id)
    if seen is None or seen.healthy is None:
        return "unknown"
    return "up" if seen.healthy else "down"


def _stuck(state: RunState, number: int) -> bool:
    own = state.steps[number]
    asks = own.status is StepStatus.WAITING and own.ask is Ask.FAILURE
    return asks or own.status in (StepStatus.FAILED, StepStatus.CANCELLED)


def _rto(state: RunState) -> Json | None:
    """Return the plan's objective and whether it is, was or can still be met."""
    if state.plan.rto is None:
        return None
    goal = state.plan.rto.total_seconds()
    if state.ended is None or state.mode is Mode.DRY_RUN:
        return {"seconds": goal, "rta": None, "met": None}
    if state.ended is not RunStatus.SUCCEEDED or state.started_at is None:
        return {"seconds": goal, "rta": None, "met": False}
    assert state.ended_at is not None  # noqa: S101 (it has ended)
    took = (state.ended_at - state.started_at).total_seconds()
    return {"seconds": goal, "rta": took, "met": took <= goal}


def finding_json(finding: Finding) -> Json:
    return {
        "severity": finding.severity,
        "code": finding.code,
        "step": finding.step,
        "machine": finding.machine,
        "message": finding.message,
        "hint": finding.hint,
    }


def run_with_steps(state: RunState) -> Json:
    """Return the run with all its steps."""
    steps = [step_json(state, number) for number in range(len(state.steps))]
    return {**run_json(state), "steps": steps}


def needs_attention(state: RunState) -> list[int]:
    """Return the steps for which a person must act, those with most waiting behind them first."""
    asked = [
        n for n, own in enumerate(state.steps) if own.status is StepStatus.WAITING or state.held(n)
    ]
    return sorted(asked, key=lambda n: (-state.graph.chain[n], n))


def acting(state: RunState) -> list[int]:
    """Return the steps that start or verify now, in plan order."""
    return [n for n, own in enumerate(state.steps) if own.status in IN_FLIGHT]


def event_json(seq: int, kind: str, at: datetime, data: Mapping[str, Any]) -> Json:
    """Return an event as the API shows it: who did it and to which step, apart from the rest."""
    rest = dict(data)
    rest.pop("at", None)
    return {
        "seq": seq,
        "at": stamp(at),
        "type": kind,
        "step": rest.pop("step", None),
        "actor": rest.pop("by", "") or "drorch",
        "data": rest,
    }

"""A run and its steps as data for people and programs: the shapes of the REST API."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from datetime import datetime
from typing import Any, TypeAlias

from drorch.model.duration import format_duration
from drorch.model.plan import Callout, CheckSpec, Step, Wait
from drorch.ports.connector import Finding, Power
from drorch.run.decisions import approval_digest
from drorch.run.schedule import unmet_needs, what_is_full
from drorch.run.services import may_still_be, service_json
from drorch.run.state import RunState, StepState
from drorch.run.status import IN_FLIGHT, Ask, Mode, OrderKind, RunStatus, Scope, StepStatus
from drorch.run.words import seen_by, stamp

Json: TypeAlias = dict[str, Any]


def run_json(state: RunState) -> Json:
    """Return the run as the contract describes it. Every ``eta`` is null: a forecast adds them."""
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
        "eta_basis": None,
        "examined": _examined(state),
        "rto": _rto(state),
        "services": [service_json(state, service) for service in state.plan.services],
        "started_by": state.requested_by,
        "driver": state.driver,
        "only": list(state.only),
        "timezone": state.timezone,
        "approval": approval_json(state),
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
        "findings": [
            finding_json(finding) | {"outdated": _is_outdated(state, finding)}
            for finding in state.findings
        ],
    }


def approval_json(state: RunState) -> Json | None:
    """Return what approves the run, or has to until then; None where nobody was asked to."""
    given = state.approval
    if state.approve_by is None and given is None:
        return None
    return {
        "until": stamp(state.approve_by),
        "digest": given.digest if given else approval_digest(state),
        "asked_by": state.requested_by,
        "approved_by": given.by if given else None,
        "break_glass": (given.break_glass or None) if given else None,
    }


def _is_outdated(state: RunState, finding: Finding) -> bool:
    """Tell whether a live run has seen since what its preflight could not."""
    if state.mode is not Mode.LIVE or finding.code != "connector-away":
        return False
    away = (key for scope, key in state.obstacles if scope is Scope.CONNECTOR)
    return not any(finding.message.startswith(f"{name} ") for name in away)


def _examined(state: RunState) -> Json | None:
    """Return of how many machines a dry run can tell something; None for other runs."""
    if state.mode is not Mode.DRY_RUN or state.ended in (None, RunStatus.ABORTED):
        return None
    machines = [n for n, step in enumerate(state.plan.steps) if step.machine is not None]
    seen = sum(state.steps[n].status is not StepStatus.PENDING for n in machines)
    return {"machines": len(machines), "seen": seen}


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
        "examined": examined_words(state, number),
        "waits_for": waits_for(state, number),
        "attempt": own.attempt,
        "attempts": step.retry.attempts,
        "tries": own.spent,
        "tries_before": own.earlier,
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
        "attempt_at": stamp(own.attempt_at),
        "running_at": stamp(own.running_at),
        "healthy_at": stamp(own.healthy_at),
        "ended_at": stamp(own.ended_at),
        "next_at": stamp(own.timer),
        "error": _error(state, number) or None,
        "hint": own.hint or None,
        "question": own.question or None,
        "asks": own.ask,
        "overdue": own.overdue,
        "who": _who(state, step, own),
        "accepted_by": own.accepted_by or None,
        "decided_by": own.decided_by or None,
        "comment": own.comment or None,
        "from_paper": _from_paper(own),
        "handle": own.handle or None,
        "checks": [_check_json(own, check) for check in step.verify],
    }


def _from_paper(own: StepState) -> Json | None:
    """Return what the printed runbook says, while the step is as it is by that."""
    if (tick := own.from_paper) is None:
        return None
    told = {"done_at": stamp(tick.done_at), "by": tick.done_by}
    return {"result": tick.result, **told, "entered_by": tick.by, "entered_at": stamp(tick.at)}


def examined_words(state: RunState, number: int) -> str | None:
    """Return what a dry run says of a step; None in other runs, and until it has ended."""
    if state.mode is not Mode.DRY_RUN or state.ended in (None, RunStatus.ABORTED):
        return None
    own, step = state.steps[number], state.step(number)
    if own.status is StepStatus.PENDING:
        return "not examined"
    if own.status is StepStatus.FAILED:
        return "has an error"
    if (Scope.MACHINE, step.id) in state.obstacles:
        return "held"
    if step.machine is None:
        return "nothing to look at" if not step.verify else "no error"
    return "found running" if own.power is Power.RUNNING else "could start"


def _error(state: RunState, number: int) -> str:
    """Return what went wrong last; of a step that was given up, how it was left."""
    own = state.steps[number]
    if own.status is not StepStatus.CANCELLED:
        return own.error
    bad = (
        seen_by(check, own.checks[check.name][0].evidence)
        for check in state.step(number).verify
        if check.name in own.checks and not own.checks[check.name][0].healthy
    )
    parts = ["its machine RUNS, unverified"] if own.power is Power.RUNNING else []
    if last := own.error or next(bad, ""):
        parts.append(f"last seen: {last}" if parts else last)
    return "; ".join(parts)


def waits_for(state: RunState, number: int) -> str:
    """Return in words what a step waits for; empty when it acts or has ended."""
    own = state.steps[number]
    if state.mode is Mode.DRY_RUN and state.is_over:
        return ""
    match own.status:
        case StepStatus.READY:
            return _ready_waits_for(state, number, own)
        case StepStatus.PENDING | StepStatus.BLOCKED:
            return _unmet(state, number)
        case StepStatus.WAITING:
            return "an answer" if own.ask is Ask.MANUAL else "a decision: retry, skip or accept"
        case StepStatus.STARTING:
            return _starting_waits_for(state, number)
        case StepStatus.VERIFYING:
            return _unhealthy(state, number)
        case _:
            return ""


def _starting_waits_for(state: RunState, number: int) -> str:
    own, step = state.steps[number], state.step(number)
    if own.doubt:
        return "the outcome of its order"
    if own.order is OrderKind.WAIT and isinstance(step.action, Wait):
        return f"its {format_duration(step.action.duration)} to pass"
    if isinstance(step.action, Callout):
        return f"the callout {step.action.name} to return"
    return "the machine to stop" if own.order is OrderKind.STOP else "the machine to run"


def _ready_waits_for(state: RunState, number: int, own: StepState) -> str:
    if (obstacle := state.obstacle(number)) is not None:
        return obstacle.reason
    if own.timer is not None:
        return f"its next attempt at {stamp(own.timer)}"
    if state.paused:
        return "the run to be resumed"
    return what_is_full(state, state.bucket(number)) or "its turn"


def _unmet(state: RunState, number: int) -> str:
    """Name what is not satisfied yet: at most three."""
    nodes = unmet_needs(state, number)
    shown = ", ".join(_node_words(state, node) for node in nodes[:3])
    return shown + (f" and {len(nodes) - 3} more" if len(nodes) > 3 else "")


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
    contact = state.plan.contact(own.assign or step.contact or state.plan.owner)
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


def _rto(state: RunState) -> Json | None:
    """Return the plan's objective and whether it is, was or can still be met."""
    if state.plan.rto is None:
        return None
    goal = state.plan.rto.total_seconds()
    if state.ended is None or state.mode is Mode.DRY_RUN:
        return {"seconds": goal, "rta": None, "met": None}
    if state.ended is not RunStatus.SUCCEEDED or state.started_at is None:
        return {"seconds": goal, "rta": None, "met": None if may_still_be(state, goal) else False}
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

"""The story of one disaster, for people: its plan, and the last things that happened."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from drorch.model.plan import Callout, Gate, Manual, Plan, PowerOn, Step, Wait
from drorch.run import events as ev
from tests.simulation.disaster import Disaster
from tests.simulation.stage import Stage


def story(stage: Stage, last: int = 40) -> str:
    """Return what a person needs to understand how a promise came to be broken."""
    lines = [*_disaster(stage.scene.disaster), *_plan(stage.scene.disaster.plan)]
    happened = sorted([*_events(stage), *_orders(stage), *_blows(stage)], key=lambda one: one[0])
    lines.append(f"what happened (the last {last} of {len(happened)}; seconds):")
    lines += [f"  {at:9.3f}  {told}" for at, told in happened[-last:]]
    return "\n".join(lines)


def _disaster(disaster: Disaster) -> Iterator[str]:
    yield (
        f"seed {disaster.seed}: {disaster.processes} processes, lease {disaster.ttl:g} s, "
        f"calm after {disaster.calm:.1f} s, clocks off by {disaster.skews[: disaster.processes]}"
    )
    for connector, machine, kind, times in disaster.machine_faults:
        yield f"  {connector}/{machine}: {kind} x {times}"
    for name, arrivals in disaster.deaths.items():
        yield f"  dies at {name}, arrivals {sorted(arrivals)}"


def _plan(plan: Plan) -> Iterator[str]:
    limits = plan.limits
    yield f"limits: {{parallel: {limits.parallel}, per_connector: {dict(limits.per_connector)}, per_host: {limits.per_host}}}"
    for group in plan.groups:
        yield f"group {group.id}: {{parallel: {group.parallel}}}"
    yield "steps:"
    for step in plan.steps:
        yield f"  {step.id}: {{{_action(step)}{_rest(step)}}}"


def _action(step: Step) -> str:
    match step.action:
        case PowerOn():
            return f"vm: {step.action.machine}"
        case Gate():
            return "gate: {}"
        case Manual():
            return f"manual: {{timeout: {_seconds(step.action.timeout)}}}"
        case Wait():
            return f"wait: {_seconds(step.action.duration)}"
        case Callout():
            return f"callout: {step.action.name}"


def _rest(step: Step) -> str:
    needs = ", ".join(f"{need.target}:{need.when}" for need in step.depends_on)
    told = f", depends_on: [{needs}]" if needs else ""
    told += f", group: {step.group}" if step.group else ""
    told += f", checks: {[c.name for c in step.verify]}" if step.verify else ""
    told += f", on_failure: {step.on_failure}, on_unhealthy: {step.on_unhealthy}"
    told += f", attempts: {step.retry.attempts}"
    return f"{told}, patience: {_seconds(step.start_timeout)}/{_seconds(step.verify_timeout)}"


def _seconds(span: timedelta | None) -> str:
    return "-" if span is None else f"{span.total_seconds():g}s"


def _events(stage: Stage) -> Iterator[tuple[float, str]]:
    for commit in stage.scene.disk.commits:
        for number in range(commit.first, commit.last + 1):
            event = stage.scene.disk.events[number - 1]
            yield commit.at, f"journal  #{number} {commit.process} {_event(event)}"


def _event(event: ev.Event) -> str:
    if isinstance(event, ev.RunRequested):
        return event.type
    told = {
        key: value
        for key in event.__dataclass_fields__
        if key not in ("at", "hint", "checks", "driver") and (value := getattr(event, key))
    }
    if isinstance(event, ev.MachinesObserved):
        told["machines"] = {step: str(seen.power) for step, seen in event.machines.items()}
    return f"{event.type} {' '.join(f'{k}={v}' for k, v in told.items())}"


def _orders(stage: Stage) -> Iterator[tuple[float, str]]:
    for sent in stage.scene.witness.sent:
        answer = "never arrived" if sent.entry is None else sent.entry.result
        reason = sent.entry.reason if sent.entry is not None else ""
        who = f"by {sent.process} (epoch {sent.epoch}, attempt {sent.attempt})"
        yield (
            sent.at,
            f"order    {sent.action} {sent.connector}/{sent.machine} {who}: {answer} {reason}",
        )
    for call in stage.scene.witness.calls:
        yield call.at, f"callout  {call.name} by {call.process}"
    for (connector, machine), truths in stage.scene.witness.truths.items():
        for truth in truths:
            well = ", well" if truth.well else ""
            yield truth.at, f"truth    {connector}/{machine} {truth.state}{well}"


def _blows(stage: Stage) -> Iterator[tuple[float, str]]:
    for at, told in stage.scene.witness.story:
        yield at, f"disaster {told}"

"""What a bulk reading changes: started, found running, lost."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from drorch.ports.connector import Power
from drorch.run import commands as cmd
from drorch.run import events as ev
from drorch.run.rules import (
    NOT_RUNNING,
    Events,
    attempt_failed,
    healthy_without_checks,
    policy,
    running,
)
from drorch.run.seen import Seen
from drorch.run.state import RunState, StepState
from drorch.run.status import NOT_BEGUN, Ask, FailureKind, OrderKind, StepStatus

_RUNNING, _STARTING, _START = Power.RUNNING, StepStatus.STARTING, OrderKind.START


def machines_seen(state: RunState, report: cmd.ReportMachines, now: datetime) -> Events:
    """Return the changes of one reading; the first reading of a connector is always recorded."""
    first = report.connector not in state.surveyed
    found = [(state.index(step), step, seen) for step, seen in report.machines.items()]
    awaited = state.unconfirmed
    news = [
        one for one in found if first or one[0] in awaited or _differs(state.steps[one[0]], one[2])
    ]
    changed = {step: seen for _, step, seen in news}
    if not changed and not first:
        return ()
    observed = ev.MachinesObserved(at=now, connector=report.connector, machines=changed)
    out: list[ev.Event] = [observed]
    for number, _, seen in news:
        out += _follow(state, number, seen, first, now)
    return tuple(out)


def _differs(own: StepState, seen: Seen) -> bool:
    if own.power is not seen.power:
        return True
    return own.host != seen.host or own.machine != seen.machine


def _follow(state: RunState, number: int, seen: Seen, first: bool, now: datetime) -> Events:
    own = state.steps[number]
    if seen.power is _RUNNING:
        if own.status is _STARTING:
            ours = own.accepted and own.order is _START
            return running(state, number, seen.host, now) if ours else ()
        return _runs_unasked(state, number, first, now)
    if seen.power not in NOT_RUNNING:
        return ()
    if own.status is StepStatus.HEALTHY:
        return tuple(_lost(state, number, seen, now))
    if own.status is not StepStatus.VERIFYING:
        return ()
    detail = f"the machine stopped while it was verified (now {seen.power})"
    report = cmd.ReportFailure(
        step=state.step(number).id,
        attempt=own.attempt,
        kind=FailureKind.LOST,
        detail=detail,
        hint="look why it stopped: its console, the hypervisor's log, the host's memory",
    )
    return attempt_failed(state, number, report, now)


def _runs_unasked(state: RunState, number: int, first: bool, now: datetime) -> Events:
    own = state.steps[number]
    asked = own.status is StepStatus.WAITING and own.ask is Ask.FAILURE
    failed = own.status is StepStatus.FAILED and not state.aborting
    if own.status not in NOT_BEGUN and not asked and not failed:
        return ()
    if own.power is Power.RUNNING and not first:
        return ()  # it ran all along; what failed were its checks
    found = ev.MachineFound(at=now, step=state.step(number).id, outside=not first)
    return (found, *healthy_without_checks(state, number, now))


def _lost(state: RunState, number: int, seen: Seen, now: datetime) -> Iterator[ev.Event]:
    step, own = state.step(number), state.steps[number]
    paper = own.from_paper
    if own.accepted_by and paper is None:
        return  # a person vouched for it as it was; it is not ours to judge
    detail = f"the machine was healthy and does not run any more (now {seen.power})"
    if paper is not None:
        detail = f"the paper says that it was done, and the machine does not run (now {seen.power})"
    yield ev.MachineLost(at=now, step=step.id, detail=detail)
    yield policy(state, number, FailureKind.LOST, detail, now)

"""Where the run went otherwise than its plan says, step by step."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from api.reports.measures import Json, between
from drorch.model.duration import format_seconds
from drorch.model.plan import Manual, OnUnhealthy, Step
from drorch.run.state import RunState, StepState
from drorch.run.status import FailureKind, Mode, StepStatus

SLOWER = 2.0
"""A step that took so many times what the plan expects, or that part of it, is worth a word."""
SMALLEST = 30.0
"""Seconds below which a wrong expectation changes nothing for anybody."""
TIGHT = 0.8
"""A step that used so much of its time-out will run into it one night."""
LOOSE = 10.0
"""A time-out of so many times what was needed keeps people waiting for nothing."""
LOOSE_LEAST = 1800.0
"""Seconds below which nobody minds a time-out that is too long."""


def differences(state: RunState) -> list[Json]:
    """Return what differs: ``step``, ``kind`` and the ``values`` of its sentence."""
    if state.mode is Mode.DRY_RUN or state.started_at is None:
        return []
    found = []
    for number, own in enumerate(state.steps):
        step = state.step(number)
        for kind, values in _of_step(state, number, step, own):
            found.append({"step": step.id, "kind": kind, "values": values})
    return found


def _of_step(
    state: RunState, number: int, step: Step, own: StepState
) -> Iterator[tuple[str, dict[str, str]]]:
    if own.outside:
        early = own.ready_at is None or (own.running_at or own.ready_at) < own.ready_at
        yield "outside-early" if early else "outside", {}
    if own.accepted_by:
        yield "accepted", {"by": own.accepted_by}
    if own.status is StepStatus.SKIPPED:
        yield "skipped", {"by": own.decided_by}
    spent = own.earlier + own.spent
    if spent > 1:
        yield "retried", {"attempts": str(spent), "allowed": str(step.retry.attempts)}
    if (before := _went_on_without(state, number, own)) is not None:
        yield "went-on", {"before": before}
    if state.mode is not Mode.SIMULATE:  # its durations are the plan's own
        yield from _timing(step, own)
    if is_unchecked(step):
        yield "unchecked", {}


def _went_on_without(state: RunState, number: int, own: StepState) -> str | None:
    """Return a step that this one went on without, though the plan has it wait for it."""
    if own.started_at is None:
        return None
    for edge in state.graph.needs[number]:
        for node in [edge.node, *state.graph.members[edge.node]]:
            if not state.graph.is_group(node) and state.steps[node].status in (
                StepStatus.SKIPPED,
                StepStatus.FAILED,
            ):
                return state.step(node).id
    return None


def _timing(step: Step, own: StepState) -> Iterator[tuple[str, dict[str, str]]]:
    took, expected = first_try(step, own), step.expect.total_seconds()
    if took is not None and is_off(took, expected):
        kind = "slower" if took > expected else "faster"
        yield kind, {"took": format_seconds(took), "expected": format_seconds(expected)}
    for key, used, limit in timeouts(step, own):
        allowed = limit.total_seconds()
        values = {"key": key, "used": format_seconds(used), "limit": format_seconds(allowed)}
        if is_tight(used, allowed):
            yield "tight", values
        elif is_loose(used, allowed):
            yield "loose", values


def first_try(step: Step, own: StepState) -> float | None:
    """Return how long a step took that was healthy at once, by itself; None for any other.

    Questions have no duration of their own, and what was started outside none from an order.
    """
    usual = own.status is StepStatus.HEALTHY and own.attempt == 1 and not own.accepted_by
    if not usual or own.outside or isinstance(step.action, Manual):
        return None
    return between(own.started_at, own.healthy_at)


def is_off(took: float, expected: float) -> bool:
    """Tell whether what the plan expects is wrong by enough to matter."""
    more, less = max(took, expected), min(took, expected)
    return more > SLOWER * less and more - less > SMALLEST


def timeouts(step: Step, own: StepState) -> Iterator[tuple[str, float, timedelta]]:
    """Yield what a machine or its checks used of each time-out: its key, seconds, the limit."""
    if own.status is not StepStatus.HEALTHY or own.accepted_by or own.outside:
        return
    if step.machine is not None:
        booted = between(own.attempt_at, own.running_at)
        if booted is not None and booted > 0:
            yield "start_timeout", booted, step.start_timeout
    if step.verify:
        checked = between(own.running_at, own.healthy_at)
        if checked is not None and checked > 0 and own.attempt == 1:
            yield "verify_timeout", checked, step.verify_timeout


def is_tight(used: float, limit: float) -> bool:
    return used > TIGHT * limit


def is_loose(used: float, limit: float) -> bool:
    return limit >= LOOSE_LEAST and used * LOOSE < limit


def ran_out(step: Step, own: StepState) -> str | None:
    """Return the key of the time-out that a step ran into last, if more time alone cured it."""
    if own.failure is FailureKind.TIMEOUT:
        return "start_timeout"
    waits = step.on_unhealthy is OnUnhealthy.VERIFY
    return "verify_timeout" if own.failure is FailureKind.UNHEALTHY and waits else None


def is_unchecked(step: Step) -> bool:
    """Tell whether a machine counts as healthy without any answer of its application."""
    return step.machine is not None and not step.verify

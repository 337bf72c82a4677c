"""What the plan could learn from a run, as keys of the plan language."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from math import ceil

import yaml

from api.reports.differences import (
    first_try,
    is_loose,
    is_off,
    is_tight,
    is_unchecked,
    ran_out,
    timeouts,
)
from api.reports.measures import Json
from api.reports.sentences import english
from drorch.model.duration import format_seconds
from drorch.model.plan import Manual, RetryPolicy, Step
from drorch.run.state import RunState, StepState
from drorch.run.status import Mode, StepStatus

_ROOM = 2.0
"""A time-out that fits leaves so many times what was needed."""
_LEAST = 60.0
_MINUTE = 60.0


def proposals(state: RunState) -> list[Json]:
    """Return what to change: ``step``, ``key``, ``value``, the ``reason``, and the ``yaml`` of it.

    ``kind`` and ``values`` are those of the reason's sentence.
    """
    found: list[Json] = []
    for number, own in enumerate(state.steps):
        step = state.step(number)
        measured = () if state.mode is Mode.SIMULATE else _measured(step, own)
        for key, value, kind, values in (*measured, *_missing(state, step, own)):
            found.append(
                {"step": step.id, "key": key, "value": _shown(value)}
                | {"reason": english(kind, values), "kind": kind, "values": values}
                | {"yaml": yaml_of([(step.id, key, value)])}
            )
    return found


_Change = tuple[str, object, str, dict[str, str]]


def _measured(step: Step, own: StepState) -> Iterator[_Change]:
    took, expected = first_try(step, own), step.expect.total_seconds()
    if took is not None and is_off(took, expected):
        values = {"took": f"{round(took)} s", "expected": f"{round(expected)} s"}
        yield "expect", f"{max(1, round(took))}s", "expect", values
    for key, used, limit in timeouts(step, own):
        allowed = limit.total_seconds()
        values = {"key": key, "used": format_seconds(used), "limit": format_seconds(allowed)}
        if is_tight(used, allowed):
            yield key, _roomy(used * _ROOM), "tight", values
        elif is_loose(used, allowed):
            yield key, _roomy(max(_LEAST, used * _ROOM * 2)), "loose", values
    yield from _retries(step, own)


def _retries(step: Step, own: StepState) -> Iterator[_Change]:
    by_itself = own.status is StepStatus.HEALTHY and not own.accepted_by and not own.earlier
    if not by_itself or own.outside or own.spent <= 1:
        return  # what people did meanwhile, no number in the plan would have done
    spent = own.spent
    limit = ran_out(step, own)
    if limit is not None:  # nothing else was done: it only wanted time
        allowed = {"start_timeout": step.start_timeout, "verify_timeout": step.verify_timeout}
        seconds = allowed[limit].total_seconds()
        values = {"key": limit, "limit": format_seconds(seconds), "attempts": str(spent)}
        yield limit, _roomy(seconds * _ROOM), "ran-out", values
    elif spent >= step.retry.attempts:
        policy = _retry_of(step.retry, spent + 1)
        values = {"attempts": str(spent), "allowed": str(step.retry.attempts)}
        yield "retry", policy, "retry", values


def _retry_of(policy: RetryPolicy, attempts: int) -> dict[str, object]:
    wait, longest = policy.wait.total_seconds(), policy.max_wait.total_seconds()
    return {"attempts": attempts, "wait": format_seconds(wait), "max_wait": format_seconds(longest)}


def _missing(state: RunState, step: Step, own: StepState) -> Iterator[_Change]:
    if is_unchecked(step):
        yield "verify", [{"agent": {}}], "unchecked", {}
    troubled = bool(own.accepted_by) or own.failure is not None
    if troubled and step.contact is None and not isinstance(step.action, Manual):
        known = state.plan.owner or next((c.id for c in state.plan.contacts), None)
        if known is not None:
            yield "contact", known, "no-contact", {}


def _roomy(seconds: float) -> str:
    """Return a time-out in whole minutes: nobody tunes them to the second."""
    return format_seconds(ceil(seconds / _MINUTE) * _MINUTE)


def _shown(value: object) -> str:
    """Return a value in one line, as it may stand in the plan."""
    if isinstance(value, str):
        return value
    return str(yaml.safe_dump(value, default_flow_style=True, sort_keys=False, width=1000)).strip()


def yaml_of(changes: Iterable[tuple[str, str, object]]) -> str:
    """Return changes of steps, (step, key, value) each, as they stand in a plan."""
    steps: dict[str, dict[str, object]] = {}
    for step, key, value in changes:
        steps.setdefault(step, {})[key] = value
    return str(
        yaml.safe_dump(
            {"steps": steps},
            sort_keys=False,
            allow_unicode=True,
            width=100,
            default_flow_style=None,
        )
    )


def one_yaml(found: Sequence[Json]) -> str:
    """Return several proposals as one piece of a plan."""
    parts = ((p["step"], p["key"], yaml.safe_load(p["yaml"])["steps"]) for p in found)
    return yaml_of((step, key, steps[step][key]) for step, key, steps in parts)

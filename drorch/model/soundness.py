"""What holds in every plan that the plan language lets through, for plans from elsewhere.

The language tells authors more, with the places; here one reason is enough.
"""

from __future__ import annotations

from collections.abc import Iterator

from drorch.errors import PlanError
from drorch.model.graph import Graph
from drorch.model.plan import Plan

MOST_AT_ONCE = 100_000
"""The highest limit of what may act or verify at once; the lowest is 1."""
MOST_ATTEMPTS = 1000
LOWEST_TIER = 9


def refuse_unsound(plan: Plan) -> None:
    """Raise `PlanError` for a plan that no source text could have become."""
    _ids(plan)
    _references(plan)
    _machines(plan)
    for what, number, most in _numbers(plan):
        if not 1 <= number <= most:
            raise PlanError(f"{what} is {number}, and not from 1 to {most}")
    Graph(plan)


def _ids(plan: Plan) -> None:
    if not plan.steps:
        raise PlanError("it has no steps")
    seen: set[str] = set()
    for name in (*(step.id for step in plan.steps), *(group.id for group in plan.groups)):
        if name in seen:
            raise PlanError(f"there are two steps or groups {name}")
        seen.add(name)


def _references(plan: Plan) -> None:
    steps, groups = {step.id for step in plan.steps}, {group.id for group in plan.groups}
    for step in plan.steps:
        if step.group is not None and step.group not in groups:
            raise PlanError(f"{step.id} is in the group {step.group}, which is not there")
        for target in (dependency.target for dependency in step.depends_on):
            if target not in steps | groups:
                raise PlanError(f"{step.id} depends on {target}, which is not there")
    for service in plan.services:
        for name in service.steps:
            if name not in steps:
                raise PlanError(f"the service {service.id} needs {name}, which is not there")


def _machines(plan: Plan) -> None:
    taken: dict[tuple[str, str | None, str | None], str] = {}
    for step in plan.steps:
        if (ref := step.machine) is None:
            continue
        key = (ref.connector, ref.id, None if ref.id is not None else ref.name)
        if key in taken:
            raise PlanError(f"the machine {ref} belongs to two steps, {taken[key]} and {step.id}")
        taken[key] = step.id


def _numbers(plan: Plan) -> Iterator[tuple[str, int, int]]:
    """Yield each number that has bounds: what it is, what it says, and the highest."""
    limits = plan.limits
    yield "limits.parallel", limits.parallel, MOST_AT_ONCE
    if limits.per_host is not None:
        yield "limits.per_host", limits.per_host, MOST_AT_ONCE
    for connector, number in limits.per_connector.items():
        yield f"{connector}: limits.per_connector", number, MOST_AT_ONCE
    for group in plan.groups:
        if group.parallel is not None:
            yield f"{group.id}: limits.parallel", group.parallel, MOST_AT_ONCE
    for step in plan.steps:
        yield f"{step.id}: retry.attempts", step.retry.attempts, MOST_ATTEMPTS
    for service in plan.services:
        yield f"{service.id}: tier", service.tier, LOWEST_TIER

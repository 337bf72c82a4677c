"""Cuts a plan down to what some steps, groups or services need."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from drorch.errors import PlanError
from drorch.model.graph import Graph
from drorch.model.plan import Group, Plan, Service
from plans.shapes.words import nearest


def select(plan: Plan, only: Sequence[str]) -> Plan:
    """Return *plan* with the steps, groups and services named in *only* and all that they need.

    A name that is a step and a service means both. Without names the plan is returned whole. A
    group keeps the members that are left; a service is left when all its steps are. Raises
    `PlanError` for a name that the plan does not have and for a choice that starts nothing.
    """
    if not only:
        return plan
    graph = Graph(plan)
    wanted = [graph.index[step] for name in only for step in _steps(plan, name)]
    needed = graph.closure(wanted)
    steps = tuple(step for i, step in enumerate(plan.steps) if i in needed)
    if not steps:
        raise PlanError(
            f"nothing is started for {', '.join(only)}",
            hint="an external service runs elsewhere; name a step, a group or another service",
        )
    left = {step.id for step in steps}
    groups = {group.id for group in plan.groups if graph.index[group.id] in needed}
    groups |= {step.group for step in steps if step.group is not None}
    return replace(
        plan,
        steps=steps,
        groups=tuple(_shrunk(group, left | groups) for group in plan.groups if group.id in groups),
        services=tuple(s for s in plan.services if s.id in only or _is_whole(s, left)),
    )


def _steps(plan: Plan, name: str) -> list[str]:
    """Return the steps and groups that *name* stands for."""
    nodes = [step.id for step in plan.steps] + [group.id for group in plan.groups]
    services = {service.id: service for service in plan.services}
    found = [name] if name in nodes else []
    if name in services:
        found += services[name].steps
    elif not found:
        hint = nearest(name, [*nodes, *services])
        raise PlanError(
            f'the plan {plan.id} has no step, group or service "{name}"',
            hint=hint or "drorch show lists the steps of a plan",
        )
    return found


def _shrunk(group: Group, left: set[str]) -> Group:
    kept = tuple(dependency for dependency in group.depends_on if dependency.target in left)
    return replace(group, depends_on=kept)


def _is_whole(service: Service, left: set[str]) -> bool:
    return bool(service.steps) and left.issuperset(service.steps)

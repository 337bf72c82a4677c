"""The lower bound of a recovery: no order of starts could be faster under the same limits."""

from __future__ import annotations

from collections.abc import Mapping

from drorch.model.graph import Graph
from drorch.model.plan import Plan, Step, Wait, When


def durations(plan: Plan, boots: Mapping[str, tuple[float, float]]) -> dict[str, float]:
    """Return the shortest time of each step in seconds: boot, application, checks' ``stable``."""
    return {step.id: _duration(step, boots) for step in plan.steps}


def _duration(step: Step, boots: Mapping[str, tuple[float, float]]) -> float:
    stable = max((c.stable.total_seconds() for c in step.verify if c.stable), default=0.0)
    if isinstance(step.action, Wait):
        return step.action.duration.total_seconds() + stable
    if step.machine is None:
        return stable
    boot, app = boots[step.machine.id or ""]
    return boot + (app if step.verify else 0.0) + stable


def lower_bound(
    plan: Plan, boots: Mapping[str, tuple[float, float]], hosts: Mapping[str, str]
) -> dict[str, float]:
    """Return each bound in seconds: the longest chain, and work over slots for every limit."""
    took = durations(plan, boots)
    machines = [step for step in plan.steps if step.machine is not None]
    bounds = {"longest chain": _chain(plan, took, boots)}
    bounds["work over slots"] = sum(took[s.id] for s in machines) / plan.limits.parallel
    for connector, limit in plan.limits.per_connector.items():
        mine = (took[s.id] for s in machines if s.machine and s.machine.connector == connector)
        bounds[f"work of {connector}"] = sum(mine) / limit
    for host in sorted(set(hosts.values())):
        mine = (took[s.id] for s in machines if s.machine and hosts[s.machine.id or ""] == host)
        bounds[f"work of {host}"] = sum(mine) / (plan.limits.per_host or len(machines))
    for group in plan.groups:
        if group.parallel:
            mine = (took[s.id] for s in machines if s.group == group.id)
            bounds[f"work of group {group.id}"] = sum(mine) / group.parallel
    return bounds


def _chain(
    plan: Plan, took: Mapping[str, float], boots: Mapping[str, tuple[float, float]]
) -> float:
    graph = Graph(plan)
    ends = [0.0] * graph.size
    runs = [0.0] * graph.size
    for node in graph.order:
        if graph.is_group(node):
            ends[node] = runs[node] = max((ends[m] for m in graph.members[node]), default=0.0)
            continue
        step = graph.steps[node]
        needs = graph.needs[node]
        begin = max(
            (runs[e.node] if e.when is When.STARTED else ends[e.node] for e in needs), default=0.0
        )
        boot = boots[step.machine.id or ""][0] if step.machine else 0.0
        runs[node], ends[node] = begin + boot, begin + took[step.id]
    return max(ends)

"""A plan's dependency graph as data."""

from __future__ import annotations

from drorch.model.graph import Graph, expected
from drorch.model.plan import Plan
from drorch.run.views import Json


def graph_json(plan: Plan) -> Json:
    """Return the nodes, edges, waves, critical path and expected times of *plan*."""
    graph = Graph(plan)
    waves = [[step.id for step in wave] for wave in graph.waves()]
    path = [step.id for step in graph.critical_path()]
    return {
        "nodes": _steps(plan, graph, waves, set(path)) + _groups(plan, graph),
        "edges": _edges(plan),
        "waves": waves,
        "critical_path": path,
        "expected_s": graph.expected_duration().total_seconds(),
    }


def _steps(plan: Plan, graph: Graph, waves: list[list[str]], critical: set[str]) -> list[Json]:
    wave_of = {step: number for number, wave in enumerate(waves, start=1) for step in wave}
    return [
        {
            "id": step.id,
            "title": step.title,
            "kind": step.action.kind,
            "group": step.group,
            "tier": graph.tier[number],
            "wave": wave_of[step.id],
            "expected_s": expected(step),
            "chain_s": graph.chain[number],
            "critical": step.id in critical,
        }
        for number, step in enumerate(plan.steps)
    ]


def _groups(plan: Plan, graph: Graph) -> list[Json]:
    return [
        {
            "id": group.id,
            "title": group.title,
            "kind": "group",
            "group": None,
            "tier": graph.tier[graph.index[group.id]],
            "wave": None,
            "expected_s": 0.0,
            "chain_s": graph.chain[graph.index[group.id]],
            "critical": False,
        }
        for group in plan.groups
    ]


def _edges(plan: Plan) -> list[Json]:
    return [
        {"source": need.target, "target": step.id, "when": need.when}
        for step in plan.steps
        for need in step.depends_on
    ]

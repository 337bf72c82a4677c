"""Finds dependencies that wait for each other, through groups too, and says so as a chain."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from plans.compiler.names import Names
from plans.language.document import PlanDocument
from plans.language.steps import DependencyDocument
from plans.problems import Position, Report

MOST_STARTS = 50
"""From how many members of a knot the shortest cycle is looked for."""


@dataclass(frozen=True, slots=True)
class _Need:
    """The place that says so; ``group`` is where a member has it from."""

    at: Position
    group: str | None = None


Edges: TypeAlias = Mapping[str, Mapping[str, _Need]]
"""What each step or group needs."""


def report_cycles(document: PlanDocument, names: Names, report: Report) -> None:
    """Report the shortest cycle of every knot of dependencies."""
    edges = _edges(document, names)
    for knot in _knots(edges):
        cycle = _shortest(edges, knot)
        ends = [*cycle[1:], cycle[0]]
        needs = [edges[a][b] for a, b in zip(cycle, ends, strict=True)]
        steps = " -> ".join(_shorten(_with_groups(cycle, needs)))
        places = [need.at for need in needs]
        lines = sorted({place.line for place in places})
        report.add(
            places[0],
            "cycle",
            f"these wait for each other: {steps}",
            f"{_reading(cycle, needs, names)}; remove one, at "
            + ("line " if len(lines) == 1 else "lines ")
            + ", ".join(str(line) for line in lines[:10]),
        )


def _reading(cycle: list[str], needs: list[_Need], names: Names) -> str:
    grouped = any(need.group for need in needs) or any(name in names.groups for name in cycle)
    return "-> reads needs" + (" (a member needs what its group needs)" if grouped else "")


def _with_groups(cycle: list[str], needs: list[_Need]) -> list[str]:
    """Return the chain for people, back to its start; an inherited need shows its group."""
    chain: list[str] = []
    for name, need in zip(cycle, needs, strict=True):
        chain += [name] if need.group is None else [name, need.group]
    return [*chain, cycle[0]]


def _shorten(chain: list[str]) -> list[str]:
    return chain if len(chain) <= 20 else [*chain[:12], "...", *chain[-6:]]


def _edges(document: PlanDocument, names: Names) -> dict[str, dict[str, _Need]]:
    known = names.steps_or_groups
    edges: dict[str, dict[str, _Need]] = {name: {} for name in known}
    inherited: dict[str, list[DependencyDocument]] = {}
    for group in document.groups or []:
        inherited[group.id] = group.value.depends_on or []
        for dependency in inherited[group.id]:
            edges[group.id].setdefault(dependency.step, _Need(dependency.at))
    for step in document.steps or []:
        for dependency in step.value.depends_on or []:
            edges[step.id].setdefault(dependency.step, _Need(dependency.at))
        group_name = step.value.group
        if group_name is None or group_name.id not in names.groups:
            continue
        for dependency in inherited.get(group_name.id, []):
            need = _Need(dependency.at, group_name.id)
            edges[step.id].setdefault(dependency.step, need)
        # A group is satisfied by its members: it waits for each of them.
        edges[group_name.id].setdefault(step.id, _Need(group_name.at))
    return {a: {b: at for b, at in needs.items() if b in known} for a, needs in edges.items()}


def _knots(edges: Edges) -> Iterator[set[str]]:
    """Yield the strongly connected parts that hold a cycle (Tarjan, without recursion)."""
    number: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    held: set[str] = set()
    for root in edges:
        if root in number:
            continue
        work: list[tuple[str, Iterator[str]]] = [(root, iter(edges[root]))]
        number[root] = low[root] = len(number)
        stack.append(root)
        held.add(root)
        while work:
            node, rest = work[-1]
            following = next(rest, None)
            if following is None:
                work.pop()
                if work:
                    low[work[-1][0]] = min(low[work[-1][0]], low[node])
                if low[node] == number[node]:
                    knot = _unwind(stack, held, node)
                    if len(knot) > 1 or node in edges[node]:
                        yield knot
            elif following not in number:
                number[following] = low[following] = len(number)
                stack.append(following)
                held.add(following)
                work.append((following, iter(edges[following])))
            elif following in held:
                low[node] = min(low[node], number[following])


def _unwind(stack: list[str], held: set[str], until: str) -> set[str]:
    knot: set[str] = set()
    while until not in knot:
        name = stack.pop()
        held.discard(name)
        knot.add(name)
    return knot


def _shortest(edges: Edges, knot: set[str]) -> list[str]:
    """Return the shortest cycle in *knot*; of equal ones the first in the plan's order."""
    starts = [name for name in edges if name in knot][:MOST_STARTS]
    return min((_cycle_through(edges, knot, start) for start in starts), key=_shown_length(edges))


def _shown_length(edges: Edges) -> Callable[[list[str]], int]:
    def length(cycle: list[str]) -> int:
        ends = [*cycle[1:], cycle[0]]
        inherited = sum(edges[a][b].group is not None for a, b in zip(cycle, ends, strict=True))
        return len(cycle) + inherited

    return length


def _cycle_through(edges: Edges, knot: set[str], start: str) -> list[str]:
    came_from: dict[str, str] = {}
    queue = deque([start])
    while queue:
        node = queue.popleft()
        for following in edges[node]:
            if following == start:
                return _path(came_from, start, node)
            if following in knot and following not in came_from:
                came_from[following] = node
                queue.append(following)
    return [start]


def _path(came_from: Mapping[str, str], start: str, end: str) -> list[str]:
    path = [end]
    while path[-1] != start:
        path.append(came_from[path[-1]])
    return path[::-1]

"""Pictures of single steps: around one, inside one box, or all of a plan."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from api.dashboard.graph.overview import overview
from api.dashboard.graph.steps import needed_groups, steps_view
from api.dashboard.graph.views import MOST_NEAR, MOST_NODES, Anatomy, Kind, View

HOPS = 2


def around(anatomy: Anatomy, step: int) -> View:
    """Return *step* with what it needs and what needs it, two hops each way, the nearest first."""
    hops = [step]
    seen = {step}
    up, down = [step], [step]
    for _ in range(HOPS):
        up = _fresh(anatomy, _steps_before(anatomy, up), seen)
        down = _fresh(anatomy, _steps_after(anatomy, down), seen)
        hops += up + down
    view = steps_view(anatomy, hops, MOST_NEAR)
    shown = {n for node in view.nodes if node.kind is Kind.STEP for n in node.members}
    behind = {n for n in range(anatomy.count) if anatomy.behind[step] >> n & 1}
    before = {n for n in anatomy.graph.closure([step]) if n < anatomy.count} - {step}
    focus = next(i for i, node in enumerate(view.nodes) if node.members == (step,))
    return replace(view, before=len(before - shown), behind=len(behind - shown), focus=focus)


def opened(anatomy: Anatomy, key: str) -> View | None:
    """Return the inside of a box of the overview, of a group or of a service; None for no such.

    Of a service it is what the service needs as well, the nearest first.
    """
    plan, graph = anatomy.plan, anatomy.graph
    kind, _, name = key.partition(":")
    if kind == Kind.GROUP and graph.index.get(name, 0) >= anatomy.count:
        return steps_view(anatomy, _critical_first(anatomy, graph.members[graph.index[name]]))
    if kind == Kind.SERVICE:
        found = next((s for s in plan.services if s.id == name and s.steps), None)
        return _with_needs(anatomy, [graph.index[s] for s in found.steps]) if found else None
    box = next((n for n in overview(anatomy).nodes if n.key == key and ":" in key), None)
    if box is None:
        return None
    if box.kind is Kind.TIER:
        return _with_needs(anatomy, box.members)
    return steps_view(anatomy, _critical_first(anatomy, box.members))


def everything(anatomy: Anatomy, focus: int | None = None) -> View | None:
    """Return all steps, or None where no picture could hold them."""
    numbers = range(anatomy.count)
    if anatomy.count + len(needed_groups(anatomy, numbers)) > MOST_NODES:
        return None
    view = steps_view(anatomy, numbers, MOST_NODES)
    return replace(view, focus=focus)  # steps come first: their numbers are their places


def _with_needs(anatomy: Anatomy, members: Sequence[int]) -> View:
    seen = set(members)
    found, edge = list(members), list(members)
    while edge:
        edge = _fresh(anatomy, _steps_before(anatomy, edge), seen)
        found += edge
    return steps_view(anatomy, found)


def _fresh(anatomy: Anatomy, numbers: Iterable[int], seen: set[int]) -> list[int]:
    """Return what of *numbers* was not seen, the longest chain first; now it has been."""
    fresh = set(numbers) - seen
    seen |= fresh
    return _critical_first(anatomy, fresh)


def _critical_first(anatomy: Anatomy, numbers: Iterable[int]) -> list[int]:
    chain = anatomy.graph.chain
    return sorted(numbers, key=lambda n: (n not in anatomy.path, -chain[n], n))


def _steps_before(anatomy: Anatomy, numbers: Iterable[int]) -> Iterator[int]:
    graph = anatomy.graph
    for node in {edge.node for number in numbers for edge in graph.needs[number]}:
        yield from graph.members[node] if graph.is_group(node) else (node,)


def _steps_after(anatomy: Anatomy, numbers: Sequence[int]) -> Iterator[int]:
    graph = anatomy.graph
    groups = {group for number in numbers if (group := graph.group_of[number]) is not None}
    for node in (*numbers, *groups):
        yield from (edge.node for edge in graph.dependants[node])

"""Chosen steps of a plan with their lines, and what waits for whole groups between them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace

from api.dashboard.graph.layout import columns
from api.dashboard.graph.views import MOST_NEAR, Anatomy, Link, Node, View, plain

_TALL = 12
"""So many boxes stand in a column where no line orders them."""


def steps_view(anatomy: Anatomy, wanted: Sequence[int], most: int = MOST_NEAR) -> View:
    """Return the first of *wanted* that fit among *most* nodes, with what waits for whole groups.

    *wanted* holds nothing twice; the first has room in any case.
    """
    chosen = list(wanted[:most])
    while len(chosen) > 1 and len(chosen) + len(needed_groups(anatomy, chosen)) > most:
        chosen.pop()
    groups = needed_groups(anatomy, chosen)[: most - len(chosen)]
    chosen.sort()
    places = {number: place for place, number in enumerate([*chosen, *groups])}
    links = _links(anatomy, chosen, groups, places)
    layers, waves = _layers(anatomy, list(places), links)
    return View(
        nodes=tuple(_node(anatomy, n, places) for n in places),
        links=links,
        layers=layers,
        waves=waves,
        left_out=len(wanted) - len(chosen),
    )


def needed_groups(anatomy: Anatomy, numbers: Iterable[int]) -> list[int]:
    """Return the groups that some of these steps wait for as a whole."""
    graph = anatomy.graph
    return sorted({e.node for n in numbers for e in graph.needs[n] if graph.members[e.node]})


def _links(
    anatomy: Anatomy, steps: Sequence[int], groups: Sequence[int], places: dict[int, int]
) -> tuple[Link, ...]:
    graph, links = anatomy.graph, []
    for number in steps:
        for node, when in graph.needs[number]:
            if node in places:
                critical = anatomy.is_critical(node, number)
                links.append(Link(places[node], places[number], when, critical))
    for group in groups:
        for member in graph.members[group]:
            if member in places:
                critical = anatomy.is_critical(member, group)
                links.append(Link(places[member], places[group], is_critical=critical))
    return tuple(dict.fromkeys(links))


def _layers(
    anatomy: Anatomy, nodes: Sequence[int], links: Sequence[Link]
) -> tuple[tuple[int, ...], tuple[tuple[int, int], ...]]:
    """Return a layer for each node, and the waves by layer.

    A wave is a layer; what waits for a whole group stands between two. Where nothing needs
    anything, the steps just fill columns.
    """
    if not links:
        return tuple(place // _TALL for place in range(len(nodes))), ()
    depth, is_group = anatomy.depth, anatomy.graph.is_group
    layers = columns([2 * depth[node] + is_group(node) for node in nodes])
    waves = {
        layer: depth[node] + 1
        for node, layer in zip(nodes, layers, strict=True)
        if not is_group(node)
    }
    return tuple(layers), tuple(sorted(waves.items()))


def _node(anatomy: Anatomy, number: int, places: Collection[int]) -> Node:
    """Return a node that knows how much it needs, and is needed by, outside of the picture."""
    graph = anatomy.graph
    after = {edge.node for edge in graph.dependants[number]}
    before = set(graph.predecessors(number))
    return replace(
        plain(anatomy, number),
        more_needs=sum(node not in places for node in before),
        more_dependants=sum(node not in places for node in after),
    )

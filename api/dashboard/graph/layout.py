"""Where boxes stand and lines run: layers from left to right, nothing over anything else."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate, pairwise
from math import floor
from typing import NamedTuple

from api.dashboard.graph.ordering import Line, Web, uncross

MARGIN = 12
_SWEEPS = 10
_BEND = 6
"""The height of a line where it passes a layer."""
_LOOSE = 0.01
"""How strongly a box without lines holds to its place; one line counts 1, a straight bend 4."""


class Size(NamedTuple):
    """Of a box, and what is free between two of them; in CSS pixels."""

    width: int
    height: int
    gap_x: int
    gap_y: int


class Point(NamedTuple):
    x: int
    y: int


class Layout(NamedTuple):
    """``corners`` are the boxes' upper left ones; ``routes`` the points of each drawn line."""

    size: Size
    corners: tuple[Point, ...]
    routes: tuple[tuple[Point, ...], ...]
    width: int
    height: int


def columns(layers: Sequence[int]) -> list[int]:
    """Return *layers* without those in which nothing stands."""
    used = {layer: column for column, layer in enumerate(sorted(set(layers)))}
    return [used[layer] for layer in layers]


def longest_paths(count: int, lines: Sequence[Line]) -> list[int]:
    """Return the layer of each of *count* nodes: one behind the last that it needs.

    Raises ValueError when the lines form a circle.
    """
    after: list[list[int]] = [[] for _ in range(count)]
    open_ends = [0] * count
    for source, target in lines:
        after[source].append(target)
        open_ends[target] += 1
    order = [node for node in range(count) if not open_ends[node]]
    layer = [0] * count
    for node in order:  # it grows while we walk along it
        for target in after[node]:
            layer[target] = max(layer[target], layer[node] + 1)
            open_ends[target] -= 1
            if not open_ends[target]:
                order.append(target)
    if len(order) < count:
        raise ValueError("the lines form a circle")
    return layer


def arrange(
    layers: Sequence[int], lines: Sequence[Line], size: Size, drawn: Sequence[Line] | None = None
) -> Layout:
    """Return places for boxes in *layers*; every line leads to a higher layer.

    All *lines* decide who stands beside whom; room is kept for the *drawn* ones only.
    """
    web = Web(columns(layers), sorted(set(lines)))
    uncross(web)
    shown = lines if drawn is None else drawn
    web.keep(shown)
    centres = _centres(web, size)
    corners = tuple(
        Point(_left(web.layer[box], size), centres[box] - size.height // 2)
        for box in range(web.boxes)
    )
    lowest = max((centres[item] for row in web.rows for item in row[-1:]), default=0)
    return Layout(
        size=size,
        corners=corners,
        routes=tuple(_points(web, line, centres, size) for line in shown),
        width=_left(len(web.rows), size) - size.gap_x + MARGIN if web.rows else 2 * MARGIN,
        height=lowest + size.height - size.height // 2 + MARGIN,
    )


def _left(column: int, size: Size) -> int:
    return MARGIN + column * (size.width + size.gap_x)


def _points(web: Web, line: Line, centres: Sequence[int], size: Size) -> tuple[Point, ...]:
    """Return the ends of a line, and for each bend where it enters and leaves the layer."""
    first, *bends, last = web.route(line)
    points = [Point(_left(web.layer[first], size) + size.width, centres[first])]
    for bend in bends:
        left = _left(web.layer[bend], size)
        points += [Point(left, centres[bend]), Point(left + size.width, centres[bend])]
    return (*points, Point(_left(web.layer[last], size), centres[last]))


def _centres(web: Web, size: Size) -> list[int]:
    """Return the height of everything: near its neighbours, in its order, not too close."""
    at = [0.0] * len(web.layer)
    apart = [_apart(web, row, size) for row in web.rows]
    for row, offsets in zip(web.rows, apart, strict=True):
        for item, offset in zip(row, offsets, strict=True):
            at[item] = offset - offsets[-1] / 2
    for sweep in range(_SWEEPS):
        numbers = range(len(web.rows))
        for number in numbers if sweep % 2 == 0 else reversed(numbers):
            _settle(web, web.rows[number], apart[number], at)
    top = min((at[item] for row in web.rows for item in row[:1]), default=0.0)
    first = MARGIN + size.height // 2
    return [floor(place - top + first + 0.5) for place in at]


def _apart(web: Web, row: Sequence[int], size: Size) -> list[int]:
    """Return how far below the first of *row* each one has to be at least."""
    tall = [size.height if item < web.boxes else _BEND for item in row]
    return list(accumulate(((a + b + 1) // 2 + size.gap_y for a, b in pairwise(tall)), initial=0))


class _Block(NamedTuple):
    """Neighbours that stand as close as they may; ``pull`` is weight times wanted place."""

    pull: float
    weight: float
    many: int


def _settle(web: Web, row: Sequence[int], apart: Sequence[int], at: list[float]) -> None:
    """Move *row* as near as possible to its neighbours: a regression that keeps the order."""
    blocks: list[_Block] = []
    for item, offset in zip(row, apart, strict=False):
        wanted, weight = _wanted(web, item, at)
        block = _Block((wanted - offset) * weight, weight, 1)
        while blocks and blocks[-1].pull * block.weight >= block.pull * blocks[-1].weight:
            last = blocks.pop()
            block = _Block(
                last.pull + block.pull, last.weight + block.weight, last.many + block.many
            )
        blocks.append(block)
    places = (block.pull / block.weight for block in blocks for _ in range(block.many))
    for item, offset, place in zip(row, apart, places, strict=False):
        at[item] = place + offset


def _wanted(web: Web, item: int, at: Sequence[float]) -> tuple[float, float]:
    pull = weight = 0.0
    for near in (*web.before[item], *web.after[item]):
        own = 4.0 if item >= web.boxes and near >= web.boxes else 1.0
        pull += own * at[near]
        weight += own
    return (pull / weight, weight) if weight else (at[item], _LOOSE)

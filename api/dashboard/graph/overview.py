"""The overview of a plan: at most thirty boxes, by the plan's own groups where that is true."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from api.dashboard.graph.layout import longest_paths
from api.dashboard.graph.quotient import circles, reduced
from api.dashboard.graph.steps import steps_view
from api.dashboard.graph.views import (
    MOST_BOXES,
    Anatomy,
    Grouping,
    Kind,
    Link,
    Node,
    View,
    bits,
    plain,
)
from drorch.model.plan import Group, Service

_SMALL = 12
"""Up to so many steps say more than the groups and services that they are in."""


@dataclass(frozen=True, slots=True)
class Parts:
    """Boxes that together hold every step, and which box needs which."""

    grouping: Grouping
    boxes: list[Node]
    lines: list[tuple[int, int]]
    is_true: bool = True
    """False where so many boxes had to be joined that they tell nothing."""


def overview(anatomy: Anatomy) -> View:
    """Return a small plan whole, else the first division that fits: groups, services, waves."""
    if (whole := _whole(anatomy)) is not None:
        return whole
    found = next(
        parts
        for divide in (_by_groups, _by_services, _by_waves)
        if (parts := divide(anatomy)) is not None
    )
    return _view(anatomy, _with_services(anatomy, found))


def _whole(anatomy: Anatomy) -> View | None:
    is_divided = bool(anatomy.plan.groups or anatomy.plan.services)
    if anatomy.count > (_SMALL if is_divided else MOST_BOXES):
        return None
    view = steps_view(anatomy, range(anatomy.count), MOST_BOXES)
    return None if view.left_out else view


def _view(anatomy: Anatomy, parts: Parts) -> View:
    lines = reduced(len(parts.boxes), parts.lines)
    box_of = _box_of(parts.boxes, anatomy.count)
    chain = {
        (box_of[a], box_of[b]) for a, b in anatomy.next_on_path.items() if box_of[a] != box_of[b]
    }
    return View(
        nodes=tuple(_finished(anatomy, box) for box in parts.boxes),
        links=tuple(Link(*line, is_critical=line in chain) for line in lines),
        layers=tuple(longest_paths(len(parts.boxes), lines)),
        grouping=parts.grouping,
        is_reduced=len(lines) < len(set(parts.lines)),
    )


def _finished(anatomy: Anatomy, box: Node) -> Node:
    if box.kind is Kind.STEP:
        return box
    own, behind = bits(box.members), 0
    for member in box.members:
        behind |= anatomy.behind[member]
    return replace(
        box,
        behind=behind & ~own,
        is_critical=not anatomy.path.isdisjoint(box.members),
        last=max(box.last, box.first),
    )


def _by_groups(anatomy: Anatomy) -> Parts | None:
    plan, graph = anatomy.plan, anatomy.graph
    groups = [
        _group_box(g, own) for g in plan.groups if (own := tuple(graph.members[graph.index[g.id]]))
    ]
    alone = [n for n in range(anatomy.count) if graph.group_of[n] is None]
    if not groups or len(alone) > anatomy.count // 2:
        return None
    for loose in ([plain(anatomy, n) for n in alone], _per_wave(anatomy, alone, Kind.LOOSE)):
        parts = _joined(anatomy, Grouping.GROUPS, groups + loose)
        if parts.is_true and len(parts.boxes) <= MOST_BOXES:
            return parts
    return None


def _by_services(anatomy: Anatomy) -> Parts | None:
    """Divide by who needs a step: one service, several, none. That can't have circles."""
    claims: dict[int, list[int]] = defaultdict(list)
    services = [s for s in anatomy.plan.services if s.steps]
    for place, service in enumerate(services):
        for number in anatomy.graph.closure([anatomy.graph.index[s] for s in service.steps]):
            claims[number].append(place)
    if not services:
        return None
    numbers = range(anatomy.count)
    shared = [n for n in numbers if len(claims[n]) > 1]
    free = tuple(n for n in numbers if not claims[n])
    boxes = _per_wave(anatomy, shared, Kind.SHARED)
    for place, service in enumerate(services):
        own = tuple(n for n in numbers if claims[n] == [place])
        boxes += [_service_box(service, own)] if own else []
    boxes += [Node(key="unclaimed:1", kind=Kind.UNCLAIMED, members=free)] if free else []
    parts = _joined(anatomy, Grouping.SERVICES, boxes)
    return parts if len(parts.boxes) <= MOST_BOXES and parts.is_true else None


def _by_waves(anatomy: Anatomy) -> Parts:
    """Divide by depth; neighbouring waves share a box where there are more than fit."""
    depth = anatomy.depth
    used = sorted({depth[n] for n in range(anatomy.count)})
    each = -(-len(used) // MOST_BOXES)
    place = {wave: number // each for number, wave in enumerate(used)}
    held: dict[int, list[int]] = defaultdict(list)
    for number in range(anatomy.count):
        held[place[depth[number]]].append(number)
    boxes = [_waves_box(anatomy, members, Kind.WAVES) for _, members in sorted(held.items())]
    return _joined(anatomy, Grouping.WAVES, boxes)


def _per_wave(anatomy: Anatomy, numbers: Sequence[int], kind: Kind) -> list[Node]:
    held: dict[int, list[int]] = defaultdict(list)
    for number in numbers:
        held[anatomy.depth[number]].append(number)
    return [_waves_box(anatomy, members, kind) for _, members in sorted(held.items())]


def _waves_box(anatomy: Anatomy, members: Sequence[int], kind: Kind) -> Node:
    waves = [anatomy.depth[n] + 1 for n in members]
    return Node(
        key=f"{kind}:{min(waves)}",
        kind=kind,
        members=tuple(members),
        first=min(waves),
        last=max(waves),
    )


def _group_box(group: Group, members: tuple[int, ...]) -> Node:
    return Node(
        key=f"group:{group.id}",
        kind=Kind.GROUP,
        name=group.title or group.id,
        title=group.id,
        groups=(group.id,),
        members=members,
    )


def _service_box(service: Service, members: tuple[int, ...]) -> Node:
    return Node(
        key=f"service:{service.id}",
        kind=Kind.SERVICE,
        name=service.id,
        texts=service.title,
        members=members,
    )


def _box_of(boxes: Sequence[Node], count: int) -> list[int]:
    """Return for each step the first box that holds it."""
    box_of = [-1] * count
    for place, box in enumerate(boxes):
        for member in box.members:
            if box_of[member] < 0:
                box_of[member] = place
    return box_of


def _joined(anatomy: Anatomy, grouping: Grouping, boxes: list[Node]) -> Parts:
    """Return the boxes and their lines; boxes that need each other have become one."""
    lines = _lines(anatomy, _box_of(boxes, anatomy.count))
    sets = circles(len(boxes), lines)
    merged = [_merge(boxes, found, number) for number, found in enumerate(sets, start=1)]
    big = [box for box in merged if box.kind is Kind.JOINED]
    is_true = all(len(box.members) * 2 <= anatomy.count for box in big)
    if big:
        lines = _lines(anatomy, _box_of(merged, anatomy.count))
    return Parts(grouping, merged, sorted(lines), is_true)


def _merge(boxes: Sequence[Node], found: Sequence[int], number: int) -> Node:
    if len(found) == 1:
        return boxes[found[0]]
    held = [boxes[place] for place in found]
    named = [box for box in held if box.kind in (Kind.GROUP, Kind.SERVICE)] or held
    return Node(
        key=f"joined:{number}",
        kind=Kind.JOINED,
        name=" + ".join(box.name for box in named if box.name),
        groups=tuple(group for box in held for group in box.groups),
        members=tuple(sorted(member for box in held for member in box.members)),
    )


def _lines(anatomy: Anatomy, box_of: Sequence[int]) -> set[tuple[int, int]]:
    """Return which box needs which; a dependency on a group is one on every box of its members."""
    graph = anatomy.graph
    held = {
        anatomy.count + place: {box_of[m] for m in graph.members[anatomy.count + place]}
        for place in range(len(anatomy.plan.groups))
    }
    lines: set[tuple[int, int]] = set()
    for number in range(anatomy.count):
        own = box_of[number]
        for edge in graph.needs[number]:
            sources = held[edge.node] if graph.is_group(edge.node) else (box_of[edge.node],)
            lines.update((source, own) for source in sources if source != own)
    return lines


def _with_services(anatomy: Anatomy, parts: Parts) -> Parts:
    """Add the services behind the boxes that hold their steps: each one, or one box per tier."""
    services = [s for s in anatomy.plan.services if s.steps]
    room = MOST_BOXES - len(parts.boxes)
    if parts.grouping is not Grouping.GROUPS or not services:
        return parts
    own: Callable[[Service], tuple[int, ...]] = lambda s: tuple(  # noqa: E731
        sorted(anatomy.graph.index[step] for step in s.steps)
    )
    added = [_service_box(service, own(service)) for service in services]
    if len(added) > room:
        added = _tiers(services, own)
    if len(added) > room:
        return parts
    box_of = _box_of(parts.boxes, anatomy.count)
    first = len(parts.boxes)
    more = {
        (box_of[member], first + place) for place, box in enumerate(added) for member in box.members
    }
    return Parts(parts.grouping, [*parts.boxes, *added], sorted({*parts.lines, *more}))


def _tiers(services: Sequence[Service], own: Callable[[Service], tuple[int, ...]]) -> list[Node]:
    held: dict[int, set[int]] = defaultdict(set)
    for service in services:
        held[service.tier].update(own(service))
    return [
        Node(key=f"tier:{t}", kind=Kind.TIER, members=tuple(sorted(held[t])), first=t, last=t)
        for t in sorted(held)
    ]

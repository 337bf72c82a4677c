"""What a picture of a plan shows: nodes, lines between them, and what had to be left out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import pairwise
from typing import NamedTuple

from drorch.model.graph import Graph, expected
from drorch.model.plan import Plan, Text, When

MOST_BOXES = 30
"""In the overview."""
MOST_NEAR = 60
"""Around one step, and in an opened box."""
MOST_LINES_SHOWN = 300
"""Above so many nodes only the longest chain and the chosen step keep their lines."""
MOST_NODES = 2_500
"""Nothing bigger is drawn at all."""


class Kind(StrEnum):
    """What a node stands for."""

    STEP = "step"
    ALL_OF = "all-of"
    """A dependency on a whole group, between its members and what needs all of them."""
    GROUP = "group"
    JOINED = "joined"
    """Groups that need each other's steps: in one box, for no order between them is true."""
    LOOSE = "loose"
    """Steps of one wave that belong to no group."""
    SERVICE = "service"
    """In a plan with groups its own steps; in one without, all that it alone needs."""
    TIER = "tier"
    SHARED = "shared"
    """Steps of one wave that several services need."""
    UNCLAIMED = "unclaimed"
    """Steps that no service needs."""
    WAVES = "waves"


class Grouping(StrEnum):
    """What the boxes of an overview are; ``steps`` where the plan is small enough."""

    STEPS = "steps"
    GROUPS = "groups"
    SERVICES = "services"
    WAVES = "waves"


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """``name`` is the author's text; a page makes the words for a kind that has none.

    ``members`` are numbers of steps. ``first`` and ``last`` are waves, or a tier, counted from 1.
    ``behind`` has a bit for each step that waits behind it, directly or not.
    """

    key: str
    kind: Kind
    name: str = ""
    title: str = ""
    texts: Text = field(default_factory=dict)
    """The name by language, for what has one."""
    seconds: float = 0.0
    """How long a step is expected to take."""
    members: tuple[int, ...] = ()
    groups: tuple[str, ...] = ()
    first: int = 0
    last: int = 0
    behind: int = 0
    is_critical: bool = False
    more_needs: int = 0
    """What it needs and the picture leaves out."""
    more_dependants: int = 0


class Link(NamedTuple):
    """*target* needs *source*; both are places in the list of nodes."""

    source: int
    target: int
    when: When = When.HEALTHY
    is_critical: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """What one picture shows. Each link leads to a higher layer.

    ``waves`` names the layers where they are waves. ``left_out`` counts steps that belong here
    and found no room; ``before`` and ``behind`` what is further away than a focus reaches.
    """

    nodes: tuple[Node, ...]
    links: tuple[Link, ...]
    layers: tuple[int, ...]
    waves: tuple[tuple[int, int], ...] = ()
    grouping: Grouping = Grouping.STEPS
    left_out: int = 0
    before: int = 0
    behind: int = 0
    focus: int | None = None
    is_reduced: bool = False
    """Lines that follow from others are left out."""

    @property
    def drawn(self) -> tuple[Link, ...]:
        """The links that have a line in the picture."""
        if len(self.nodes) <= MOST_LINES_SHOWN:
            return self.links
        return tuple(it for it in self.links if it.is_critical or self.focus in it[:2])


class Anatomy:
    """A plan's graph and what all its pictures need of it."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.graph = graph = Graph(plan)
        self.depth = graph.depths()
        self.count = len(plan.steps)
        path = [graph.index[step.id] for step in graph.critical_path()]
        self.path = frozenset(path)
        self.next_on_path = dict(pairwise(path))
        self.behind = self._behind()
        """For each node a bit for each step that needs it, directly or not."""

    def _behind(self) -> list[int]:
        graph, steps = self.graph, self.count
        behind = [0] * graph.size
        for node in reversed(graph.order):
            own = 0
            for after, _ in graph.dependants[node]:
                own |= behind[after] | 1 << after
            if node < steps and (group := graph.group_of[node]) is not None:
                own |= behind[group]
            behind[node] = own
        return behind

    def is_critical(self, source: int, target: int) -> bool:
        """Tell whether the longest chain runs from node to node, through a group or directly."""
        graph = self.graph
        if graph.is_group(source):
            return any(self.next_on_path.get(member) == target for member in graph.members[source])
        if graph.is_group(target):
            after = self.next_on_path.get(source)
            return after is not None and any(e.node == target for e in graph.needs[after])
        return self.next_on_path.get(source) == target


def plain(anatomy: Anatomy, number: int) -> Node:
    """Return a step as a node, or a group as what waits for all of it."""
    graph, plan = anatomy.graph, anatomy.plan
    wave = anatomy.depth[number] + 1
    if graph.is_group(number):
        group = plan.groups[number - anatomy.count]
        members = tuple(graph.members[number])
        key, kind, name, title = group.id, Kind.ALL_OF, group.title or group.id, ""
    else:
        step, members = plan.steps[number], (number,)
        key, kind, name, title = step.id, Kind.STEP, step.id, step.title
    return Node(
        key=key,
        kind=kind,
        name=name,
        title=title,
        seconds=0.0 if graph.is_group(number) else expected(plan.steps[number]),
        members=members,
        first=wave,
        last=wave,
        behind=anatomy.behind[number],
        is_critical=number in anatomy.path,
    )


def bits(numbers: Sequence[int]) -> int:
    """Return a number with these bits set."""
    found = 0
    for number in numbers:
        found |= 1 << number
    return found

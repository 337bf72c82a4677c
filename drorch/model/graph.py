"""The dependency graph of a plan: order, cycles, waves, remaining chains, tiers.

Nodes are numbered: the steps in plan order, then one node for each group. A group's node is
reached when its members are, so that "all of databases" costs one edge and not one per member.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from functools import cached_property, partial
from typing import NamedTuple

from drorch.errors import PlanError
from drorch.model.plan import Plan, Step, Wait, When

_HEALTHY, _STARTED = When.HEALTHY, When.STARTED


def expected(step: Step) -> float:
    """Return how long *step* is expected to take, in seconds."""
    duration = step.action.duration if isinstance(step.action, Wait) else step.expect
    return duration.total_seconds()


class Edge(NamedTuple):
    """*node* needs the other end of the edge to have come as far as *when*."""

    node: int
    when: When


class Graph:
    """Built once per plan; immutable afterwards."""

    def __init__(self, plan: Plan) -> None:
        self.steps: Sequence[Step] = plan.steps
        self.index = {step.id: i for i, step in enumerate(plan.steps)}
        for offset, group in enumerate(plan.groups):
            self.index[group.id] = len(plan.steps) + offset
        self.size = len(plan.steps) + len(plan.groups)
        self.needs: list[list[Edge]] = [[] for _ in range(self.size)]
        self.dependants: list[list[Edge]] = [[] for _ in range(self.size)]
        self.group_of: list[int | None] = [None] * len(plan.steps)
        self.members: list[list[int]] = [[] for _ in range(self.size)]
        self.watched_early: set[int] = set()
        """Nodes of which somebody needs something else than that they are healthy."""
        self._connect()
        self.order = self._topological()
        self.chain = self._chains()
        self.tier = self._tiers(plan)

    def is_group(self, node: int) -> bool:
        return node >= len(self.steps)

    def _connect(self) -> None:
        index, dependants = self.index, self.dependants
        edge = partial(tuple.__new__, Edge)  # many, and the type's own constructor is slow
        healthy = [edge((node, _HEALTHY)) for node in range(self.size)]  # nearly all are the same
        for i, step in enumerate(self.steps):
            if step.group is not None:
                self.group_of[i] = index[step.group]
                self.members[index[step.group]].append(i)
            needs = self.needs[i]
            for dependency in step.depends_on:
                target, when = index[dependency.target], dependency.when
                usual = when is _HEALTHY
                if not usual:
                    self.watched_early.add(target)
                needs.append(healthy[target] if usual else edge((target, when)))
                dependants[target].append(healthy[i] if usual else edge((i, when)))

    def successors(self, node: int) -> list[int]:
        """Return what needs *node*: its dependants, and the group that it is a member of."""
        out = [edge.node for edge in self.dependants[node]]
        if not self.is_group(node) and (group := self.group_of[node]) is not None:
            out.append(group)
        return out

    def _topological(self) -> list[int]:
        degree = [len(n) + len(m) for n, m in zip(self.needs, self.members, strict=True)]
        order = [node for node in range(self.size) if degree[node] == 0]
        steps, group_of = len(self.steps), self.group_of
        for node in order:  # it grows while we walk along it
            for after, _ in self.dependants[node]:
                degree[after] -= 1
                if degree[after] == 0:
                    order.append(after)
            if node < steps and (group := group_of[node]) is not None:
                degree[group] -= 1
                if degree[group] == 0:
                    order.append(group)
        if len(order) < self.size:
            raise PlanError("the dependencies form a cycle")
        return order

    def _chains(self) -> list[float]:
        """Longest expected time from the start of each node to the end of the plan, in seconds."""
        chain = [0.0] * self.size
        steps, group_of, dependants = len(self.steps), self.group_of, self.dependants
        alone = list(map(expected, self.steps))
        for node in reversed(self.order):
            after, beside, own = 0.0, 0.0, 0.0
            if node < steps:
                own = alone[node]
                if (group := group_of[node]) is not None:
                    after = chain[group]
            for dependant, when in dependants[node]:
                further = chain[dependant]
                if when is _STARTED:
                    beside = max(beside, further)
                elif further > after:
                    after = further
            chain[node] = max(own + after, beside)
        return chain

    def _tiers(self, plan: Plan) -> list[int]:
        # What no service needs goes with the last tier, where its chain may still bring it forward.
        last = max((service.tier for service in plan.services), default=1)
        tier = [last] * self.size
        for service in plan.services:
            for step in service.steps:
                node = self.index[step]
                tier[node] = min(tier[node], service.tier)
        for node in reversed(self.order):
            own = tier[node]
            if own < last:
                for before in self.predecessors(node):
                    tier[before] = min(tier[before], own)
        return tier

    def predecessors(self, node: int) -> list[int]:
        """Return what *node* needs: dependencies of a step, members of a group."""
        return [edge.node for edge in self.needs[node]] + self.members[node]

    def closure(self, nodes: Sequence[int]) -> set[int]:
        """Return *nodes* and all that they need, directly or not."""
        seen = set(nodes)
        stack = list(nodes)
        while stack:
            for before in self.predecessors(stack.pop()):
                if before not in seen:
                    seen.add(before)
                    stack.append(before)
        return seen

    def depths(self) -> list[int]:
        """Return for each node how many steps are before it at most.

        A group is as deep as its deepest member.
        """
        depth = [0] * self.size
        for node in self.order:
            for before in self.predecessors(node):
                further = 0 if self.is_group(node) else 1
                depth[node] = max(depth[node], depth[before] + further)
        return depth

    def waves(self) -> list[list[Step]]:
        """Return the steps by depth: all of a wave could start together without limits."""
        depth = self.depths()
        waves: list[list[Step]] = [[] for _ in range(max(depth, default=0) + 1)]
        for i, step in enumerate(self.steps):
            waves[depth[i]].append(step)
        return [wave for wave in waves if wave]

    @cached_property
    def earliest(self) -> list[float]:
        """Return when each node could begin at the earliest, in seconds from the beginning.

        Every step takes what the plan expects, nothing fails, and no limit holds anything up.
        """
        begin = [0.0] * self.size
        end = [0.0] * self.size
        for node in self.order:
            for before, when in self.needs[node]:
                reached = begin[before] if when is _STARTED else end[before]
                begin[node] = max(begin[node], reached)
            for member in self.members[node]:
                begin[node] = max(begin[node], end[member])
            alone = 0.0 if self.is_group(node) else expected(self.steps[node])
            end[node] = begin[node] + alone
        return begin

    def critical_path(self) -> list[Step]:
        """Return the longest expected chain, first step first."""
        node: int | None = max(range(len(self.steps)), key=lambda n: self.chain[n], default=None)
        path: list[Step] = []
        while node is not None:
            if not self.is_group(node):
                path.append(self.steps[node])
            after = self.successors(node)
            node = max(after, key=lambda n: self.chain[n], default=None)
        return path

    def expected_duration(self) -> timedelta:
        """Return the expected time of the longest chain; limits can only make it longer."""
        return timedelta(seconds=max(self.chain, default=0.0))

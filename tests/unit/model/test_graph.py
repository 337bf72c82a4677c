"""The graph of a plan: waves, what is needed, the critical path, and who inherits which tier."""

from __future__ import annotations

from datetime import timedelta

import pytest

from drorch.errors import PlanError
from drorch.model.graph import Graph
from drorch.model.plan import Plan, RetryPolicy
from tests.fakes.plans import finished, gate, group, plan, service, started, vm, wait


def minutes(count: float) -> timedelta:
    return timedelta(minutes=count)


TOWN = plan(
    vm("san", expect=minutes(1)),
    vm("dc", "san", expect=minutes(2), group="core"),
    vm("dns", "san", expect=minutes(5), group="core"),
    wait("settle", 30, "core"),
    vm("db", "settle", expect=minutes(4)),
    vm("web", "db", expect=minutes(1)),
    vm("mail", started("san"), expect=minutes(3)),
    gate("done", finished("mail"), expect=minutes(0)),
    groups=[group("core")],
    services=[service("anagrafe", 1, "web"), service("posta", 3, "mail")],
)


def names(graph: Graph, nodes: set[int]) -> set[str]:
    by_node = {node: name for name, node in graph.index.items()}
    return {by_node[node] for node in nodes}


def test_waves_are_what_could_start_together() -> None:
    waves = [[step.id for step in wave] for wave in Graph(TOWN).waves()]
    assert waves == [["san"], ["dc", "dns", "mail"], ["settle", "done"], ["db"], ["web"]]


def test_the_critical_path_goes_through_the_slowest_member_of_a_group() -> None:
    graph = Graph(TOWN)
    assert [step.id for step in graph.critical_path()] == ["san", "dns", "settle", "db", "web"]
    assert graph.expected_duration() == minutes(1 + 5 + 0.5 + 4 + 1)


def test_a_step_that_only_waits_for_a_start_runs_beside() -> None:
    graph = Graph(plan(vm("a", expect=minutes(9)), vm("b", started("a"), expect=minutes(10))))
    assert graph.expected_duration() == minutes(10)


def test_closure_is_all_that_is_needed_and_nothing_else() -> None:
    graph = Graph(TOWN)
    needed = graph.closure([graph.index["db"]])
    assert names(graph, needed) == {"db", "settle", "core", "dc", "dns", "san"}


def test_tiers_are_inherited_by_all_that_a_service_needs() -> None:
    graph = Graph(TOWN)
    tiers = {step.id: graph.tier[graph.index[step.id]] for step in TOWN.steps}
    assert [tiers[name] for name in ("san", "dc", "dns", "db", "web")] == [1] * 5
    assert (tiers["mail"], tiers["done"]) == (3, 3)


def test_a_cycle_is_refused() -> None:
    with pytest.raises(PlanError, match="cycle"):
        Graph(plan(vm("a", "b"), vm("b", "a")))


def test_an_empty_plan_takes_no_time() -> None:
    empty = Graph(Plan(id="none", title="", steps=()))
    assert empty.waves() == []
    assert empty.critical_path() == []
    assert empty.expected_duration() == timedelta(0)


def test_the_back_off_doubles_up_to_its_limit() -> None:
    retry = RetryPolicy(wait=timedelta(seconds=5), max_wait=timedelta(minutes=1))
    waits = [retry.delay_after(spent).total_seconds() for spent in (0, 1, 2, 3, 4, 5, 1000)]
    assert waits == [5, 5, 10, 20, 40, 60, 60]

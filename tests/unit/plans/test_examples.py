"""The plans that come with drorch are good ones, and the whole story is whole."""

from __future__ import annotations

from datetime import timedelta

import pytest

import plans
from connectors.simulated import fleet as fleets
from drorch.errors import PlanNotFoundError
from drorch.model.graph import Graph
from drorch.model.plan import Gate, MachineRef, Manual, Plan, Step, Wait
from plans import catalog
from plans.language.kinds import KINDS

# What a plan shows is sometimes exactly what the lint would advise against.
UNWISE = {
    "first": {"nobody-to-ask"},
    "dry-run-findings": {"no-check"},
    "piacenza": {"no-service"},
}
STORY = catalog.example("piacenza")
FLEET = catalog.fleet("piacenza")


def machine(step: Step) -> MachineRef:
    assert step.machine is not None
    return step.machine


def machines(plan: Plan) -> list[Step]:
    return [step for step in plan.steps if step.machine is not None]


@pytest.mark.parametrize("name", catalog.examples())
def test_examples_load_and_the_lint_is_content(name: str) -> None:
    loaded = plans.read_file(catalog.example(name))
    advice = plans.lint(loaded.plan, loaded.positions, loaded.file)
    assert {problem.code for problem in advice} == UNWISE.get(name, set())


def test_the_catalog_knows_its_examples() -> None:
    assert {"first", "piacenza", "checks", "services"} <= set(catalog.examples())
    with pytest.raises(PlanNotFoundError) as refused:
        catalog.example("piacenzo")
    assert "piacenza" in refused.value.hint
    with pytest.raises(PlanNotFoundError):
        catalog.fleet("first")


def test_the_first_plan_has_ten_lines() -> None:
    assert len(catalog.example("first").read_text().splitlines()) <= 11


def test_every_kind_of_check_has_an_example() -> None:
    plan = plans.load_file(catalog.example("checks"))
    assert {check.kind for step in plan.steps for check in step.verify} == set(KINDS)


def test_the_story_has_140_machines_and_its_fleet_agrees() -> None:
    plan, fleet = plans.load_file(STORY), fleets.load(FLEET)
    by_id = {spec.id: spec for spec in fleet.machines}
    steps = machines(plan)
    assert len(steps) == len(by_id) == 140
    graph = Graph(plan)
    for step in steps:
        spec = by_id[str(machine(step).id)]
        assert spec.name == step.id
        assert step.expect == timedelta(seconds=spec.boot + spec.app)
        assert all(f":{spec.port}" in c.name for c in step.verify if c.kind != "agent")
        needed = graph.closure([graph.index[step.id]])
        starts = {machine(plan.steps[i]).id for i in needed if _starts(plan, graph, i)}
        assert set(spec.needs) <= starts, "the application would wait for ever"


def _starts(plan: Plan, graph: Graph, node: int) -> bool:
    return not graph.is_group(node) and plan.steps[node].machine is not None


def test_the_story_is_wide_deep_and_told_in_two_languages() -> None:
    plan = plans.load_file(STORY)
    graph = Graph(plan)
    assert 7 <= len(graph.waves()) <= 11
    assert timedelta(minutes=5) <= graph.expected_duration() <= timedelta(minutes=7)
    kinds = {type(step.action) for step in plan.steps}
    assert {Manual, Gate, Wait} <= kinds
    assert len(plan.services) >= 15
    assert all(set(s.title) == set(s.fallback) == {"it", "en"} for s in plan.services)
    assert [s.id for s in plan.services if s.external] == ["tributi"]
    assert plan.owner in {contact.id for contact in plan.contacts}


def test_people_in_examples_are_invented() -> None:
    for name in catalog.examples():
        for contact in plans.load_file(catalog.example(name)).contacts:
            assert contact.phone.startswith("+39 0000") or not contact.phone
            assert contact.email.endswith(".example") or not contact.email


def test_the_dry_run_plan_has_its_two_mistakes() -> None:
    plan, fleet = plans.load_file(catalog.example("dry-run-findings")), fleets.load(FLEET)
    known = {spec.id for spec in fleet.machines}
    assert [s.id for s in machines(plan) if machine(s).id not in known] == ["protocollo-store"]
    ports = {spec.port for spec in fleet.machines}
    wrong = [
        c.name for s in plan.steps for c in s.verify if c.params.get("port", 21100) not in ports
    ]
    assert wrong == ["tcp 127.0.0.1:21999"]

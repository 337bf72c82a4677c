"""Cutting a plan down to what is wanted."""

from __future__ import annotations

import pytest

from drorch.errors import PlanError
from drorch.model.graph import Graph
from drorch.model.plan import Plan
from plans.select import select
from tests.unit.plans.sources import load

PLAN = load(
    "groups:\n"
    "  core: {title: Core}\n"
    "  db: {depends_on: [core], limits: {parallel: 2}}\n"
    "  idle: {depends_on: [db]}\n"
    "services:\n"
    "  mail: {steps: [web]}\n"
    "  both: {steps: [web, extra]}\n"
    "  taxes: {external: true}\n"
    "steps:\n"
    "  dc: {vm: 1, group: core}\n"
    "  ntp: {vm: 2, group: core}\n"
    "  pg: {vm: 3, group: db}\n"
    "  ora: {vm: 4, group: db}\n"
    "  web: {vm: 5, depends_on: [pg]}\n"
    "  report: {vm: 6, depends_on: [{step: db, when: finished}]}\n"
    "  extra: {vm: 7}\n"
)


def ids(plan: Plan) -> list[str]:
    return [step.id for step in plan.steps]


@pytest.mark.parametrize(
    ("only", "steps"),
    [
        (["extra"], ["extra"]),
        (["web"], ["dc", "ntp", "pg", "web"]),
        (["mail"], ["dc", "ntp", "pg", "web"]),
        (["report"], ["dc", "ntp", "pg", "ora", "report"]),
        (["db"], ["dc", "ntp", "pg", "ora"]),
        (["both", "core"], ["dc", "ntp", "pg", "web", "extra"]),
        (["extra", "extra", "taxes"], ["extra"]),
        ([], ["dc", "ntp", "pg", "ora", "web", "report", "extra"]),
    ],
)
def test_what_is_named_and_all_that_it_needs(only: list[str], steps: list[str]) -> None:
    selected = select(PLAN, only)
    assert ids(selected) == steps
    # What is left still makes a plan: every dependency points to something that is there.
    assert len(Graph(selected).order) == len(selected.steps) + len(selected.groups)


def test_groups_and_services_that_are_left() -> None:
    selected = select(PLAN, ["mail"])
    assert [(g.id, g.parallel) for g in selected.groups] == [("core", None), ("db", 2)]
    assert [s.id for s in selected.services] == ["mail"]
    assert [s.id for s in select(PLAN, ["extra", "taxes"]).services] == ["taxes"]
    assert (selected.id, selected.digest) == (PLAN.id, PLAN.digest)


def test_an_empty_group_takes_no_unknown_dependency_along() -> None:
    selected = select(PLAN, ["idle", "extra"])
    assert [(g.id, g.depends_on) for g in selected.groups] == [("idle", ())]


def test_an_unknown_name_is_told_with_the_nearest() -> None:
    with pytest.raises(PlanError, match='no step, group or service "repotr"') as refused:
        select(PLAN, ["web", "repotr"])
    assert refused.value.hint == 'did you mean "report"?'


def test_an_external_service_alone_starts_nothing() -> None:
    with pytest.raises(PlanError, match="nothing is started for taxes"):
        select(PLAN, ["taxes"])

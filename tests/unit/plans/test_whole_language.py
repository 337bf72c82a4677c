"""One plan that uses the whole language, as its reference shows it."""

from __future__ import annotations

from pathlib import Path

import plans
from drorch.model.graph import Graph
from tests.unit.plans.sources import plain
from tests.unit.plans.test_schema import VALIDATOR

FILE = Path(__file__).with_name("whole_language.yaml")


def test_it_loads_and_validates() -> None:
    plan = plans.load_file(FILE)
    VALIDATOR.validate(plain(FILE.read_bytes()))
    assert [step.action.kind for step in plan.steps] == [
        "manual", "vm", "vm", "vm", "vm", "gate", "wait", "callout",
    ]  # fmt: skip
    assert [[step.id for step in wave] for wave in Graph(plan).waves()] == [
        ["san", "mail", "network"],
        ["dc01", "settle"],
        ["anagrafe-db", "zone"],
        ["anagrafe-web"],
    ]


def test_what_a_service_needs_is_derived() -> None:
    selected = plans.select(plans.load_file(FILE), ["anagrafe"])
    assert [step.id for step in selected.steps] == [
        "san", "dc01", "anagrafe-db", "anagrafe-web", "mail",
    ]  # fmt: skip

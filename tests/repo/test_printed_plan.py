"""The plan on paper: complete, in order, and narrow enough to print."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from api.locale import speaking
from drorch.model.graph import Graph
from plans import load_file
from plans.catalog import example, examples
from scripts.print_plan import WIDTH, contact_list, main, printed

AT = datetime(2026, 11, 22, 3, 0, tzinfo=UTC)


@pytest.mark.parametrize("name", examples())
def test_every_step_is_on_paper_once_and_after_what_it_needs(name: str) -> None:
    plan = load_file(example(name))
    text = printed(plan, AT)
    places = {step.id: text.index(f"\n[ ] {step.id}: ") for step in plan.steps}
    assert all(text.count(f"\n[ ] {step.id}: ") == 1 for step in plan.steps)
    for step in plan.steps:
        for dependency in step.depends_on:
            if dependency.target in places:
                assert places[dependency.target] < places[step.id]
    assert text.count("WAVE ") == len(Graph(plan).waves())
    assert plan.digest in text


def test_the_whole_story_can_be_printed() -> None:
    plan = load_file(example("piacenza"))
    text = printed(plan, AT)
    assert max(map(len, text.splitlines())) <= WIDTH
    for contact in plan.contacts:
        assert contact.name in text
        assert contact.phone in text
    for service in plan.services:
        assert service.title["en"] in " ".join(text.split())
    assert text.count("Question: ") == sum(s.action.kind == "manual" for s in plan.steps)


def test_it_is_printed_in_italian_as_well() -> None:
    plan = load_file(example("piacenza"))
    with speaking("it"):
        text = printed(plan, AT)
    assert max(map(len, text.splitlines())) <= WIDTH
    for service in plan.services:
        assert service.title["it"] in " ".join(text.split())
    for step in plan.steps:
        assert text.count(f"\n[ ] {step.id}: ") == 1
    assert text.count("ONDATA ") == len(Graph(plan).waves())


def test_checks_are_boxes_to_tick() -> None:
    text = printed(load_file(example("first")), AT)
    assert "      [ ] tcp 127.0.0.1:20101: the port accepts the connection" in text
    assert "          $ nc -vz -w 5 127.0.0.1 20101" in text
    assert "      needs database" in text
    assert "Printed 22/11/2026 03:00 UTC" in text


def test_contacts_of_several_plans() -> None:
    text = contact_list([load_file(example("manual")), load_file(example("first"))])
    assert "On-call desk   (owner of this plan)" in text
    assert "+39 0000 000101" in text
    assert "nobody is named" in text


def test_a_plan_that_cannot_be_used_is_named(
    capsys: pytest.CaptureFixture[str], tmp_path: object
) -> None:
    assert main([f"{tmp_path}/none.yaml"]) == 2
    assert "none.yaml" in capsys.readouterr().err
    assert main([str(example("first"))]) == 0
    assert "RECOVERY PLAN first" in capsys.readouterr().out
    assert main(["--lang", "it", str(example("first"))]) == 0
    assert "PIANO DI RIPRISTINO first" in capsys.readouterr().out
    assert main(["--html", str(example("first"))]) == 0
    assert capsys.readouterr().out.startswith("<!DOCTYPE html>")

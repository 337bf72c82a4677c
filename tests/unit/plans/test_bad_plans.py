"""Every broken plan says exactly where and what is wrong and what would be right."""

from __future__ import annotations

from pathlib import Path

import pytest

import plans
from plans.problems import MOST_PROBLEMS
from tests.unit.plans.sources import HEAD, problems

FOLDER = Path(__file__).parents[2] / "bad_plans"
BROKEN = sorted(FOLDER.glob("*.yaml"))


def _told(error: plans.InvalidPlanError) -> str:
    return "".join(
        f"{p.line}:{p.column} {p.code} {p.message}\n    {p.hint}\n" for p in error.problems
    )


@pytest.mark.parametrize("path", BROKEN, ids=[path.stem for path in BROKEN])
def test_a_broken_plan_is_explained(path: Path) -> None:
    with pytest.raises(plans.InvalidPlanError) as refused:
        plans.load(path.read_bytes(), path.name)
    assert _told(refused.value) == path.with_suffix(".expect").read_text(encoding="utf-8")
    assert all(p.file == path.name and p.hint for p in refused.value.problems)


def test_there_are_many_of_them_and_none_without_expectation() -> None:
    assert len(BROKEN) >= 60
    assert {p.stem for p in BROKEN} == {p.stem for p in FOLDER.glob("*.expect")}


def test_the_error_names_every_line() -> None:
    with pytest.raises(plans.InvalidPlanError) as refused:
        plans.load(HEAD + "ownr: desk\nsteps: {a: {vn: 1}}\n", "night.yaml")
    assert str(refused.value).splitlines() == [
        'night.yaml:4:1: unknown key "ownr" in a plan (did you mean "owner"?)',
        'night.yaml:5:13: unknown key "vn" in a step (did you mean "vm"?)',
    ]


def test_six_mebibytes_are_refused() -> None:
    text = HEAD + "# " + "x" * (6 * 1024 * 1024)
    assert problems(text.encode()) == ["1:1 file-too-large"]


def test_a_document_of_too_many_nodes_is_refused() -> None:
    assert problems(f"title: [{'1,' * 410_000}]\n") == ["1:1 file-too-large"]


@pytest.mark.parametrize("opening", ["[", "{a: ", "- ", "? "])
def test_a_hundred_thousand_levels_are_refused_early(opening: str) -> None:
    found = problems("steps:\n  a:\n    " + opening * 100_000)
    assert any(line.endswith(("too-deep", "key-not-text")) for line in found)


def test_depth_through_aliases_counts() -> None:
    layers = ["x0: &a0 [1]"] + [f"x{i}: &a{i} [[[[[*a{i - 1}]]]]]" for i in range(1, 9)]
    assert "11:14 too-deep" in problems("\n".join(layers) + "\nsteps: {a: {vm: 1}}\n")


def test_a_lone_surrogate_in_text_is_refused() -> None:
    assert problems("title: '\ud800'\n") == ["4:9 not-utf-8"]


def test_the_list_of_problems_ends_somewhere() -> None:
    body = "steps:\n" + "".join(f"  s{i}: {{}}\n" for i in range(2 * MOST_PROBLEMS))
    assert len(problems(body)) == MOST_PROBLEMS


def test_many_wrong_references_are_answered() -> None:
    steps = [f"  s{i}: {{vm: {i}, depends_on: [s-{i}]}}\n" for i in range(3000)]
    assert len(problems("steps:\n" + "".join(steps))) == MOST_PROBLEMS

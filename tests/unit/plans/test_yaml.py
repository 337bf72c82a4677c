"""The strict YAML underneath: values, aliases, encodings."""

from __future__ import annotations

from typing import Any

import pytest

from plans.problems import Position, Report
from plans.source.reader import MOST_EXPANDED_NODES, read_tree
from plans.source.text import MOST_LINES, position_of
from tests.unit.plans.sources import HEAD, load, plain, problems


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("1", 1),
        ("-7", -7),
        ("+7", 7),
        ("0", 0),
        ("1.5", 1.5),
        (".5", 0.5),
        ("1e3", 1000.0),
        ("true", True),
        ("False", False),
        ("~", None),
        ("null", None),
        ("", None),
        ("on", "on"),
        ("yes", "yes"),
        ("No", "No"),
        ("12:30:00", "12:30:00"),
        ("08:15", "08:15"),
        ("2026-12-25", "2026-12-25"),
        ("1_000", "1_000"),
        (".inf", ".inf"),
        ("10.1.0.10", "10.1.0.10"),
        ("'1'", "1"),
        ('"true"', "true"),
        ("9" * 30, "9" * 30),
        ("|\n  two\n  lines", "two\nlines\n"),
    ],
)
def test_plain_scalars_mean_what_yaml_1_2_says(written: str, value: Any) -> None:
    found = plain(f"k: {written}\n")["k"]
    assert found == value
    assert type(found) is type(value)


def test_aliases_repeat_what_they_name() -> None:
    plan = load(
        "services:\n"
        '  a: {steps: [x], open_by: &hours {time: "08:15"}}\n'
        "  b: {steps: [x], open_by: *hours}\n"
        "steps: {x: {vm: 1}}\n"
    )
    assert plan.services[0].open_by == plan.services[1].open_by is not None


def _aliased(copies: int) -> str:
    """Return a document with one list of 999 nodes, and as many *copies* of it."""
    items = ", ".join(["h"] * 998)
    repeats = "\n".join(["  - *list"] * copies)
    return f"first: &list [{items}]\nrest:\n{repeats}\n"


def test_aliases_are_fine_below_the_limit_and_refused_above() -> None:
    below, above = Report("below"), Report("above")
    tree = read_tree(_aliased(98), below)
    assert tree.root is not None
    assert not below
    assert 90_000 < tree.root.size < MOST_EXPANDED_NODES
    read_tree(_aliased(101), above)
    assert [(p.line, p.column, p.code) for p in above.problems] == [(3, 5, "explodes")]


def test_without_aliases_the_limit_does_not_apply() -> None:
    report = Report("plain")
    tree = read_tree("a: [" + "1, " * 120_000 + "]", report)
    assert not report
    assert tree.root is not None
    assert tree.root.size > MOST_EXPANDED_NODES


def test_one_problem_under_an_alias_is_told_once() -> None:
    body = "steps:\n  a: &s {wait: 5}\n  b: *s\n"
    assert problems(body) == ["5:16 bad-duration"]


def test_an_alias_inside_another_anchor_of_the_same_name() -> None:
    # An anchor may be used again: from then on it names the newer node.
    assert plain("a: &x 1\nb: &x 2\nc: *x\n") == {"a": 1, "b": 2, "c": 2}


def test_a_byte_order_mark_and_windows_lines_are_fine() -> None:
    text = "\ufeff" + (HEAD + "steps:\n  a: {vm: 1, wat: 2}\n").replace("\n", "\r\n")
    assert problems(text.encode()) == ["5:14 unknown-key"]


def test_columns_count_characters() -> None:
    assert problems("steps: {a: {title: 'è città', vm: 1, wat: 2}}\n") == ["4:38 unknown-key"]


def test_positions_in_text() -> None:
    assert position_of("a\r\nb\rc\nd", 7) == Position(4, 1)
    assert position_of("abc", 2) == Position(1, 3)


def test_a_quoted_merge_key_and_a_key_in_another_language_are_only_unknown() -> None:
    assert problems("'<<': 1\nключ: 2\nsteps: {a: {vm: 1}}\n") == [
        "4:1 unknown-key",
        "5:1 unknown-key",
    ]


def test_explicit_document_markers_are_fine() -> None:
    assert problems("", "---\n" + HEAD + "steps: {a: {vm: 1}}\n...\n") == []


@pytest.mark.parametrize("end", ["\x85", "\u2028", "\u2029", "\r", "\r\n", "\n"])
def test_line_ends_that_only_the_parser_knows_do_not_mislead_it(end: str) -> None:
    """Its positions lay behind the last line that we knew of."""
    assert problems(f"title: x{end}owner: y{end}  b: c: d{end}", head="")


@pytest.mark.parametrize(
    ("text", "at"), [("a\r\nb\rc\nd", (4, 2)), ("abc", (1, 4)), ("a\n", (2, 1)), ("", (1, 1))]
)
def test_a_position_counts_the_line_ends_of_every_system(text: str, at: tuple[int, int]) -> None:
    assert position_of(text, len(text)) == at


def test_a_file_of_too_many_lines_is_refused() -> None:
    assert problems("\n" * MOST_LINES, head="") == ["1:1 file-too-large"]
    assert problems("\n" * (MOST_LINES - 1), head="") == ["1:1 empty"]

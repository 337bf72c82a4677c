"""Durations as people read them: the same on every face, as exact as anybody needs."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from api.locale import signed, speaking, spelt

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (None, ""),
        (0, "0 s"),
        (-2.0, "0 s"),
        (0.2, "< 1 s"),
        (59.6, "1 min"),
        (125, "2 min 05 s"),
        (3599, "59 min 59 s"),
        (5430, "1 h 30 min"),
        (7200, "2 h"),
        (86_400, "24 h"),
        (172_800, "2 d"),
        (3 * 86_400 + 5 * 3600 + 40, "3 d 5 h"),
    ],
)
def test_durations_are_as_exact_as_anybody_needs(seconds: float | None, words: str) -> None:
    assert spelt(seconds) == words


def test_days_are_said_in_the_language_spoken_here() -> None:
    with speaking("it"):
        assert spelt(3 * 86_400 + 5 * 3600) == "3 g 5 h"
        assert spelt(5430) == "1 h 30 min"


@pytest.mark.parametrize(
    ("seconds", "words"), [(180.0, "+3 min"), (-5.0, "\N{MINUS SIGN}5 s"), (0.3, "=")]
)
def test_differences_have_a_sign(seconds: float, words: str) -> None:
    assert signed(seconds) == words


def test_nobody_else_writes_durations() -> None:
    """What divides by 60 and puts a unit behind it is one more way to write a duration."""
    unit = re.compile(r"""f["'][^"'\n]*\}\s?(?:h|m|min)(?![a-z])[^"'\n]*["']""")
    own = {"api/locale/durations.py", "plans/shapes/quantities.py"}  # the latter quotes a plan
    found = [
        f"{file.relative_to(ROOT)}: {line.strip()}"
        for package in ("api", "drorch", "plans", "connectors")
        for file in sorted((ROOT / package).rglob("*.py"))
        if str(file.relative_to(ROOT)) not in own
        for line in file.read_text(encoding="utf-8").splitlines()
        if unit.search(line)
    ]
    assert found == []

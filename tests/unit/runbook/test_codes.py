"""Codes on paper: one for each step, stable, and no slip of the pen names another step."""

from __future__ import annotations

from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.runbook.codes import _WEIGHTS, ALPHABET, CodeError, codes_of, step_of
from plans import load_file
from plans.catalog import example

PIACENZA = load_file(example("piacenza"))
IDS = [step.id for step in PIACENZA.steps]
CODES = codes_of(PIACENZA.id, IDS)
PRINTED = {"db": "YW8EM", "web": "N97J2"}


def test_every_step_has_a_code_of_its_own() -> None:
    assert len(set(CODES.values())) == len(IDS) == len(CODES)
    assert all(len(code) == 5 and set(code) <= set(ALPHABET) for code in CODES.values())


def test_ten_thousand_steps_have_ten_thousand_codes() -> None:
    many = [f"vm-{n}" for n in range(10_000)]
    codes = codes_of("big", many)
    assert len(set(codes.values())) == 10_000


@given(st.sets(st.from_regex(r"[a-z][a-z0-9-]{0,6}", fullmatch=True), min_size=1, max_size=60))
def test_codes_are_unique_and_do_not_depend_on_order(ids: set[str]) -> None:
    codes = codes_of("p", ids)
    assert len(set(codes.values())) == len(ids)
    assert codes == codes_of("p", sorted(ids, reverse=True))
    assert all(step_of(code, "p", ids) == step for step, code in codes.items())


def test_steps_keep_their_codes_in_a_later_revision() -> None:
    later = codes_of(PIACENZA.id, [*reversed(IDS[5:]), "a-new-one", "another"])
    kept = [step for step in IDS[5:] if later[step] == CODES[step]]
    assert len(kept) == len(IDS) - 5
    assert CODES[IDS[0]] != codes_of("another-plan", IDS)[IDS[0]]


def test_the_codes_of_today_are_those_of_the_paper_in_the_drawer() -> None:
    """Never change how they are made: the paper is printed already."""
    assert codes_of("town", ["db", "web"]) == PRINTED


def test_every_single_slip_and_every_swap_is_found() -> None:
    for step, code in list(CODES.items())[:20]:
        for place in range(5):
            for other in ALPHABET.replace(code[place], ""):
                _refused(code[:place] + other + code[place + 1 :], step)
        for one, two in combinations(range(5), 2):
            if code[one] != code[two]:
                swapped = list(code)
                swapped[one], swapped[two] = code[two], code[one]
                _refused("".join(swapped), step)


def _refused(typed: str, step: str) -> None:
    with pytest.raises(CodeError, match="mistyped"):
        step_of(typed, PIACENZA.id, IDS)


def test_the_weights_find_every_slip_of_any_code() -> None:
    """Distinct and not zero modulo a prime, the last character's -1 among them."""
    weights = {w % len(ALPHABET) for w in (*_WEIGHTS, -1)}
    assert len(weights) == 5
    assert 0 not in weights
    assert all(len(ALPHABET) % n for n in range(2, len(ALPHABET)))


def test_what_looks_alike_is_understood() -> None:
    assert not set(ALPHABET) & set("01OILBSZGQUV5")
    for step, code in CODES.items():
        written = code.replace("2", "z").replace("8", "b").replace("6", "G").lower()
        assert step_of(f" {written[:3]} {written[3:]} ", PIACENZA.id, IDS) == step


@pytest.mark.parametrize("typed", ["", "K7", "hello world", "K7RF3X", "!!!!!", "ÀÀÀÀÀ"])
def test_what_is_no_code_is_refused(typed: str) -> None:
    with pytest.raises(CodeError, match="five characters"):
        step_of(typed, PIACENZA.id, IDS)


def test_the_code_of_another_plan_is_refused() -> None:
    code = codes_of("another-plan", ["db"])["db"]
    with pytest.raises(CodeError, match="another plan"):
        step_of(code, "town", ["db", "web"])

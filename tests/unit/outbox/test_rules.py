"""Which events are chosen, and when a delivery is tried again."""

from __future__ import annotations

import pytest

from drorch.outbox.rules import DEFAULT_EVENTS, KINDS, TRIES, WAITS, chosen, wait_after


def test_a_star_stands_for_what_begins_so() -> None:
    assert chosen(["run.*"]) == {kind for kind in KINDS if kind.startswith("run.")}
    assert chosen(["*"]) == KINDS
    assert chosen(["step.failed", "step.asked"]) == {"step.failed", "step.asked"}


def test_people_are_told_by_default_what_needs_them() -> None:
    told = chosen(DEFAULT_EVENTS)
    assert {"run.requested", "run.ended", "step.asked", "step.failed", "answer.overdue"} <= told
    assert "check.changed" not in told
    assert "order.accepted" not in told


@pytest.mark.parametrize("pattern", ["step.faild", "run", "", "ru.*", "run.*.x"])
def test_a_pattern_that_fits_nothing_is_refused(pattern: str) -> None:
    with pytest.raises(ValueError, match="there is no event"):
        chosen(["run.*", pattern])


def test_a_slip_of_the_pen_is_guessed() -> None:
    with pytest.raises(ValueError, match=r"did you mean step\.failed\?"):
        chosen(["step.faild"])


def test_waits_grow_and_end() -> None:
    waits = [wait_after(tries, 0.0) for tries in range(1, TRIES + 1)]
    assert waits == [5, 300, 1800, 7200, 18000, 36000, 50400, 72000, 86400, None]
    assert TRIES == 10


def test_chance_makes_a_wait_longer_by_a_fifth_at_most() -> None:
    for tries, own in enumerate(WAITS, start=1):
        assert wait_after(tries, 1.0) == pytest.approx(own * 1.2)
        assert own <= (wait_after(tries, 0.5) or 0) <= own * 1.2


def test_what_the_target_asks_for_is_heeded_within_bounds() -> None:
    assert wait_after(1, 0.0, asked=60) == 60
    assert wait_after(1, 0.0, asked=10**9) == 3600
    assert wait_after(3, 0.0, asked=1) == 1800
    assert wait_after(TRIES, 0.0, asked=60) is None

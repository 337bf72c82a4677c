"""Values: equal by what they hold, hashed so, without room for anything else."""

from __future__ import annotations

import pytest

from drorch.model.value import value
from drorch.run import commands as cmd
from drorch.run import events as ev
from tests.fakes.script import T0


@value
class Point:
    x: int
    y: int = 0


def test_values_are_equal_by_what_they_hold_and_hash_alike() -> None:
    assert Point(x=1) == Point(x=1, y=0)
    assert Point(x=1) != Point(x=2)
    assert len({Point(x=1), Point(x=1), Point(x=2)}) == 2


def test_a_value_has_room_for_its_fields_alone() -> None:
    with pytest.raises(AttributeError):
        object.__setattr__(Point(x=1), "z", 1)


def test_kinds_that_hold_the_same_are_not_the_same() -> None:
    commands: list[object] = [cmd.Pause(by="anna"), cmd.Resume(by="anna")]
    events: list[object] = [ev.RunPaused(at=T0, by="anna"), ev.RunResumed(at=T0, by="anna")]
    assert commands[0] != commands[1]
    assert events[0] != events[1]

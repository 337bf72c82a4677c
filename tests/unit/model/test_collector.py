"""The collector is paused while anybody builds what will stay, and goes on after the last one."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from drorch.model.collector import collect_rarely, collector_paused


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    threshold, enabled = gc.get_threshold(), gc.isenabled()
    gc.enable()
    yield
    gc.set_threshold(*threshold)
    (gc.enable if enabled else gc.disable)()


def test_it_goes_on_when_the_last_of_those_who_overlap_has_ended() -> None:
    first, second = ExitStack(), ExitStack()
    first.enter_context(collector_paused())
    second.enter_context(collector_paused())
    first.close()
    assert not gc.isenabled()
    second.close()
    assert gc.isenabled()


def test_it_stays_off_when_somebody_else_had_turned_it_off() -> None:
    gc.disable()
    with collector_paused():
        pass
    assert not gc.isenabled()


def test_a_failure_inside_lets_it_go_on() -> None:
    with pytest.raises(ValueError, match="broken"), collector_paused():
        raise ValueError("broken")
    assert gc.isenabled()


def test_it_makes_fewer_rounds_and_can_be_asked_again() -> None:
    older = gc.get_threshold()[1:]
    collect_rarely()
    collect_rarely()
    assert gc.get_threshold() == (10_000, *older)

"""Whatever happens in whatever order: the promises hold, and the replay is the run."""

from __future__ import annotations

import os

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from drorch.model.plan import Plan
from drorch.run.effects import wanted
from drorch.run.status import Mode, StepStatus
from tests.fakes.replay import assert_honest, assert_replays
from tests.property.history import History
from tests.property.wide import Move, moves, plans

_MORE = int(os.environ.get("DRORCH_SEEDS", "1"))
"""How many times as many histories as usual; a night's worth is 1000."""
_SLOW = (HealthCheck.too_slow, HealthCheck.data_too_large)
_MODES = st.sampled_from([Mode.LIVE, Mode.LIVE, Mode.LIVE, Mode.SIMULATE])


@settings(max_examples=150 * _MORE, deadline=None, suppress_health_check=_SLOW)
@given(plans(), _MODES, moves())
def test_any_history_keeps_every_promise(plan: Plan, mode: Mode, script: list[Move]) -> None:
    history = History(plan, mode)
    for move in script:
        history.play(move)
        assert_honest(history.state)
    assert_replays(history.state, history.log)
    if history.state.is_over:
        assert not list(wanted(history.state))


@settings(max_examples=40 * _MORE, deadline=None, suppress_health_check=_SLOW)
@given(plans(), moves())
def test_the_replay_is_the_run_after_every_single_move(plan: Plan, script: list[Move]) -> None:
    history = History(plan, Mode.LIVE)
    for move in script[:25]:
        history.play(move)
        assert_replays(history.state, history.log)


@settings(max_examples=80 * _MORE, deadline=None, suppress_health_check=_SLOW)
@given(plans(), _MODES, moves(), st.booleans())
def test_every_run_ends_once_all_is_well_and_people_answer(
    plan: Plan, mode: Mode, script: list[Move], vouching: bool
) -> None:
    history = History(plan, mode)
    for move in script:
        history.play(move)
    history.cure()
    history.finish(("approve", "accept") if vouching else ("approve", "retry"), well=True)
    assert_ended(history)


@settings(max_examples=80 * _MORE, deadline=None, suppress_health_check=_SLOW)
@given(plans(), _MODES, moves())
def test_every_run_ends_even_if_nothing_ever_gets_well(
    plan: Plan, mode: Mode, script: list[Move]
) -> None:
    history = History(plan, mode)
    for move in script:
        history.play(move)
    history.cure()
    history.finish(("approve", "reject"), well=False)
    assert_ended(history)


def assert_ended(history: History) -> None:
    assert history.state.is_over
    assert not list(wanted(history.state))
    final = {
        StepStatus.HEALTHY,
        StepStatus.FAILED,
        StepStatus.BLOCKED,
        StepStatus.SKIPPED,
        StepStatus.CANCELLED,
    }
    assert {own.status for own in history.state.steps} <= final
    assert_replays(history.state, history.log)

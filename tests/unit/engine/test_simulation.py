"""A simulated run: the real engine, an imagined world, no time at all."""

from __future__ import annotations

from datetime import timedelta

from drorch.engine.simulation import simulate
from drorch.run import events as ev
from drorch.run.evolve import fold
from drorch.run.status import Mode, RunStatus
from tests.fakes.plans import callout, plan, question, vm, wait
from tests.fakes.replay import assert_replays
from tests.fakes.script import requested


def test_a_simulation_takes_the_expected_time_and_asks_nobody() -> None:
    minute = timedelta(minutes=1)
    whole = plan(
        question("san", expect=minute),
        vm("db", "san", expect=2 * minute),
        vm("web", "db", expect=minute, connector="kvm"),
        wait("settle", 30, "web"),
        callout("zone", "settle", expect=minute),
    )
    events = simulate(requested(whole, Mode.SIMULATE))
    state = fold(events)
    assert state.status is RunStatus.SUCCEEDED
    took = events[-1].at - events[0].at
    assert timedelta(minutes=5.5) <= took <= timedelta(minutes=5.6)
    assert not [event for event in events if isinstance(event, ev.StepAsked)]
    assert_replays(state, events)


def test_limits_lengthen_a_simulation() -> None:
    steps = [vm(f"m{n}", expect=timedelta(minutes=1), verify=()) for n in range(10)]
    spans = [
        simulate(requested(plan(*steps, parallel=limit), Mode.SIMULATE))[-1].at
        for limit in (10, 5, 1)
    ]
    began = requested(plan(*steps)).at
    assert [round((end - began).total_seconds()) for end in spans] == [60, 120, 600]

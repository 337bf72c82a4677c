"""Killed at any append, before or after it is durable: the next process finishes the recovery.

The hypervisor's own log is the witness: how many orders it accepted, and in which order.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from typing import Any

import pytest

from connectors.simulated.faults import ApiFault
from drorch.engine.virtual import run_virtually
from drorch.model.plan import OnUnhealthy, Plan, RetryPolicy, Step
from drorch.run import commands as cmd
from drorch.run import events as ev
from drorch.run.status import OrderKind, RunStatus
from tests.fakes.plans import callout, gate, plan, question, vm, wait
from tests.fakes.replay import assert_honest, assert_replays
from tests.fakes.stage import RUN, Stage
from tests.scenarios.dying import DyingJournal

PATIENT = {"retry": RetryPolicy(attempts=60)}
NEEDS = {"1": (), "2": ("1",), "3": ("1",), "4": ("2", "3"), "5": ("4",)}
FLEET: dict[str, Any] = {
    "hosts": {"h1": {}, "h2": {}},
    "machines": [
        {"id": int(m), "boot": f"{10 + int(m)}s", "app": "3s", "needs": [int(n) for n in needs]}
        for m, needs in NEEDS.items()
    ],
}


def diamond(**more: Any) -> Plan:
    return plan(*(vm(m, *needs, **more) for m, needs in NEEDS.items()))


def mixed() -> Plan:
    return plan(
        gate("net"),
        wait("settle", 5, "net"),
        question("san", "settle"),
        callout("again-dns", "san"),
        vm("1", "again-dns"),
        vm("2", "1", on_unhealthy=OnUnhealthy.RESTART),
    )


async def recovered(journal: DyingJournal, planned: Plan, **faults: float) -> Stage:
    stage = Stage(planned, FLEET, journal=journal)
    for kind, rate in faults.items():
        stage.world.faults.disturb_calls(ApiFault(kind), rate)
    pressing = asyncio.create_task(answering(stage))
    state = await stage.recover()
    pressing.cancel()
    assert state.status is RunStatus.SUCCEEDED
    assert_replays(state, stage.events)
    assert_honest(state)
    return stage


async def answering(stage: Stage) -> None:
    """Somebody approves whatever is asked, again if the answer was lost with the process."""
    answered = 0
    while True:
        await asyncio.sleep(4)
        asked = [event for event in stage.events if isinstance(event, ev.StepAsked)]
        for event in asked[answered:]:
            stage.journal.ask(RUN, cmd.Approve(by="anna", step=event.step))
        answered = len(asked)


def appends(planned: Plan) -> int:
    journal = DyingJournal()
    run_virtually(recovered(journal, planned))
    return journal.appends


def assert_in_order(stage: Stage) -> None:
    """No start was accepted before the application of everything it needs was well."""
    healthy: dict[str, Any] = {}
    for event in stage.events:
        if isinstance(event, ev.StepHealthy):
            healthy.setdefault(event.step, event.at.timestamp())
    for entry in stage.starts():
        step: Step = stage.plan.steps[stage.state.index(str(entry.machine))]
        for dependency in step.depends_on:
            assert healthy[dependency.target] <= entry.at + 1e-3


def assert_one_start_each(stage: Stage) -> None:
    accepted = Counter(str(entry.machine) for entry in stage.starts())
    machines = {step.id for step in stage.plan.steps if step.machine}
    assert accepted == Counter(machines), "exactly one accepted order each, none forgotten"
    assert_in_order(stage)


def assert_one_order_per_attempt(stage: Stage) -> None:
    intents = Counter(
        event.step
        for event in stage.events
        if (isinstance(event, ev.StepStarted) and event.order is OrderKind.START)
        or isinstance(event, ev.MachineStopped)
    )
    accepted = Counter(str(entry.machine) for entry in stage.starts())
    for machine in NEEDS:
        assert 1 <= accepted[machine] <= intents[machine]
    already = [entry for entry in stage.world.log if entry.already]
    assert not already, "nothing was ordered that was starting or running"
    assert_in_order(stage)


@pytest.mark.parametrize("stored", [True, False], ids=["after", "before"])
def test_killed_at_any_append_each_machine_gets_exactly_one_order(stored: bool) -> None:
    points = appends(diamond())
    assert points > 15
    for point in range(1, points + 1):
        journal = DyingJournal(dies_at=frozenset({point}), stored=stored)
        stage = run_virtually(recovered(journal, diamond(retry=RetryPolicy(attempts=1))))
        assert stage.lives == 2, point
        assert_one_start_each(stage)


@pytest.mark.parametrize("stored", [True, False], ids=["after", "before"])
def test_a_plan_of_all_kinds_survives_a_kill_at_any_append(stored: bool) -> None:
    points = appends(mixed())
    assert points > 12
    for point in range(1, points + 1):
        journal = DyingJournal(dies_at=frozenset({point}), stored=stored)
        stage = run_virtually(recovered(journal, mixed()))
        assert stage.lives == 2, point
        accepted = Counter(str(entry.machine) for entry in stage.starts())
        assert accepted == Counter({"1": 1, "2": 1})


@pytest.mark.parametrize("seed", range(6))
def test_killed_again_and_again_it_still_finishes(seed: int) -> None:
    moments = random.Random(seed).sample(range(1, 40), 12)
    journal = DyingJournal(dies_at=frozenset(moments), stored=bool(seed % 2))
    stage = run_virtually(recovered(journal, diamond()))
    assert stage.lives > 4
    assert_one_start_each(stage)


@pytest.mark.parametrize("kind", ["reply_lost_rate", "error_rate", "timeout_rate"])
@pytest.mark.parametrize("seed", range(5))
def test_with_a_lying_network_and_kills_no_order_is_given_twice(kind: str, seed: int) -> None:
    moments = random.Random(seed).sample(range(1, 60), 8)
    journal = DyingJournal(dies_at=frozenset(moments), stored=bool(seed % 2))
    stage = run_virtually(recovered(journal, diamond(**PATIENT), **{kind: 0.2}))
    assert_one_order_per_attempt(stage)


def test_killed_while_an_order_is_on_its_way_it_is_found_again() -> None:
    """The order arrives, the process dies before its answer: the case that cannot be retried."""
    slow = {**FLEET, "latency": "400ms"}

    async def killed_at(moment: float) -> Stage:
        stage = Stage(diamond(), slow)
        killing = asyncio.create_task(stage.perform([{"at": moment, "kill": True}]))
        state = await stage.recover(down=0.1)
        await killing
        assert state.status is RunStatus.SUCCEEDED
        return stage

    for tenths in range(1, 30, 2):
        assert_one_start_each(run_virtually(killed_at(tenths / 10)))

"""Real guests brought back by the real engine, while things go wrong."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

import pytest

from drorch.run import commands as cmd
from drorch.run import events as ev
from drorch.run.evolve import fold
from drorch.run.state import RunState
from drorch.run.status import FailureKind, RunStatus, StepStatus
from tests.lab.fleet import LabFleet
from tests.lab.recovery import PATIENCE, OtherProcess, kill, recovering

pytestmark = [pytest.mark.lab, pytest.mark.timeout(420)]


def assert_in_order(fleet: LabFleet, events: Sequence[ev.Event]) -> None:
    """No machine was started before everything it needs was healthy."""
    healthy: set[str] = set()
    for event in events:
        if isinstance(event, ev.StepHealthy):
            healthy.add(event.step)
        if isinstance(event, ev.StepStarted):
            assert set(fleet.needs(event.step)) <= healthy, f"{event.step} came too early"


def orders(events: Sequence[ev.Event], step: str) -> int:
    """Return how many orders of ours the hypervisor accepted for *step*."""
    return sum(isinstance(e, ev.OrderAccepted) and e.step == step and not e.already for e in events)


def status(state: RunState, step: str) -> StepStatus:
    return state.steps[state.index(step)].status


async def test_eight_guests_come_up_in_order_and_verified(
    lab_fleet: LabFleet, tmp_path: Path
) -> None:
    async with recovering(lab_fleet, tmp_path) as recovery:
        state = await recovery.end()
        events = await recovery.events()
    assert state.status is RunStatus.SUCCEEDED
    assert_in_order(lab_fleet, events)
    for name in lab_fleet.machines:
        assert await asyncio.to_thread(lab_fleet.is_well, name)
        assert orders(events, name) == 1
    agent = [e for e in events if isinstance(e, ev.StepHealthy) and "agent" in str(e.checks)]
    assert agent, "no guest agent was asked"
    # The database serves three seconds after it runs: who needs it was seen waiting for that.
    database = state.steps[state.index("db")]
    assert any(not e.healthy for e in events if isinstance(e, ev.CheckChanged))
    assert database.running_at is not None
    assert database.healthy_at is not None
    assert database.healthy_at > database.running_at


async def test_a_guest_killed_while_it_boots_is_started_again(
    lab_fleet: LabFleet, tmp_path: Path
) -> None:
    async with recovering(lab_fleet, tmp_path, retry={"attempts": 3, "wait": "1s"}) as recovery:
        await recovery.reached(lambda s: status(s, "db") is StepStatus.VERIFYING, "db to boot")
        await asyncio.to_thread(lab_fleet.kill_guest, "db")
        state = await recovery.end()
        events = await recovery.events()
    assert state.status is RunStatus.SUCCEEDED
    lost = [e for e in events if isinstance(e, ev.AttemptFailed) and e.step == "db"]
    assert [e.kind for e in lost] == [FailureKind.LOST]
    assert orders(events, "db") == 2
    assert all(orders(events, name) == 1 for name in lab_fleet.machines if name != "db")
    assert_in_order(lab_fleet, events)


async def test_an_application_that_never_gets_well_blocks_only_what_needs_it(
    lab_fleet: LabFleet, tmp_path: Path
) -> None:
    await asyncio.to_thread(lab_fleet.fast_starts)
    await asyncio.to_thread(lab_fleet.make_app_fail, "app1")
    patience = {"verify_timeout": "25s", "retry": {"attempts": 1}}
    async with recovering(lab_fleet, tmp_path, **patience) as recovery:
        state = await recovery.reached(
            lambda s: s.status is RunStatus.WAITING, "the run to wait for a person"
        )
        assert status(state, "app1") is StepStatus.WAITING
        assert "503" in state.steps[state.index("app1")].error
        assert status(state, "web") is StepStatus.BLOCKED
        others = set(lab_fleet.machines) - {"app1", "web"}
        assert {status(state, name) for name in others} == {StepStatus.HEALTHY}
        await recovery.decide(cmd.Reject(step="app1", by="lab", comment="not tonight"))
        state = await recovery.end()
    assert state.status is RunStatus.FAILED
    assert status(state, "app1") is StepStatus.FAILED
    assert status(state, "web") is StepStatus.BLOCKED
    assert await asyncio.to_thread(lab_fleet.is_running, "app1"), "nothing is powered off"


async def test_libvirtd_killed_in_the_middle_costs_no_attempt(
    lab_fleet: LabFleet, tmp_path: Path
) -> None:
    async with recovering(lab_fleet, tmp_path) as recovery:
        await recovery.reached(_second_wave_boots, "three guests to boot")
        await asyncio.to_thread(lab_fleet.kill_libvirtd)
        await recovery.reached(lambda s: bool(s.obstacles), "the obstacle to be shown")
        await asyncio.to_thread(lab_fleet.restart_libvirtd)
        state = await recovery.end()
        events = await recovery.events()
    assert state.status is RunStatus.SUCCEEDED
    assert_in_order(lab_fleet, events)
    assert any(isinstance(e, ev.ObstacleGone) for e in events)
    assert not [e for e in events if isinstance(e, ev.AttemptFailed | ev.StepAsked)]
    assert all(orders(events, name) == 1 for name in lab_fleet.machines)


def _second_wave_boots(state: RunState) -> bool:
    """All of the second wave run, so that no order is under way."""
    wave = ("db", "ldap", "cache")
    return all(state.steps[state.index(name)].running_at is not None for name in wave)


async def test_a_killed_orchestrator_carries_on_where_it_was(
    lab_fleet: LabFleet, tmp_path: Path
) -> None:
    await asyncio.to_thread(lab_fleet.fast_starts)
    other = OtherProcess(lab_fleet, tmp_path)
    process = other.start(
        str(tmp_path / "lab.yaml"), "--mode", "live", "--confirm", "lab", "--no-input"
    )
    running = 0
    for goal in (1, 4, 7):
        async with asyncio.timeout(PATIENCE):
            while running < goal and process.poll() is None:
                await asyncio.sleep(0.05)
                running = await asyncio.to_thread(_running, lab_fleet)
        kill(process)
        process = other.start("--continue", "--no-input")
    async with asyncio.timeout(PATIENCE):
        code = await asyncio.to_thread(process.wait)
    assert code == 0, other.output()
    events = await _journal(tmp_path)
    assert fold(events).status is RunStatus.SUCCEEDED
    assert_in_order(lab_fleet, events)
    assert sum(isinstance(e, ev.RunAdopted) for e in events) >= 1
    for name in lab_fleet.machines:
        assert orders(events, name) <= 1, f"{name} was ordered twice"
        assert await asyncio.to_thread(lab_fleet.is_well, name)


def _running(fleet: LabFleet) -> int:
    return sum(fleet.is_running(name) for name in fleet.machines)


async def _journal(folder: Path) -> Sequence[ev.Event]:
    from drorch.journal.pages import runs_page
    from drorch.journal.store import Store

    store = Store(folder / "data" / "drorch.db")
    try:
        run = (await runs_page(store, 1)).lines[0].id
        return [record.event for record in await store.read(run)]
    finally:
        store.close()

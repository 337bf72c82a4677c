"""The simulated world: boots share slots, applications need each other, faults come true."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from datetime import UTC, datetime
from typing import Any

import pytest

from connectors.simulated.faults import MachineFault
from connectors.simulated.fleet import build
from connectors.simulated.machine import Action, Machine, Result, State, TaskStatus
from connectors.simulated.world import World
from tests.unit.simulated.virtual import in_virtual_time

Story = Callable[[World], Coroutine[Any, Any, None]]


def told(fleet: dict[str, Any], story: Callable[[World], Awaitable[None]]) -> World:
    """Live through *story* in a world of *fleet*, in virtual time."""

    async def whole() -> World:
        world = World(build(fleet))
        await story(world)
        world.close()
        return world

    return in_virtual_time(whole())


def some(count: int, **keys: Any) -> list[dict[str, Any]]:
    return [{"id": number + 1, **keys} for number in range(count)]


def ran_at(world: World) -> dict[str, float]:
    """Return a table that fills with the times at which machines come to run."""
    times: dict[str, float] = {}

    def note(machine: Machine) -> None:
        if machine.state is State.RUNNING:
            times.setdefault(machine.spec.id, round(world.clock(), 3))

    world.witness(note)
    return times


def test_a_machine_boots_and_its_application_follows() -> None:
    async def story(world: World) -> None:
        machine = world.machines["1"]
        entry = world.order("1", Action.START)
        assert (entry.result, machine.state) == (Result.ACCEPTED, State.STARTING)
        await asyncio.sleep(39.9)
        task = entry.task
        assert task is not None
        assert (machine.state, task.status) == (State.STARTING, TaskStatus.ACTIVE)
        await asyncio.sleep(0.2)
        assert (machine.state, task.status) == (State.RUNNING, TaskStatus.DONE)
        assert not machine.well
        await asyncio.sleep(10)
        assert machine.well

    told({"machines": some(1, boot="40s", app="10s")}, story)


def test_time_scale_makes_simulated_seconds_short() -> None:
    async def story(world: World) -> None:
        world.order("1", Action.START)
        await asyncio.sleep(0.99)
        assert world.counts[State.RUNNING] == 0
        await asyncio.sleep(0.02)
        assert world.counts[State.RUNNING] == 1

    told({"time_scale": 60, "machines": some(1, boot="1m")}, story)


@pytest.mark.parametrize(("count", "slots", "expected"), [(4, 4, 10), (8, 4, 20), (6, 4, 15)])
def test_boots_beyond_the_slots_slow_all_of_them_down(
    count: int, slots: int, expected: float
) -> None:
    async def story(world: World) -> None:
        times = ran_at(world)
        for machine in world.machines:
            world.order(machine, Action.START)
        await asyncio.sleep(100)
        assert times == dict.fromkeys(world.machines, expected)

    told({"hosts": {"h": {"boot_slots": slots}}, "machines": some(count, boot="10s")}, story)


def test_a_boot_that_joins_or_leaves_changes_the_speed_of_the_others() -> None:
    async def story(world: World) -> None:
        times = ran_at(world)
        world.order("1", Action.START)  # alone for 4 s: 6 s of work left
        await asyncio.sleep(4)
        world.order("2", Action.START)  # both at half speed for 6 s: 3 s left
        await asyncio.sleep(6)
        world.order("2", Action.STOP)  # alone again: done 3 s later
        await asyncio.sleep(50)
        assert times == {"1": 13.0}
        assert world.machines["2"].state is State.STOPPED

    told({"hosts": {"h": {"boot_slots": 1}}, "machines": some(2, boot="10s")}, story)


def test_hosts_do_not_slow_each_other_down() -> None:
    async def story(world: World) -> None:
        times = ran_at(world)
        for machine in world.machines:
            world.order(machine, Action.START)
        await asyncio.sleep(60)
        assert times == {"1": 20.0, "2": 10.0, "3": 20.0}

    hosts = {"a": {"boot_slots": 1}, "b": {"boot_slots": 1}}
    told({"hosts": hosts, "machines": some(3, boot="10s")}, story)


def test_an_application_waits_for_what_it_needs_and_falls_with_it() -> None:
    async def story(world: World) -> None:
        db, app, web = (world.machines[i] for i in ("1", "2", "3"))
        for machine in ("3", "2"):
            world.order(machine, Action.START)
        await asyncio.sleep(30)
        assert (app.state, app.well, web.well) == (State.RUNNING, False, False)
        world.order("1", Action.START)
        await asyncio.sleep(14.9)
        assert (db.well, web.well) == (False, False)
        await asyncio.sleep(0.2)
        assert (db.well, app.well, web.well) == (True, True, True)
        world.order("1", Action.STOP)
        assert (db.well, app.well, web.well) == (False, False, False)
        world.order("1", Action.START)
        await asyncio.sleep(15.1)
        assert (app.well, web.well) == (True, True)

    machines = some(3, boot="10s", app="5s")
    machines[1]["needs"] = [1]
    machines[2]["needs"] = [2]
    told({"machines": machines}, story)


def test_a_chain_as_long_as_the_fleet_falls_and_heals() -> None:
    async def story(world: World) -> None:
        for machine in world.machines:
            world.order(machine, Action.START)
        await asyncio.sleep(1)
        last = world.machines["5000"]
        assert last.well
        world.order("1", Action.STOP)
        assert not last.well

    machines = some(5000)
    for machine in machines[1:]:
        machine["needs"] = [machine["id"] - 1]
    told({"machines": machines}, story)


@pytest.mark.parametrize(
    ("before", "action", "reason", "already"),
    [
        ([], Action.STOP, "already stopped", True),
        ([], Action.SHUTDOWN, "already stopped", True),
        ([Action.START], Action.START, "already starting", True),
        ([Action.START], Action.SHUTDOWN, "still starting: no system is there to shut down", False),
        ([Action.START, 20], Action.START, "already running", True),
        ([Action.START, 20, Action.SHUTDOWN], Action.START, "already running", True),
        ([Action.START, 20, Action.SHUTDOWN], Action.SHUTDOWN, "already shutting down", True),
    ],
)
def test_an_order_that_makes_no_sense_is_refused(
    before: list[Action | int], action: Action, reason: str, already: bool
) -> None:
    async def story(world: World) -> None:
        for event in before:
            if isinstance(event, Action):
                assert world.order("1", event).result is Result.ACCEPTED
            else:
                await asyncio.sleep(event)
        boots = world.machines["1"].boots
        entry = world.order("1", action)
        assert (entry.result, entry.reason) == (Result.REFUSED, reason)
        assert entry.already is already
        assert world.machines["1"].boots == boots

    told({"machines": some(1, boot="10s")}, story)


def test_an_order_for_nobody_is_refused_and_logged() -> None:
    async def story(world: World) -> None:
        entry = world.order("77", Action.START)
        assert (entry.result, entry.reason, entry.already) == (
            Result.REFUSED, "no machine 77", False,
        )  # fmt: skip
        assert world.log == [entry]

    told({"machines": some(1)}, story)


def test_a_host_gives_no_memory_twice() -> None:
    async def story(world: World) -> None:
        assert world.order("1", Action.START).result is Result.ACCEPTED
        assert world.order("2", Action.START).result is Result.ACCEPTED
        entry = world.order("3", Action.START)
        assert entry.result is Result.REFUSED
        assert entry.reason.startswith("not enough memory on pve1: ")
        assert not entry.already
        world.order("1", Action.STOP)
        assert world.order("3", Action.START).result is Result.ACCEPTED
        assert world.hosts["pve1"].used == 8 * 2**30

    told({"hosts": {"pve1": {"memory": "8G"}}, "machines": some(3, memory="4G")}, story)


def test_a_shutdown_takes_its_time_and_the_application_goes_first() -> None:
    async def story(world: World) -> None:
        machine = world.machines["1"]
        world.order("1", Action.START)
        await asyncio.sleep(1)
        assert machine.well
        task = world.order("1", Action.SHUTDOWN).task
        assert task is not None
        assert (machine.state, machine.well) == (State.RUNNING, False)
        await asyncio.sleep(7.9)
        assert task.status is TaskStatus.ACTIVE
        await asyncio.sleep(0.2)
        assert (machine.state, task.status) == (State.STOPPED, TaskStatus.DONE)

    told({"machines": some(1, shutdown="8s")}, story)


def test_a_start_that_fails_says_so_in_its_task() -> None:
    async def story(world: World) -> None:
        world.faults.inject("1", MachineFault.START_FAILS, 2)
        for expected in (TaskStatus.FAILED, TaskStatus.FAILED, TaskStatus.DONE):
            entry = world.order("1", Action.START)
            assert entry.result is Result.ACCEPTED
            assert entry.task is not None
            await asyncio.sleep(20)
            assert entry.task.status is expected
        assert world.machines["1"].state is State.RUNNING
        assert "start_fails" in world.tasks["start-1"].detail

    told({"machines": some(1, boot="10s")}, story)


def test_a_machine_that_hangs_stays_starting_until_it_is_stopped() -> None:
    async def story(world: World) -> None:
        machine = world.machines["1"]
        world.faults.inject("1", MachineFault.HANGS, 1)
        first = world.order("1", Action.START).task
        await asyncio.sleep(100_000)
        world.clear_faults()
        await asyncio.sleep(100)
        assert machine.state is State.STARTING
        world.order("1", Action.STOP)
        assert first is not None
        assert (machine.state, first.status) == (State.STOPPED, TaskStatus.FAILED)
        world.order("1", Action.START)
        await asyncio.sleep(11)
        assert machine.well

    told({"machines": some(1, boot="10s")}, story)


def test_an_application_that_never_answers_answers_after_a_restart() -> None:
    async def story(world: World) -> None:
        machine = world.machines["1"]
        world.faults.inject("1", MachineFault.APP_NEVER, 1)
        world.order("1", Action.START)
        await asyncio.sleep(10_000)
        assert (machine.state, machine.well) == (State.RUNNING, False)
        world.order("1", Action.STOP)
        world.order("1", Action.START)
        await asyncio.sleep(20)
        assert machine.well

    told({"machines": some(1, boot="10s", app="5s")}, story)


def test_clearing_the_faults_lets_an_application_get_well() -> None:
    async def story(world: World) -> None:
        machine = world.machines["1"]
        world.faults.inject("1", MachineFault.APP_NEVER, None)
        for _ in range(3):
            world.order("1", Action.START)
            await asyncio.sleep(100)
            assert not machine.well
            world.order("1", Action.STOP)
        world.order("1", Action.START)
        await asyncio.sleep(100)
        world.clear_faults()
        await asyncio.sleep(6)
        assert machine.well

    told({"machines": some(1, app="5s")}, story)


def test_a_machine_that_crashes_ran_before() -> None:
    async def story(world: World) -> None:
        times = ran_at(world)
        world.faults.inject("1", MachineFault.CRASH_AFTER_BOOT, 1)
        entry = world.order("1", Action.START)
        await asyncio.sleep(10.5)
        assert world.counts[State.RUNNING] == 1
        await asyncio.sleep(10)
        assert world.counts[State.STOPPED] == 1
        assert entry.task is not None
        assert entry.task.status is TaskStatus.DONE
        assert times == {"1": 10.0}

    told({"machines": some(1, boot="10s", app="1m")}, story)


def test_the_log_keeps_every_order_in_its_sequence() -> None:
    async def story(world: World) -> None:
        for machine in ("1", "1", "9"):
            world.order(machine, Action.START)
        world.turn_away("2", Action.STOP, "injected")
        world.order("2", Action.START, reply_lost=True)
        found = [(e.seq, e.machine, e.action, e.result, e.reply_lost) for e in world.log]
        assert found == [
            (1, 1, "start", "accepted", False),
            (2, 1, "start", "refused", False),
            (3, "9", "start", "refused", False),
            (4, 2, "stop", "error", False),
            (5, 2, "start", "accepted", True),
        ]
        assert world.machines["2"].state is State.STARTING

    told({"machines": some(2, boot="1s")}, story)


def test_the_wall_clock_runs_with_the_loop() -> None:
    async def story() -> None:
        began = datetime(2026, 3, 1, 8, tzinfo=UTC)
        world = World(build({"machines": some(1)}), now=began)
        await asyncio.sleep(90)
        document = world.order("1", Action.START).document()
        assert document["at"] == "2026-03-01T08:01:30.000000Z"

    in_virtual_time(story())


def test_counts_follow_the_states() -> None:
    async def story(world: World) -> None:
        for machine in ("1", "2", "3"):
            world.order(machine, Action.START)
        await asyncio.sleep(20)
        world.order("1", Action.STOP)
        world.order("4", Action.START)
        assert world.counts == {"stopped": 2, "starting": 1, "running": 2}

    told({"machines": some(5, boot="10s")}, story)


def test_ten_thousand_machines_boot_in_the_time_that_their_slots_allow() -> None:
    async def story(world: World) -> None:
        for machine in world.machines:
            world.order(machine, Action.START)
        await asyncio.sleep(10_000 / 20 / 5 * 30 + 0.1)
        assert world.counts[State.RUNNING] == 10_000
        assert len(world.log) == len(world.tasks) == 10_000

    hosts = {f"node{n}": {"boot_slots": 5} for n in range(1, 21)}
    generate = {"count": 10_000, "hosts": 20, "boot": "30s"}
    world = told({"hosts": hosts, "generate": generate}, story)
    assert all(machine.well for machine in world.machines.values())


def test_the_same_seed_gives_the_same_fleet() -> None:
    one, same, other = (
        build({"generate": {"count": 50, "boot": "30s", "spread": 0.5, "seed": seed}})
        for seed in (1, 1, 2)
    )
    assert one.machines == same.machines
    assert one.machines != other.machines
    assert all(15 <= machine.boot <= 45 for machine in one.machines)

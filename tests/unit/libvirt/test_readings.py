"""States, reasons and events of libvirt as the port's words."""

from __future__ import annotations

import pytest

from connectors.libvirt.readings import (
    Lifecycle,
    MachinesByName,
    Paused,
    State,
    condition_after,
    condition_of,
    host_sighting,
    sighting,
    under,
)
from drorch.ports.connector import Power, Sighting


@pytest.mark.parametrize(
    ("state", "reason", "power", "lock", "needs_a_person"),
    [
        (State.NONE, 0, Power.UNKNOWN, None, False),
        (State.RUNNING, 1, Power.RUNNING, None, False),
        (State.BLOCKED, 0, Power.RUNNING, None, False),
        (State.SHUTOFF, 5, Power.OFF, None, False),
        (State.SHUTDOWN, 0, Power.PAUSED, "shutting down", False),
        (State.CRASHED, 1, Power.CRASHED, None, True),
        (State.SUSPENDED, 0, Power.PAUSED, None, True),
        (State.PAUSED, Paused.STARTING_UP, Power.STARTING, None, False),
        (State.PAUSED, Paused.USER, Power.PAUSED, None, True),
        (State.PAUSED, Paused.IO_ERROR, Power.PAUSED, None, True),
        (State.PAUSED, Paused.MIGRATION, Power.PAUSED, "migration", False),
        (State.PAUSED, Paused.SNAPSHOT, Power.PAUSED, "snapshot", False),
        (State.PAUSED, Paused.CRASHED, Power.CRASHED, None, True),
        (State.PAUSED, 99, Power.PAUSED, None, True),
        (99, 0, Power.UNKNOWN, None, False),
    ],
)
def test_states(
    state: int, reason: int, power: Power, lock: str | None, needs_a_person: bool
) -> None:
    condition = condition_of(state, reason)
    assert (condition.power, condition.lock) == (power, lock)
    assert (condition.problem is not None) == needs_a_person
    assert bool(condition.hint) == needs_a_person


@pytest.mark.parametrize(
    ("event", "detail", "power"),
    [
        (Lifecycle.STARTED, 0, Power.RUNNING),
        (Lifecycle.RESUMED, 0, Power.RUNNING),
        (Lifecycle.SUSPENDED, 0, Power.PAUSED),
        (Lifecycle.STOPPED, 5, Power.OFF),
        (Lifecycle.CRASHED, 0, Power.CRASHED),
    ],
)
def test_events(event: int, detail: int, power: Power) -> None:
    condition = condition_after(event, detail)
    assert condition is not None
    assert condition.power is power


def test_only_a_pause_by_failed_storage_is_a_problem_at_once() -> None:
    passing, failed = condition_after(Lifecycle.SUSPENDED, 0), condition_after(3, 2)
    assert passing is not None
    assert passing.problem is None
    assert failed is not None
    assert failed.problem is not None


@pytest.mark.parametrize("event", [Lifecycle.DEFINED, Lifecycle.UNDEFINED, 99])
def test_other_events_say_nothing_about_power(event: int) -> None:
    assert condition_after(event, 0) is None


def test_a_machine_is_read_from_bulk_statistics() -> None:
    statistics = {"state.state": 1, "state.reason": 1, "balloon.maximum": 98304}
    assert sighting("db", statistics, host="kvm1", autostart=True) == Sighting(
        machine="db",
        name="db",
        power=Power.RUNNING,
        host="kvm1",
        memory=96 * 1024 * 1024,
        autostart="libvirt autostart",
    )


def test_statistics_that_say_nothing_are_unknown() -> None:
    seen = sighting("db", {}, host="kvm1", autostart=False)
    assert (seen.power, seen.memory, seen.autostart) == (Power.UNKNOWN, None, None)


def test_a_problem_is_forgotten_when_it_has_passed() -> None:
    paused = sighting("db", {"state.state": 3, "state.reason": 1}, host="kvm1", autostart=False)
    assert "virsh resume db" in paused.hint
    resumed = condition_after(Lifecycle.RESUMED, 0)
    assert resumed is not None
    running = under(paused, resumed)
    assert (running.power, running.problem, running.hint) == (Power.RUNNING, None, "")


def test_caches_count_as_free_memory() -> None:
    memory = {"total": 1000, "free": 100, "buffers": 20, "cached": 300}
    host = host_sighting("kvm1", memory)
    assert (host.memory_total, host.memory_free) == (1000 * 1024, 420 * 1024)
    assert host_sighting("kvm1", {"total": 1000}).memory_free is None


def test_a_uuid_finds_a_machine_that_is_listed_once() -> None:
    identity = "9548cef4-95de-4aa7-a8e3-f68a58687ec7"
    seen = Sighting(machine="db", name="db", power=Power.OFF)
    machines = MachinesByName({"db": seen}, {identity: "db"})
    assert machines["db"] is machines[identity] is machines[identity.upper()] is seen
    assert list(machines) == ["db"]
    assert identity in machines
    assert "other" not in machines
    assert machines.get("00000000-0000-0000-0000-000000000000") is None

"""Libvirt's states, statistics and events as sightings."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from enum import IntEnum
from typing import Any

from typing_extensions import override

from drorch.ports.connector import HostSighting, Power, Sighting

AUTOSTART = "libvirt autostart"
_KIB = 1024


class State(IntEnum):
    """``virDomainState``; the numbers never change."""

    NONE = 0
    RUNNING = 1
    BLOCKED = 2
    PAUSED = 3
    SHUTDOWN = 4
    SHUTOFF = 5
    CRASHED = 6
    SUSPENDED = 7


class Paused(IntEnum):
    """``virDomainPausedReason``: why a machine's processors stand still."""

    USER = 1
    MIGRATION = 2
    SAVE = 3
    DUMP = 4
    IO_ERROR = 5
    WATCHDOG = 6
    FROM_SNAPSHOT = 7
    SHUTTING_DOWN = 8
    SNAPSHOT = 9
    CRASHED = 10
    STARTING_UP = 11
    POSTCOPY = 12
    POSTCOPY_FAILED = 13


class Lifecycle(IntEnum):
    """``virDomainEventType`` of a lifecycle event."""

    DEFINED = 0
    UNDEFINED = 1
    STARTED = 2
    SUSPENDED = 3
    RESUMED = 4
    STOPPED = 5
    SHUTDOWN = 6
    SUSPENDED_TO_MEMORY = 7
    CRASHED = 8


SUSPENDED_BY_IO_ERROR = 2
"""The detail of `Lifecycle.SUSPENDED` that tells of storage that failed."""


@dataclass(frozen=True, slots=True)
class Condition:
    """The part of a sighting that a state or an event decides."""

    power: Power
    lock: str | None = None
    problem: str | None = None
    hint: str = ""


_RESUME = "find out why, then on the host: virsh resume NAME"
_IO_ERROR = Condition(
    Power.PAUSED,
    problem="paused because its storage failed or is full",
    hint="repair the storage or make room, then on the host: virsh resume NAME",
)
_PAUSED: Mapping[int, Condition] = {
    Paused.MIGRATION: Condition(Power.PAUSED, lock="migration"),
    Paused.SAVE: Condition(Power.PAUSED, lock="save"),
    Paused.DUMP: Condition(Power.PAUSED, lock="dump"),
    Paused.SNAPSHOT: Condition(Power.PAUSED, lock="snapshot"),
    Paused.POSTCOPY: Condition(Power.PAUSED, lock="migration"),
    Paused.SHUTTING_DOWN: Condition(Power.PAUSED, lock="shutting down"),
    Paused.STARTING_UP: Condition(Power.STARTING),
    Paused.IO_ERROR: _IO_ERROR,
    Paused.WATCHDOG: Condition(
        Power.PAUSED, problem="paused by its watchdog: the guest hung", hint=_RESUME
    ),
    Paused.POSTCOPY_FAILED: Condition(
        Power.PAUSED,
        problem="paused: a migration broke half-way",
        hint="finish or undo the migration on the host: virsh migrate --postcopy-resume",
    ),
    Paused.CRASHED: Condition(
        Power.CRASHED,
        problem="its guest system crashed and is kept for diagnosis",
        hint="on the host: virsh destroy NAME; then retry",
    ),
}
_PAUSED_BY_SOMEBODY = Condition(Power.PAUSED, problem="paused", hint=_RESUME)
_STATES: Mapping[int, Condition] = {
    State.RUNNING: Condition(Power.RUNNING),
    State.BLOCKED: Condition(Power.RUNNING),
    State.SHUTDOWN: Condition(Power.PAUSED, lock="shutting down"),
    State.SHUTOFF: Condition(Power.OFF),
    State.CRASHED: _PAUSED[Paused.CRASHED],
    State.SUSPENDED: Condition(
        Power.PAUSED,
        problem="suspended to memory",
        hint="on the host: virsh dompmwakeup NAME",
    ),
}
_EVENTS: Mapping[int, Condition] = {
    Lifecycle.STARTED: Condition(Power.RUNNING),
    Lifecycle.RESUMED: Condition(Power.RUNNING),
    Lifecycle.SUSPENDED: Condition(Power.PAUSED),
    Lifecycle.STOPPED: Condition(Power.OFF),
    Lifecycle.SHUTDOWN: _STATES[State.SHUTDOWN],
    Lifecycle.SUSPENDED_TO_MEMORY: _STATES[State.SUSPENDED],
    Lifecycle.CRASHED: _PAUSED[Paused.CRASHED],
}


def condition_of(state: int, reason: int) -> Condition:
    """Return what libvirt's *state* and *reason* mean."""
    if state == State.PAUSED:
        return _PAUSED.get(reason, _PAUSED_BY_SOMEBODY)
    return _STATES.get(state, Condition(Power.UNKNOWN))


def condition_after(event: int, detail: int) -> Condition | None:
    """Return what a lifecycle event tells, or None when it tells nothing about power.

    A pause may be a passing one (a snapshot): only a survey says whether it is a problem.
    """
    if event == Lifecycle.SUSPENDED and detail == SUSPENDED_BY_IO_ERROR:
        return _IO_ERROR
    return _EVENTS.get(event)


def sighting(name: str, statistics: Mapping[str, Any], *, host: str, autostart: bool) -> Sighting:
    """Read one machine from libvirt's bulk statistics."""
    memory = statistics.get("balloon.maximum")
    base = Sighting(
        machine=name,
        name=name,
        power=Power.UNKNOWN,
        host=host,
        memory=memory * _KIB if isinstance(memory, int) else None,
        autostart=AUTOSTART if autostart else None,
    )
    state, reason = statistics.get("state.state", 0), statistics.get("state.reason", 0)
    return under(base, condition_of(state, reason))


def under(base: Sighting, condition: Condition) -> Sighting:
    """Return *base* with what *condition* says."""
    return replace(
        base,
        power=condition.power,
        lock=condition.lock,
        problem=condition.problem,
        hint=condition.hint.replace("NAME", base.name),
    )


def host_sighting(name: str, memory: Mapping[str, int]) -> HostSighting:
    """Read a host from libvirt's memory statistics (KiB); caches count as free."""
    total = memory.get("total")
    free = memory.get("free")
    if free is not None:
        free += memory.get("buffers", 0) + memory.get("cached", 0)
    return HostSighting(
        name=name,
        online=True,
        memory_total=None if total is None else total * _KIB,
        memory_free=None if free is None else free * _KIB,
    )


def as_uuid(machine: str) -> str | None:
    """Return *machine* as libvirt writes a UUID, or None when it is none."""
    try:
        return str(uuid.UUID(machine))
    except ValueError:
        return None


class MachinesByName(Mapping[str, Sighting]):
    """Sightings by domain name; a UUID finds the same machine but is not listed again."""

    def __init__(self, by_name: Mapping[str, Sighting], names: Mapping[str, str]) -> None:
        self._by_name = by_name
        self._names = names

    @override
    def __getitem__(self, machine: str) -> Sighting:
        if machine in self._by_name:
            return self._by_name[machine]
        return self._by_name[self._names[as_uuid(machine) or ""]]

    @override
    def __iter__(self) -> Iterator[str]:
        return iter(self._by_name)

    @override
    def __len__(self) -> int:
        return len(self._by_name)

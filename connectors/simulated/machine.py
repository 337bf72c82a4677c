"""What the simulated world is made of: machines, tasks, and the log of orders."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum

from connectors.simulated.faults import MachineFault
from connectors.simulated.fleet import MachineSpec


class State(StrEnum):
    STOPPED = "stopped"
    STARTING = "starting"
    RUNNING = "running"


class Action(StrEnum):
    START = "start"
    STOP = "stop"
    SHUTDOWN = "shutdown"


class Result(StrEnum):
    """What became of an order on arrival; ``ERROR`` was injected, nothing was done."""

    ACCEPTED = "accepted"
    REFUSED = "refused"
    ERROR = "error"


class TaskStatus(StrEnum):
    ACTIVE = "active"
    DONE = "done"
    FAILED = "failed"


@dataclass(slots=True)
class Task:
    """An accepted order under way; ``at`` and ``ended`` are seconds since the epoch."""

    id: str
    machine: Machine
    action: Action
    at: float
    status: TaskStatus = TaskStatus.ACTIVE
    detail: str = ""
    ended: float | None = None

    def document(self) -> dict[str, object]:
        return {
            "task": self.id,
            "machine": self.machine.spec.label,
            "action": self.action,
            "at": rfc3339(self.at),
            "status": self.status,
            "detail": self.detail,
            "ended": None if self.ended is None else rfc3339(self.ended),
        }


@dataclass(slots=True)
class LogEntry:
    """One order as it was received. ``already`` says it asked for what was there before."""

    seq: int
    at: float
    machine: int | str
    action: Action
    result: Result
    reason: str = ""
    already: bool = False
    reply_lost: bool = False
    task: Task | None = None

    def document(self) -> dict[str, object]:
        return {
            "seq": self.seq,
            "at": rfc3339(self.at),
            "machine": self.machine,
            "action": self.action,
            "result": self.result,
            "reason": self.reason,
            "already": self.already,
            "reply_lost": self.reply_lost,
            "task": self.task.id if self.task else None,
        }


@dataclass(slots=True, eq=False)
class Host:
    """``used`` is the memory in bytes of the machines that start or run here."""

    name: str
    memory: int | None
    used: int = 0

    def document(self) -> dict[str, object]:
        free = None if self.memory is None else self.memory - self.used
        return {"name": self.name, "online": True, "memory": self.memory, "memory_free": free}


@dataclass(slots=True, eq=False)
class Machine:
    """One machine now.

    ``app_up`` is the application's own start; it is ``well`` when that is done and nothing it
    needs is unwell (``lacking`` counts those). ``timer`` is what happens to it next.
    """

    spec: MachineSpec
    host: Host
    state: State = State.STOPPED
    app_up: bool = False
    well: bool = False
    lacking: int = 0
    needed_by: list[Machine] = field(default_factory=list)
    fate: MachineFault | None = None
    task: Task | None = None
    stopping: Task | None = None
    timer: asyncio.Handle | None = None
    boots: int = 0
    problem: str = ""

    def document(self) -> dict[str, object]:
        spec = self.spec
        return {
            "id": spec.label,
            "name": spec.name,
            "host": self.host.name,
            "state": self.state,
            "well": self.well,
            "memory": spec.memory,
            "agent": spec.agent,
            "port": spec.port,
            "boots": self.boots,
            "problem": self.problem,
        }


def rfc3339(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="microseconds")[:-6] + "Z"

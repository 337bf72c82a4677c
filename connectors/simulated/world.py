"""The simulated world: what happens to its machines, without any network and any thread.

An application is well when its own start is done (``app`` simulated seconds after its machine
ran, whatever it needs) and everything it needs is well. It becomes unwell at the very moment
something it needs, directly or not, does; and well again at the very moment that is well again.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TypeAlias

from connectors.simulated.boots import BootQueue
from connectors.simulated.faults import Faults, MachineFault
from connectors.simulated.fleet import Fleet
from connectors.simulated.machine import (
    Action,
    Host,
    LogEntry,
    Machine,
    Result,
    State,
    Task,
    TaskStatus,
)
from connectors.simulated.quantities import readable

Witness: TypeAlias = Callable[[Machine], None]

_FAILING_START = 1.0
"""Simulated seconds after which a start that fails does so, if it would not boot faster."""
_CRASH_AFTER = 2.0
"""Simulated seconds for which a machine runs that crashes after its boot."""


class World:
    """All machines of one fleet, in the running loop.

    ``clock`` gives monotonic seconds and has to advance as the loop's timers do; ``now`` is
    the wall clock at this moment. Orders never block and never raise: the log entry that they
    return is the answer. Nothing outlives the process.
    """

    def __init__(
        self,
        fleet: Fleet,
        *,
        clock: Callable[[], float] | None = None,
        now: datetime | None = None,
        chance: random.Random | None = None,
    ) -> None:
        self.fleet = fleet
        self.clock = clock or asyncio.get_running_loop().time
        self.faults = Faults(chance or random.Random())  # noqa: S311 (no secret)
        self.log: list[LogEntry] = []
        self.tasks: dict[str, Task] = {}
        self.counts = dict.fromkeys(State, 0)
        self._epoch = now.timestamp() - self.clock() if now is not None else _epoch(self.clock)
        self._witnesses: list[Witness] = []
        self._tasks_of: dict[str, list[Task]] = {}
        self.hosts = {host.name: Host(host.name, host.memory) for host in fleet.hosts}
        self._boots = {
            host.name: BootQueue(host.boot_slots, fleet.time_scale, self.clock, self._runs)
            for host in fleet.hosts
        }
        self.machines = {m.id: Machine(m, self.hosts[m.host]) for m in fleet.machines}
        self.counts[State.STOPPED] = len(self.machines)
        self._connect_needs()

    def wall(self) -> float:
        """Return the time in seconds since the epoch; never goes backwards."""
        return self._epoch + self.clock()

    def witness(self, witness: Witness) -> Callable[[], None]:
        """Call *witness* at once with each machine that changed; return the way to stop it."""
        self._witnesses.append(witness)
        return lambda: self._witnesses.remove(witness) if witness in self._witnesses else None

    def tasks_of(self, machine: str) -> list[Task]:
        """Return the tasks of *machine*, oldest first."""
        return self._tasks_of.get(machine, [])

    def order(self, machine: str, action: Action, *, reply_lost: bool = False) -> LogEntry:
        """Receive an order: carry it out or refuse it, and log it either way."""
        found = self.machines.get(machine)
        if found is None:
            return self._logged(machine, action, Result.REFUSED, f"no machine {machine}")
        reason = _refusal(found, action)
        if reason:
            already = reason.startswith("already")
            entry = self._logged(found.spec.label, action, Result.REFUSED, reason, already=already)
        else:
            entry = self._logged(found.spec.label, action, Result.ACCEPTED)
            entry.task = self._begun(found, action)
            self._carry_out(found, action, entry.task)
        entry.reply_lost = reply_lost
        return entry

    def turn_away(self, machine: str, action: Action, reason: str) -> LogEntry:
        """Receive an order and do nothing about it, as an injected fault wants it."""
        found = self.machines.get(machine)
        return self._logged(found.spec.label if found else machine, action, Result.ERROR, reason)

    def clear_faults(self) -> None:
        """Forget all faults, and let applications get well that never would have.

        A machine that hangs goes on hanging until it is stopped.
        """
        self.faults.clear()
        for machine in self.machines.values():
            if machine.fate is MachineFault.APP_NEVER:
                machine.fate = None
                if machine.state is State.RUNNING and machine.stopping is None:
                    self._start_app(machine)

    def close(self) -> None:
        """Let nothing more happen."""
        for queue in self._boots.values():
            queue.close()
        for machine in self.machines.values():
            _disarm(machine)

    def _connect_needs(self) -> None:
        for machine in self.machines.values():
            needs = set(machine.spec.needs)
            machine.lacking = len(needs)
            for need in needs:
                self.machines[need].needed_by.append(machine)

    def _logged(
        self,
        machine: int | str,
        action: Action,
        result: Result,
        reason: str = "",
        *,
        already: bool = False,
    ) -> LogEntry:
        seq = len(self.log) + 1
        entry = LogEntry(seq, self.wall(), machine, action, result, reason, already)
        self.log.append(entry)
        return entry

    def _begun(self, machine: Machine, action: Action) -> Task:
        task = Task(f"{action}-{len(self.tasks) + 1}", machine, action, self.log[-1].at)
        self.tasks[task.id] = task
        self._tasks_of.setdefault(machine.spec.id, []).append(task)
        return task

    def _carry_out(self, machine: Machine, action: Action, task: Task) -> None:
        match action:
            case Action.START:
                self._boot(machine, task)
            case Action.STOP:
                self._off(machine, "stopped by an order")
                self._end(task, TaskStatus.DONE)
            case Action.SHUTDOWN:
                machine.stopping = task
                machine.app_up = False
                self._judge(machine)
                self._after(machine, machine.spec.shutdown, self._shut_down)

    def _boot(self, machine: Machine, task: Task) -> None:
        machine.task = task
        machine.boots += 1
        machine.host.used += machine.spec.memory
        machine.fate = self.faults.take(machine.spec.id)
        self._change(machine, State.STARTING)
        match machine.fate:
            case MachineFault.START_FAILS:
                self._after(machine, min(machine.spec.boot, _FAILING_START), self._start_fails)
            case MachineFault.HANGS:
                return
            case _ if machine.spec.boot > 0:
                self._boots[machine.host.name].add(machine, machine.spec.boot)
            case _:
                self._after(machine, 0, self._runs)

    def _start_fails(self, machine: Machine) -> None:
        self._off(machine, "start failed: injected fault start_fails")

    def _runs(self, machine: Machine) -> None:
        machine.timer = None
        task, machine.task = machine.task, None
        if task is not None:
            self._end(task, TaskStatus.DONE)
        self._change(machine, State.RUNNING)
        match machine.fate:
            case MachineFault.CRASH_AFTER_BOOT:
                self._after(machine, _CRASH_AFTER, self._crash)
            case MachineFault.APP_NEVER:
                return
            case _:
                self._start_app(machine)

    def _start_app(self, machine: Machine) -> None:
        if machine.spec.app > 0:
            self._after(machine, machine.spec.app, self._app_is_up)
        else:
            self._app_is_up(machine)

    def _app_is_up(self, machine: Machine) -> None:
        machine.timer = None
        machine.app_up = True
        self._judge(machine)

    def _crash(self, machine: Machine) -> None:
        self._off(machine, "crashed: injected fault crash_after_boot")

    def _shut_down(self, machine: Machine) -> None:
        self._off(machine, "shut down")

    def _off(self, machine: Machine, reason: str) -> None:
        """Power *machine* off now; a start or a shutdown that is under way ends here."""
        self._boots[machine.host.name].remove(machine)
        _disarm(machine)
        machine.host.used -= machine.spec.memory
        machine.app_up, machine.fate = False, None
        for task in (machine.task, machine.stopping):
            if task is not None:
                status = TaskStatus.FAILED if task.action is Action.START else TaskStatus.DONE
                self._end(task, status, reason)
        machine.task = machine.stopping = None
        self._change(machine, State.STOPPED)
        self._judge(machine)

    def _end(self, task: Task, status: TaskStatus, detail: str = "") -> None:
        task.status, task.detail, task.ended = status, detail, self.wall()

    def _change(self, machine: Machine, state: State) -> None:
        self.counts[machine.state] -= 1
        self.counts[state] += 1
        machine.state = state
        self._tell(machine)

    def _judge(self, machine: Machine) -> None:
        """Find out anew whether *machine* is well, and who is because of it."""
        waiting = [machine]
        while waiting:
            judged = waiting.pop()
            well = judged.app_up and not judged.lacking
            if well is judged.well:
                continue
            judged.well = well
            self._tell(judged)
            for other in judged.needed_by:
                other.lacking += -1 if well else 1
                waiting.append(other)

    def _tell(self, machine: Machine) -> None:
        for witness in tuple(self._witnesses):
            witness(machine)

    def _after(self, machine: Machine, simulated: float, then: Witness) -> None:
        _disarm(machine)
        loop = asyncio.get_running_loop()
        if simulated > 0:
            machine.timer = loop.call_later(simulated / self.fleet.time_scale, then, machine)
        else:
            machine.timer = loop.call_soon(then, machine)


def _refusal(machine: Machine, action: Action) -> str:
    """Return why *machine* refuses *action* now; nothing if it does not."""
    match action, machine.state:
        case (Action.START, State.STOPPED):
            return _no_room(machine)
        case (Action.START, state):
            return f"already {state}"
        case (Action.STOP | Action.SHUTDOWN, State.STOPPED):
            return "already stopped"
        case (Action.SHUTDOWN, State.STARTING):
            return "still starting: no system is there to shut down"
        case (Action.SHUTDOWN, _) if machine.stopping:
            return "already shutting down"
    return ""


def _no_room(machine: Machine) -> str:
    host, wanted = machine.host, machine.spec.memory
    if host.memory is None or host.used + wanted <= host.memory:
        return ""
    free = readable(host.memory - host.used)
    return f"not enough memory on {host.name}: it needs {readable(wanted)} and {free} is free"


def _disarm(machine: Machine) -> None:
    if machine.timer is not None:
        machine.timer.cancel()
        machine.timer = None


def _epoch(clock: Callable[[], float]) -> float:
    """Return the wall clock's time at *clock*'s zero.

    A process that is put aside between the two readings would be late for ever, and an order
    would seem older than whoever gave it: of several readings the latest is the least late.
    """
    return max(datetime.now(UTC).timestamp() - clock() for _ in range(5))

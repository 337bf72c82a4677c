"""The connector to a simulated world in this very process: exact, cheap, and in any time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Sequence
from datetime import datetime

from connectors.simulated import errors, reading
from connectors.simulated.faults import Disturbance
from connectors.simulated.machine import Action, Machine
from connectors.simulated.world import World
from drorch.ports.connector import (
    AgentAnswer,
    Capabilities,
    Estate,
    Finding,
    Order,
    OrderStatus,
    Outcome,
    Permit,
    Sighting,
    Survey,
    Watcher,
)

_HERE = "in-process"


class InProcessConnector:
    """A world without a network between; pushes changes, at most once a turn of the loop.

    The faults of the world's API disturb it as they do the process. ``unreachable`` set to
    True makes every call fail as if the network were down; machines live on.
    """

    def __init__(self, name: str, world: World, *, timeout: float = 10.0) -> None:
        self.name = name
        self.world = world
        self.unreachable = False
        self._timeout = timeout
        self._watchers: list[Watcher] = []
        self._changed: dict[Machine, None] = {}
        self._ignore: Callable[[], None] | None = None
        self._capabilities = Capabilities(events=True, agent=True, restart=True, survey_every=0.5)

    @property
    def capabilities(self) -> Capabilities:
        return self._capabilities

    async def open(self) -> None:
        if self._ignore is None:
            self._ignore = self.world.witness(self._noticed)

    async def close(self) -> None:
        """Push nothing more; the world goes on."""
        if self._ignore is not None:
            self._ignore()
            self._ignore = None
        self._changed.clear()

    async def identify(self) -> Estate:
        await self._reach()
        identity = f"simulated:{self.world.fleet.digest[:16]}:{_HERE}"
        return Estate(identity=identity, product="drorch simulated hypervisor", version="1")

    async def survey(self) -> Survey:
        await self._reach()
        hosts = self.world.hosts.items()
        return Survey(
            machines={i: reading.sighting_of(m) for i, m in self.world.machines.items()},
            hosts={name: reading.host_sighting_of(host) for name, host in hosts},
        )

    async def look(self, machine: str) -> Sighting:
        await self._reach()
        return reading.sighting_of(self._machine(machine))

    async def start(self, machine: str, *, permit: Permit) -> Order:
        return await self._order(machine, Action.START, permit)

    async def stop(self, machine: str, *, permit: Permit) -> Order:
        return await self._order(machine, Action.STOP, permit)

    async def outcome(self, order: Order, machine: str) -> Outcome:
        await self._reach()
        task = self.world.tasks.get(order.handle)
        if task is None or task.machine.spec.id != machine:
            return Outcome(status=OrderStatus.UNKNOWN, detail="the simulator knows no such task")
        return reading.outcome(task.status, task.detail)

    async def find_order(self, machine: str, since: datetime) -> Order | None:
        await self._reach()
        earliest = since.timestamp()
        for task in reversed(self.world.tasks_of(machine)):
            if task.at >= earliest and task.action is Action.START:
                return Order(handle=task.id)
        return None

    async def ping_agent(self, machine: str) -> AgentAnswer:
        await self._reach()
        return reading.agent_answer(self._machine(machine))

    async def examine(self, machines: Collection[str]) -> Sequence[Finding]:
        return list(reading.examined(await self.survey(), machines))

    def subscribe(self, watcher: Watcher) -> Callable[[], None]:
        self._watchers.append(watcher)
        return lambda: self._watchers.remove(watcher) if watcher in self._watchers else None

    def _machine(self, machine: str) -> Machine:
        found = self.world.machines.get(machine)
        if found is None:
            raise errors.no_machine(machine)
        return found

    async def _order(self, machine: str, action: Action, permit: Permit) -> Order:
        disturbance = await self._arrive()
        permit()
        match disturbance:
            case Disturbance.ERROR:
                self.world.turn_away(machine, action, "injected fault error_rate")
                raise errors.nothing_done(machine)
            case Disturbance.TIMEOUT:
                self.world.turn_away(machine, action, "injected fault timeout_rate")
                await asyncio.sleep(self._timeout)
                raise errors.outcome_unknown(machine, "injected fault timeout_rate")
            case Disturbance.REPLY_LOST:
                self.world.order(machine, action, reply_lost=True)
                raise errors.outcome_unknown(machine, "injected fault reply_lost_rate")
        entry = self.world.order(machine, action)
        if entry.task is not None:
            return Order(handle=entry.task.id)
        self._machine(machine)
        if entry.already:
            return Order(already=True)
        raise errors.refused(machine, entry.reason)

    async def _reach(self) -> None:
        """Pass the network with a reading, or raise what becomes of it there."""
        disturbance = await self._arrive()
        if disturbance is Disturbance.NONE:
            return
        if disturbance is Disturbance.TIMEOUT:
            await asyncio.sleep(self._timeout)
        raise errors.reading_failed(_HERE, f"injected fault {disturbance}")

    async def _arrive(self) -> Disturbance:
        if self.unreachable:
            raise errors.reading_failed(_HERE, "the network is down")
        if self.world.fleet.latency:
            await asyncio.sleep(self.world.fleet.latency)
        return self.world.faults.disturb()

    def _noticed(self, machine: Machine) -> None:
        if not self._watchers:
            return
        if not self._changed:
            asyncio.get_running_loop().call_soon(self._push)
        self._changed[machine] = None

    def _push(self) -> None:
        changed, self._changed = list(map(reading.sighting_of, self._changed)), {}
        for watcher in tuple(self._watchers) if changed else ():
            watcher(changed)

"""Hypervisors, and what one process sees of them: lines that are slow, lose answers, or are cut.

A line differs from a real one in one thing: nothing can stop a process between its last look at
its permit and the first byte that leaves. No lease closes that gap; the hypervisor's refusal of a
second start does.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from datetime import datetime
from typing import TypeVar

from connectors.simulated import errors, reading
from connectors.simulated.faults import Disturbance
from connectors.simulated.fleet import Fleet
from connectors.simulated.machine import Action, LogEntry, Machine, State
from connectors.simulated.world import World
from drorch.engine.virtual import VirtualClock
from drorch.errors import HostUnavailableError
from drorch.model.plan import CheckSpec, MachineRef
from drorch.ports.check import CheckResult, Verdict
from drorch.ports.connector import (
    AgentAnswer,
    Capabilities,
    Estate,
    Finding,
    HostSighting,
    Order,
    OrderStatus,
    Outcome,
    Permit,
    Power,
    Sighting,
    Survey,
    Watcher,
)
from tests.fakes.script import T0
from tests.simulation.journal import Desk
from tests.simulation.processes import Process
from tests.simulation.witness import Probed, Sent, Truth, Witness

T = TypeVar("T")


class Site:
    """One estate as it really is."""

    def __init__(self, name: str, fleet: Fleet, chance: random.Random, witness: Witness) -> None:
        self.name = name
        self.world = World(fleet, now=T0, chance=chance)
        self.down = False
        self.dark: set[str] = set()
        self.latency = fleet.latency
        self.chance = chance
        self.events = chance.random() < 0.5
        self.witness = witness
        self.lines: list[Line] = []
        self.orders = 0
        self.misfortunes: dict[int, Disturbance] = {}
        self.rivals: set[int] = set()
        self.world.witness(self._changed)

    def _changed(self, machine: Machine) -> None:
        truth = Truth(self.world.clock(), machine.state, machine.well)
        self.witness.truths.setdefault((self.name, machine.spec.id), []).append(truth)
        for line in self.lines:
            line.noticed(machine)

    def sighting(self, machine: Machine) -> Sighting:
        seen = reading.sighting_of(machine)
        return replace(seen, power=Power.UNKNOWN) if seen.host in self.dark else seen

    def survey(self) -> Survey:
        machines = {name: self.sighting(m) for name, m in self.world.machines.items()}
        hosts = {
            name: HostSighting(name=name, online=name not in self.dark) for name in self.world.hosts
        }
        return Survey(machines=machines, hosts=hosts)

    def disturbance(self) -> Disturbance:
        """Return what happens to the order that leaves now."""
        self.orders += 1
        fated = self.misfortunes.get(self.orders)
        return self.world.faults.disturb() if fated is None else fated

    def power_off(self, machine: str, why: str) -> None:
        """Not an order: it dies."""
        found = self.world.machines[machine]
        if found.state is not State.STOPPED:
            self.world._off(found, why)

    def host_dies(self, host: str) -> None:
        self.dark.add(host)
        for name, machine in self.world.machines.items():
            if machine.host.name == host:
                self.power_off(name, "its host died")


class Line:
    """The connector of one process to one estate."""

    def __init__(
        self, site: Site, process: Process, desk: Desk, number: dict[tuple[str, str], int]
    ) -> None:
        self.name = site.name
        self.capabilities = Capabilities(
            events=site.events, agent=True, restart=True, survey_every=0.5
        )
        self._site = site
        self._process = process
        self._desk = desk
        self._number = number
        self._watchers: list[Watcher] = []
        self._changed: dict[Machine, None] = {}
        site.lines.append(self)

    async def open(self) -> None:
        """Nothing has to be prepared."""

    async def close(self) -> None:
        """Nothing has to be let go."""

    async def identify(self) -> Estate:
        await self._ask(lambda: None)
        return Estate(identity=f"estate:{self.name}", product="imagined", version="1")

    async def survey(self) -> Survey:
        seen = await self._ask(self._site.survey)
        self._note(seen.machines.values())
        return seen

    async def look(self, machine: str) -> Sighting:
        seen = await self._ask(lambda: self._site.sighting(self._site.world.machines[machine]))
        self._note([seen])
        return seen

    async def start(self, machine: str, *, permit: Permit) -> Order:
        entry = await self._order(machine, Action.START, permit)
        return self._answer(machine, entry)

    async def stop(self, machine: str, *, permit: Permit) -> Order:
        entry = await self._order(machine, Action.STOP, permit)
        return self._answer(machine, entry)

    async def outcome(self, order: Order, machine: str) -> Outcome:
        def ask() -> Outcome:
            task = self._site.world.tasks.get(order.handle)
            if task is None or task.machine.spec.id != machine:
                return Outcome(status=OrderStatus.UNKNOWN, detail="there is no such task")
            return reading.outcome(task.status, task.detail)

        return await self._ask(ask)

    async def find_order(self, machine: str, since: datetime) -> Order | None:
        # A real connector allows for clocks that differ; this one knows by how much.
        earliest = since.timestamp() - self._process.skew

        def search() -> Order | None:
            for task in reversed(self._site.world.tasks_of(machine)):
                if task.at >= earliest and task.action is Action.START:
                    return Order(handle=task.id)
            return None

        return await self._ask(search)

    async def ping_agent(self, machine: str) -> AgentAnswer:
        return await self._ask(lambda: reading.agent_answer(self._site.world.machines[machine]))

    async def examine(self, machines: Collection[str]) -> Sequence[Finding]:
        return []

    def subscribe(self, watcher: Watcher) -> Callable[[], None]:
        if self.capabilities.events:
            self._watchers.append(watcher)
        return lambda: self._watchers.remove(watcher) if watcher in self._watchers else None

    def noticed(self, machine: Machine) -> None:
        """Push a change into the process, unless nobody can hear it there."""
        if not self._watchers or self._is_cut() or not self._process.alive:
            return
        if not self._changed:
            self._process.soon(self._push)
        self._changed[machine] = None

    def _push(self) -> None:
        changed, self._changed = [self._site.sighting(m) for m in self._changed], {}
        self._note(changed)
        for watcher in tuple(self._watchers):
            watcher(changed)

    def _note(self, seen: Collection[Sighting]) -> None:
        """Remember what this process was told last of each machine."""
        now = self._site.world.clock()
        for one in seen:
            key = (self._process.name, self.name, one.machine)
            told = self._site.witness.seen.setdefault(key, [])
            if not told or told[-1][1] != one.power:
                told.append((now, one.power))

    def _is_cut(self) -> bool:
        return self._site.down or self._process.network_cut

    def _connect(self) -> None:
        if self._process.over:
            raise asyncio.CancelledError
        if self._is_cut():
            raise errors.reading_failed(self.name, "the network is down")

    def _hop(self) -> float:
        return self._site.latency * self._site.chance.random()

    async def _ask(self, what: Callable[[], T]) -> T:
        self._connect()
        disturbance = self._site.world.faults.disturb()
        if disturbance is not Disturbance.NONE:
            self._site.witness.counts[f"reading {disturbance}"] += 1
            await asyncio.sleep(5.0 if disturbance is Disturbance.TIMEOUT else self._hop())
            raise errors.reading_failed(self.name, f"injected fault {disturbance}")
        answer = await self._process.across(what, there=self._hop(), back=self._hop())
        self._connect()
        return answer

    async def _order(self, machine: str, action: Action, permit: Permit) -> LogEntry:
        self._connect()
        await asyncio.sleep(self._hop())  # pacing, a free connection, an endpoint that answers
        self._connect()
        host = self._site.world.machines[machine].host.name
        if host in self._site.dark:
            raise HostUnavailableError(f"node {host} does not answer", host=host)
        permit()
        sent = self._stamp(machine, action)
        disturbance = self._site.disturbance()
        rival = self._site.orders in self._site.rivals and action is Action.START
        entry = await self._process.across(
            lambda: self._receive(sent, disturbance, rival=rival),
            there=self._hop(),
            back=self._hop(),
        )
        if disturbance is Disturbance.ERROR:
            raise errors.nothing_done(machine)
        if disturbance is not Disturbance.NONE or self._is_cut():
            await asyncio.sleep(3.0)
            raise errors.outcome_unknown(machine, "no answer")
        return entry

    def _receive(self, sent: Sent, disturbance: Disturbance, *, rival: bool) -> LogEntry:
        world = self._site.world
        if rival:
            world.order(sent.machine, Action.START)
        if disturbance in (Disturbance.ERROR, Disturbance.TIMEOUT):
            sent.entry = world.turn_away(sent.machine, sent.action, f"injected {disturbance}")
        else:
            lost = disturbance is Disturbance.REPLY_LOST
            sent.entry = world.order(sent.machine, sent.action, reply_lost=lost)
        if disturbance is not Disturbance.NONE:
            self._site.witness.counts[f"order {disturbance}"] += 1
        return sent.entry

    def _answer(self, machine: str, entry: LogEntry) -> Order:
        if entry.task is not None:
            return Order(handle=entry.task.id)
        if entry.already:
            return Order(already=True)
        raise errors.refused(machine, entry.reason)

    def _stamp(self, machine: str, action: Action) -> Sent:
        desk, disk = self._desk, self._desk.disk
        known = min(desk.known, len(disk.events))
        wanted, attempt = disk.effect_at(self._number[self.name, machine], known)
        sent = Sent(
            at=self._site.world.clock(),
            connector=self.name,
            machine=machine,
            action=action,
            process=self._process.name,
            epoch=desk.epoch,
            entitled=entitled(desk),
            wanted=wanted,
            attempt=attempt,
            known=known,
            held_since=disk.held_since.get((self.name, machine)),
        )
        self._site.witness.sent.append(sent)
        return sent


def entitled(desk: Desk) -> str:
    """Return why the process must not act at this moment, by the table of leases itself."""
    owner = desk.disk.owner
    if owner.epoch != desk.epoch or owner.holder is not desk.process:
        return f"epoch {owner.epoch} owns the run, not {desk.epoch}"
    if owner.until <= asyncio.get_running_loop().time():
        return f"its lease has ended at {owner.until:.2f} s"
    return ""


class Weather:
    """Which checks lie low now: name of a check to the answers that it gives."""

    def __init__(self) -> None:
        self.flapping: dict[str, float] = {}

    def fair(self, check: str) -> bool:
        return self.flapping.get(check, 0.0) == 0.0


class Probes:
    """The checks of one process; they tell the truth at the moment at which they arrive."""

    def __init__(
        self, sites: dict[str, Site], process: Process, weather: Weather, witness: Witness
    ) -> None:
        self._sites = sites
        self._process = process
        self._weather = weather
        self._witness = witness

    async def probe(self, check: CheckSpec, machine: MachineRef | None) -> CheckResult:
        chance = next(iter(self._sites.values())).chance
        hop = 0.02 * chance.random()

        def ask() -> bool:
            flaps = self._weather.flapping.get(check.name, 0.0)
            well = machine is None or self._well(machine)
            return well and (flaps == 0.0 or chance.random() > flaps)

        if self._process.over:
            raise asyncio.CancelledError
        well = await self._process.across(ask, there=hop, back=hop)
        now = asyncio.get_running_loop().time()
        self._witness.probes.append(Probed(now, self._process.name, check.name, well))
        verdict = Verdict.HEALTHY if well else Verdict.UNWELL
        return CheckResult(verdict=verdict, evidence="200" if well else "503")

    def _well(self, machine: MachineRef) -> bool:
        machines = self._sites[machine.connector].world.machines
        if machine.id is not None:
            return machines[machine.id].well
        return any(m.well for m in machines.values() if m.spec.name == machine.name)


def clock(process: Process) -> VirtualClock:
    """Return the wall clock of *process*, which may be wrong."""
    return VirtualClock(T0) if not process.skew else _Skewed(process.skew)


class _Skewed(VirtualClock):
    def __init__(self, skew: float) -> None:
        super().__init__(datetime.fromtimestamp(T0.timestamp() + skew, T0.tzinfo))

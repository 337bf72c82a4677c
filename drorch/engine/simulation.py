"""A run in virtual time against estates that behave as the plan expects: nothing is contacted.

The engine is the real one. Only its world is imagined: each machine runs after its ``expect``,
and every check of a machine that runs holds.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime

from drorch.engine.executor import Executor
from drorch.engine.virtual import VirtualClock, run_virtually
from drorch.engine.watch import EstateWatch
from drorch.engine.world import HoldGuard, World
from drorch.journal.memory import MemoryJournal
from drorch.model.plan import CheckSpec, MachineRef, Plan, Step
from drorch.ports.callout import CalloutResult
from drorch.ports.check import CheckResult, Verdict
from drorch.ports.connector import (
    AgentAnswer,
    Capabilities,
    Estate,
    Finding,
    Order,
    OrderStatus,
    Outcome,
    Permit,
    Power,
    Sighting,
    Survey,
    Watcher,
)
from drorch.run.events import Event, RunRequested
from drorch.run.state import RunState


class ImaginedEstate:
    """A connector whose machines are all off and boot in the time that the plan expects."""

    capabilities = Capabilities(events=True, agent=True)

    def __init__(self, name: str, boots: Mapping[str, float]) -> None:
        self.name = name
        self._boots = boots
        self._power = dict.fromkeys(boots, Power.OFF)
        self._watchers: list[Watcher] = []

    async def open(self) -> None:
        return None

    async def close(self) -> None:
        return None

    async def identify(self) -> Estate:
        return Estate(identity=f"imagined:{self.name}", product="simulation", version="1")

    async def survey(self) -> Survey:
        return Survey(machines={machine: self._sighting(machine) for machine in self._power})

    async def look(self, machine: str) -> Sighting:
        return self._sighting(machine)

    async def start(self, machine: str, *, permit: Permit) -> Order:
        permit()
        self._power[machine] = Power.STARTING
        loop = asyncio.get_running_loop()
        loop.call_later(self._boots[machine], self._set, machine, Power.RUNNING)
        return Order()

    async def stop(self, machine: str, *, permit: Permit) -> Order:
        permit()
        self._set(machine, Power.OFF)
        return Order()

    async def outcome(self, order: Order, machine: str) -> Outcome:
        del order, machine
        return Outcome(status=OrderStatus.ACTIVE)

    async def find_order(self, machine: str, since: datetime) -> Order | None:
        del machine, since
        return None

    async def ping_agent(self, machine: str) -> AgentAnswer:
        running = self._power[machine] is Power.RUNNING
        return AgentAnswer(healthy=running, evidence="imagined")

    async def examine(self, machines: Collection[str]) -> Sequence[Finding]:
        del machines
        return ()

    def subscribe(self, watcher: Watcher) -> Callable[[], None]:
        self._watchers.append(watcher)
        return lambda: self._watchers.remove(watcher)

    def _set(self, machine: str, power: Power) -> None:
        self._power[machine] = power
        for watcher in self._watchers:
            watcher((self._sighting(machine),))

    def _sighting(self, machine: str) -> Sighting:
        return Sighting(machine=machine, name=machine, power=self._power[machine])


class ImaginedProber:
    """A check holds when what is left of ``expect`` after the boot is over.

    Gates and questions are verified at once: nothing boots behind them.
    """

    def __init__(self, plan: Plan | None = None) -> None:
        self._left: dict[str, float] = {}
        self._asked: dict[str, float] = {}
        for step in plan.steps if plan else ():
            if step.machine is not None:
                stable = max((c.stable.total_seconds() for c in step.verify if c.stable), default=0)
                left = step.expect.total_seconds() - stable - _boot(step)
                self._left[_key(step.machine)] = min(
                    max(0.0, left), step.verify_timeout.total_seconds() * 0.9 - stable
                )

    async def probe(self, check: CheckSpec, machine: MachineRef | None) -> CheckResult:
        del check
        now = asyncio.get_running_loop().time()
        key = _key(machine) if machine else ""
        well = now - self._asked.setdefault(key, now) >= self._left.get(key, 0.0)
        verdict = Verdict.HEALTHY if well else Verdict.UNWELL
        return CheckResult(verdict=verdict, evidence="imagined")


def _key(machine: MachineRef) -> str:
    return f"{machine.connector}/{machine.id or machine.name}"


class ImaginedCallouts:
    def knows(self, name: str) -> bool:
        del name
        return True

    def repeatable(self, name: str) -> bool:
        del name
        return True

    async def call(self, name: str, arguments: Mapping[str, str]) -> CalloutResult:
        del name, arguments
        return CalloutResult(ok=True, evidence="imagined")


class SimulationStoppedError(Exception):
    """Nobody wants to know any more how this simulation ends."""


def simulate(request: RunRequested, stop: threading.Event | None = None) -> tuple[Event, ...]:
    """Return the whole journal of a simulated run, from *request* to its end.

    Call it outside any running event loop, for instance in a thread; once *stop* is set it
    breaks off with an error.
    """
    return run_virtually(_simulate(request, stop or threading.Event()))


async def _simulate(request: RunRequested, stop: threading.Event) -> tuple[Event, ...]:
    journal = MemoryJournal()
    journal.create(request.run, (request,))
    estates = {name: EstateWatch(estate) for name, estate in _estates(request.plan).items()}
    world = World(
        estates=estates,
        prober=ImaginedProber(request.plan),
        callouts=ImaginedCallouts(),
        holds=HoldGuard(journal),
        clock=VirtualClock(request.at),
    )
    watching = [asyncio.create_task(estate.run()) for estate in estates.values()]

    def look(state: RunState, events: Sequence[Event]) -> None:
        if stop.is_set():
            raise SimulationStoppedError(f"{state.run}, {len(events)} events on")

    executor = Executor(
        request.run,
        journal=journal,
        world=world,
        driver="simulation",
        observer=look,
        polls_inbox=False,
    )
    try:
        await executor.drive()
    finally:
        for task in watching:
            task.cancel()
        await asyncio.gather(*watching, return_exceptions=True)
    return tuple(journal.events[request.run])


def _boot(step: Step) -> float:
    """Return the part of ``expect`` that is left for the boot, in seconds.

    ``expect`` is from the order to healthy: the checks' own time is taken from it, and a slow
    application, not the hypervisor, is what makes it longer than ``start_timeout``.
    """
    stable = max((c.stable.total_seconds() for c in step.verify if c.stable), default=0.0)
    boot = max(0.0, step.expect.total_seconds() - stable)
    return min(boot, step.start_timeout.total_seconds() * 0.9)


def _estates(plan: Plan) -> dict[str, ImaginedEstate]:
    boots: dict[str, dict[str, float]] = {}
    for step in plan.steps:
        if step.machine is not None:
            key = step.machine.id or step.machine.name or step.id
            boots.setdefault(step.machine.connector, {})[key] = _boot(step)
    return {name: ImaginedEstate(name, machines) for name, machines in boots.items()}

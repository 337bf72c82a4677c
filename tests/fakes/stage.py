"""A whole recovery on stage: the real executor, a simulated estate, people, and virtual time."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from typing_extensions import override

from connectors.simulated.faults import ApiFault, MachineFault
from connectors.simulated.fleet import build
from connectors.simulated.inprocess import InProcessConnector
from connectors.simulated.machine import Action, LogEntry, Result
from connectors.simulated.world import World as SimulatedWorld
from drorch.engine.executor import Executor
from drorch.engine.virtual import VirtualClock
from drorch.engine.watch import EstateWatch
from drorch.engine.world import HoldGuard, World
from drorch.errors import HostUnavailableError
from drorch.journal.memory import MemoryJournal
from drorch.model.plan import CheckSpec, MachineRef, Plan
from drorch.ports.callout import CalloutResult
from drorch.ports.check import CheckResult, Verdict
from drorch.ports.connector import HostSighting, Order, Permit, Power, Survey
from drorch.run import commands as cmd
from drorch.run import events as ev
from drorch.run.evolve import fold
from drorch.run.state import RunState
from tests.fakes.script import T0, requested

RUN = "test-1"
_LONGEST = 12 * 3600.0


class PowerCutError(Exception):
    """The process is gone, in the middle of whatever it did."""


class StageConnector(InProcessConnector):
    """Adds nodes that go dark: their machines are unknown and their orders never arrive."""

    def __init__(self, name: str, world: SimulatedWorld) -> None:
        super().__init__(name, world)
        self.dark: set[str] = set()

    @override
    async def survey(self) -> Survey:
        seen = await super().survey()
        machines = {
            key: replace(s, power=Power.UNKNOWN) if s.host in self.dark else s
            for key, s in seen.machines.items()
        }
        hosts = {name: HostSighting(name=name, online=name not in self.dark) for name in seen.hosts}
        return Survey(machines=machines, hosts=hosts)

    @override
    async def start(self, machine: str, *, permit: Permit) -> Order:
        host = self.world.machines[machine].host.name
        if host in self.dark:
            raise HostUnavailableError(f"node {host} does not answer", host=host)
        return await super().start(machine, permit=permit)


class StageProber:
    """A check of a machine asks its application; any other check is as the story says."""

    def __init__(self, world: SimulatedWorld) -> None:
        self._world = world
        self.unwell: set[str] = set()

    async def probe(self, check: CheckSpec, machine: MachineRef | None) -> CheckResult:
        await asyncio.sleep(0.01)
        if machine is not None and machine.id is not None:
            well = self._world.machines[machine.id].well
        else:
            well = check.name not in self.unwell
        verdict = Verdict.HEALTHY if well else Verdict.UNWELL
        return CheckResult(verdict=verdict, evidence="200" if well else "503")


class StageCallouts:
    def __init__(self) -> None:
        self.called: list[str] = []

    def knows(self, name: str) -> bool:
        return True

    def repeatable(self, name: str) -> bool:
        return "again" in name

    async def call(self, name: str, arguments: Mapping[str, str]) -> CalloutResult:
        self.called.append(name)
        await asyncio.sleep(3)
        return CalloutResult(ok=True, evidence="done")


class Stage:
    """Make it inside the virtual loop. The world outlives every executor that is killed."""

    def __init__(
        self,
        plan: Plan,
        fleet: Mapping[str, Any],
        *,
        journal: MemoryJournal | None = None,
        seed: int = 1,
    ) -> None:
        chance = random.Random(seed)
        self.plan = plan
        self.world = SimulatedWorld(build(fleet), now=T0, chance=chance)
        self.connector = StageConnector("pve", self.world)
        self.prober = StageProber(self.world)
        self.callouts = StageCallouts()
        self.journal = journal or MemoryJournal()
        self.journal.create(RUN, [requested(plan)])
        self.lives = 0
        self._life: asyncio.Task[RunState] | None = None

    @property
    def events(self) -> Sequence[ev.Event]:
        return self.journal.events[RUN]

    @property
    def state(self) -> RunState:
        return fold(self.events)

    def starts(self, result: Result = Result.ACCEPTED) -> list[LogEntry]:
        log = self.world.log
        return [e for e in log if e.action is Action.START and e.result is result]

    async def recover(self, *, down: float = 5.0) -> RunState:
        """Drive the run to its end, with a new executor each time one dies."""
        await self.connector.open()
        async with asyncio.timeout(_LONGEST):
            while True:
                try:
                    return await self._live()
                except (PowerCutError, asyncio.CancelledError):
                    if asyncio.current_task().cancelling():  # type: ignore[union-attr]
                        raise
                    await asyncio.sleep(down)

    def kill(self) -> None:
        """End the executor that lives now; nothing of it is left but the journal."""
        assert self._life is not None
        self._life.cancel()

    async def _live(self) -> RunState:
        """One process: its own watch, its own memory."""
        self.lives += 1
        watch = EstateWatch(self.connector)
        watching = asyncio.create_task(watch.run())
        world = World(
            estates={"pve": watch},
            prober=self.prober,
            callouts=self.callouts,
            holds=HoldGuard(self.journal),
            clock=VirtualClock(T0),
        )
        executor = Executor(RUN, journal=self.journal, world=world, driver=f"life-{self.lives}")
        self._life = asyncio.create_task(executor.drive())
        try:
            return await self._life
        except ExceptionGroup as group:
            cut, _ = group.split(PowerCutError)
            if cut is None:
                raise
            raise PowerCutError from None
        finally:
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)

    async def perform(self, story: Sequence[Mapping[str, Any]]) -> None:
        """Let what the story tells happen at its times (seconds since the beginning)."""
        loop = asyncio.get_running_loop()
        for entry in story:
            await asyncio.sleep(max(0.0, float(entry["at"]) - loop.time()))
            for what, given in entry.items():
                if what != "at":
                    self._acts[what](given)

    @property
    def _acts(self) -> Mapping[str, Callable[[Any], None]]:
        return {
            "fault": self._fault,
            "clear": lambda _: self.world.clear_faults(),
            "person": self._person,
            "order": lambda o: self._order(str(o["machine"]), Action(o["action"])),
            "hold": self._hold,
            "release": lambda m: self.journal.holds.__delitem__(("pve", str(m))),
            "unreachable": lambda on: setattr(self.connector, "unreachable", on),
            "dark": self.connector.dark.add,
            "lit": self.connector.dark.discard,
            "unwell": self.prober.unwell.add,
            "well": self.prober.unwell.discard,
            "kill": lambda _: self.kill(),
        }

    def _fault(self, fault: Mapping[str, Any]) -> None:
        if "machine" in fault:
            kind = MachineFault(fault["kind"])
            self.world.faults.inject(str(fault["machine"]), kind, fault.get("times"))
        else:
            kind_ = ApiFault(fault["kind"])
            self.world.faults.disturb_calls(kind_, fault["rate"], fault.get("times"))

    def _person(self, given: Mapping[str, Any]) -> None:
        kinds = {kind.__name__.lower(): kind for kind in _DECISIONS}
        words = {key: value for key, value in given.items() if key != "does"}
        decision = kinds[given["does"]](**{"by": "anna", **words})
        self.journal.ask(RUN, decision)

    def _order(self, machine: str, action: Action) -> None:
        self.world.order(machine, action)

    def _hold(self, given: Mapping[str, Any]) -> None:
        self.journal.holds["pve", str(given["machine"])] = given["reason"]


_DECISIONS: tuple[Any, ...] = (
    cmd.Pause,
    cmd.Resume,
    cmd.Abort,
    cmd.Approve,
    cmd.Reject,
    cmd.Retry,
    cmd.Skip,
    cmd.Accept,
)

"""A world in which every step takes a length that is known beforehand, for the real engine."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from typing_extensions import override

from drorch.engine.executor import Executor
from drorch.engine.simulation import ImaginedCallouts, ImaginedEstate
from drorch.engine.verification import FASTEST
from drorch.engine.virtual import VirtualClock, run_virtually
from drorch.engine.watch import EstateWatch
from drorch.engine.world import HoldGuard, World
from drorch.journal.memory import MemoryJournal
from drorch.model.plan import CheckSpec, MachineRef, Plan
from drorch.ports.callout import CalloutResult
from drorch.ports.check import CheckResult, Verdict
from drorch.ports.connector import Power, Sighting
from drorch.run import commands as cmd
from drorch.run import events as ev
from drorch.run.state import RunState
from drorch.run.status import Ask
from tests.fakes.script import requested


@dataclass(frozen=True, slots=True, kw_only=True)
class Exact:
    """What a step takes: its action (a boot, a callout, an answer), then its checks, in seconds.

    A check has to hold twice: no step with checks takes less than `FASTEST` for them.
    """

    action: float = 0.0
    checks: float = 0.0

    @property
    def whole(self) -> float:
        return self.action + self.checks


@dataclass(slots=True)
class Happened:
    """The journal of a run, and after how many events the engine stood between two decisions."""

    events: Sequence[ev.Event]
    cuts: list[int] = field(default_factory=list)


def happens(
    plan: Plan, takes: Mapping[str, Exact], hosts: Mapping[str, str] | None = None
) -> Happened:
    """Return what the engine makes of a live run of *plan*. A machine's id is that of its step."""
    return run_virtually(_happens(plan, takes, hosts or {}))


async def _happens(plan: Plan, takes: Mapping[str, Exact], hosts: Mapping[str, str]) -> Happened:
    asked = requested(plan)
    journal, cuts = MemoryJournal(), []
    journal.create(asked.run, (asked,))
    estates = {name: EstateWatch(e) for name, e in _estates(plan, takes, hosts).items()}
    world = World(
        estates=estates,
        prober=_Prober(takes),
        callouts=_Callouts(takes),
        holds=HoldGuard(journal),
        clock=VirtualClock(asked.at),
    )
    loop = asyncio.get_running_loop()

    def look(state: RunState, events: Sequence[ev.Event]) -> None:
        cuts.append(state.seq)
        for event in events:
            if isinstance(event, ev.StepAsked) and event.ask is Ask.MANUAL:
                yes = cmd.Approve(step=event.step, by="anna")
                loop.call_later(takes[event.step].action, executor.post, yes)

    executor = Executor(
        asked.run, journal=journal, world=world, driver="me", observer=look, polls_inbox=False
    )
    watching = [asyncio.create_task(estate.run()) for estate in estates.values()]
    try:
        await executor.drive()
    finally:
        for task in watching:
            task.cancel()
        await asyncio.gather(*watching, return_exceptions=True)
    return Happened(tuple(journal.events[asked.run]), cuts)


class _Estate(ImaginedEstate):
    def __init__(self, name: str, boots: Mapping[str, float], hosts: Mapping[str, str]) -> None:
        self._hosts = hosts
        super().__init__(name, boots)

    @override
    def _sighting(self, machine: str) -> Sighting:
        power: Power = self._power[machine]
        return Sighting(machine=machine, name=machine, power=power, host=self._hosts.get(machine))


def _estates(
    plan: Plan, takes: Mapping[str, Exact], hosts: Mapping[str, str]
) -> Mapping[str, _Estate]:
    boots: dict[str, dict[str, float]] = {}
    for step in plan.steps:
        if step.machine is not None:
            boots.setdefault(step.machine.connector, {})[step.id] = takes[step.id].action
    return {name: _Estate(name, machines, hosts) for name, machines in boots.items()}


class _Prober:
    """A check is called as its step; its first answer takes what the checks of that step take."""

    def __init__(self, takes: Mapping[str, Exact]) -> None:
        self._takes = takes
        self._asked: set[str] = set()

    async def probe(self, check: CheckSpec, machine: MachineRef | None) -> CheckResult:
        del machine
        if check.name not in self._asked:
            self._asked.add(check.name)
            await asyncio.sleep(max(0.0, self._takes[check.name].checks - FASTEST))
        return CheckResult(verdict=Verdict.HEALTHY, evidence="exact")


class _Callouts(ImaginedCallouts):
    def __init__(self, takes: Mapping[str, Exact]) -> None:
        self._takes = takes

    @override
    async def call(self, name: str, arguments: Mapping[str, str]) -> CalloutResult:
        await asyncio.sleep(self._takes[name.removeprefix("call-")].action)
        return await super().call(name, arguments)

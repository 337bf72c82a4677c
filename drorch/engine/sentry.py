"""Watches every machine of a run: started, found, lost; estates and nodes that go dark."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from drorch.engine.watch import EstateWatch
from drorch.engine.world import World
from drorch.model.plan import MachineRef
from drorch.ports.connector import HostSighting, Power, Sighting
from drorch.run import commands as cmd
from drorch.run.effects import Effect, EffectKind
from drorch.run.seen import Seen
from drorch.run.state import HALT, RunState, host_key
from drorch.run.status import Scope
from drorch.run.words import HALT_HINT, QUORUM_HINT

_HOLDS_EVERY = 1.0
_ABOUT_TO_CHANGE = frozenset(
    {
        EffectKind.POWER_ON,
        EffectKind.POWER_OFF,
        EffectKind.RECONCILE_STOP,
        EffectKind.RECONCILE,
        EffectKind.AWAIT_RUNNING,
    }
)
_HOST_HINT = (
    "bring the node back, or let its cluster move the machine: drorch goes on by itself "
    "when it turns up; drorch never moves a machine"
)


class Sentry:
    """Turns readings into reports: only what has changed since the run's own knowledge."""

    def __init__(self, state: RunState, world: World, post: Callable[[cmd.Command], None]) -> None:
        self._state = state
        self._world = world
        self._post = post
        self._steps: dict[str, list[tuple[int, MachineRef]]] = {}
        self._sent: dict[int, Seen] = {}
        self._reported: set[str] = set(state.surveyed)
        self._urgent: set[int] = set()
        self._told: dict[tuple[Scope, str], str] = {
            key: obstacle.reason for key, obstacle in state.obstacles.items()
        }
        for number, machine in enumerate(state.machines):
            if machine is not None:
                self._steps.setdefault(machine.connector, []).append((number, machine))
        self._count = dict.fromkeys(self._steps, 0)
        self._by_machine: dict[str, dict[str, int]] = {name: {} for name in self._steps}

    async def stand(self) -> None:
        """Listen to the estates until cancelled."""
        stops = []
        for name in self._steps:
            watch = self._world.estates[name]
            stops.append(watch.listen(self._heard))
            if watch.taken_at is not None:
                self._heard(watch, None)
        try:
            while True:
                await self._look_at_holds()
                # All runs at the same moments: they share one reading.
                now = asyncio.get_running_loop().time()
                await asyncio.sleep(_HOLDS_EVERY - now % _HOLDS_EVERY)
        finally:
            for stop in stops:
                stop()
            for name in self._steps:
                self._world.estates[name].hurry(self, on=False)

    def attend(self, number: int, effect: Effect | None) -> None:
        """Have the estate read fast while the machine of this step is about to run or to stop.

        Also while a paper says something of it that nobody has looked at.
        """
        urgent = effect is not None and effect.kind in _ABOUT_TO_CHANGE
        urgent = urgent or number in self._state.unconfirmed
        if urgent == (number in self._urgent) or (machine := self._state.machines[number]) is None:
            return
        name = machine.connector
        before = self._count[name]
        if urgent:
            self._urgent.add(number)
            self._count[name] = before + 1
        else:
            self._urgent.remove(number)
            self._count[name] = before - 1
        if (before > 0) != (self._count[name] > 0):
            self._world.estates[name].hurry(self, on=urgent)

    def _heard(self, watch: EstateWatch, changed: Sequence[Sighting] | None) -> None:
        if changed is not None:
            self._report(watch.name, self._pushed(watch, changed))
            return
        if watch.failure is None:
            # First: this reading takes away the obstacle that a run begins with, and no other.
            self._report(watch.name, self._differences(watch), first=True)
        self._obstacles(watch)

    def _differences(self, watch: EstateWatch) -> dict[str, Seen]:
        out: dict[str, Seen] = {}
        followed, find = self._by_machine[watch.name], watch.find
        new: list[str] = []
        for number, machine in self._steps[watch.name]:
            sighting = find(machine)
            if sighting is None:
                if number in self._state.unconfirmed:  # looked for, and not there
                    known = self._state.steps[number].machine
                    name = known or machine.id or machine.name or ""
                    gone = Seen(power=Power.UNKNOWN, host=None, machine=name)
                    out[self._state.step(number).id] = gone
                continue
            if followed.get(sighting.machine) != number:
                followed[sighting.machine] = number
                new.append(sighting.machine)
            if (seen := self._news(number, sighting)) is not None:
                out[self._state.step(number).id] = seen
        if new:
            watch.follow(new, self._heard)
        return out

    def _pushed(self, watch: EstateWatch, changed: Sequence[Sighting]) -> dict[str, Seen]:
        out: dict[str, Seen] = {}
        followed = self._by_machine[watch.name]
        for sighting in changed:
            number = followed.get(sighting.machine)
            if number is not None and (seen := self._news(number, sighting)) is not None:
                out[self._state.step(number).id] = seen
        return out

    def _news(self, number: int, sighting: Sighting) -> Seen | None:
        # What was reported last; before that, what the journal knows.
        known = self._sent.get(number) or self._state.steps[number]
        if (
            number not in self._state.unconfirmed
            and known.power is sighting.power
            and known.machine == sighting.machine
            and known.host == sighting.host
        ):
            return None
        seen = Seen(power=sighting.power, host=sighting.host, machine=sighting.machine)
        self._sent[number] = seen
        return seen

    def _report(self, connector: str, machines: dict[str, Seen], *, first: bool = False) -> None:
        if machines or (first and connector not in self._reported):
            self._reported.add(connector)
            self._post(cmd.ReportMachines(connector=connector, machines=machines))

    def _obstacles(self, watch: EstateWatch) -> None:
        if watch.failure is not None:
            self._tell(Scope.CONNECTOR, watch.name, watch.failure.message, watch.failure.hint)
            return
        self._tell(Scope.CONNECTOR, watch.name, watch.quorum_lost, QUORUM_HINT)
        for host in watch.hosts.values():
            self._tell(Scope.HOST, host_key(watch.name, host.name), _dark(host), _HOST_HINT)

    def _tell(self, scope: Scope, key: str, reason: str, hint: str) -> None:
        """Report an obstacle that is new, and one that is gone."""
        if reason:
            if self._told.get((scope, key)) != reason:
                self._told[scope, key] = reason
                self._post(cmd.ReportObstacle(scope=scope, key=key, reason=reason, hint=hint))
            return
        self._told.pop((scope, key), None)
        if (scope, key) in self._state.obstacles and key not in self._unsurveyed():
            self._post(cmd.ReportObstacleGone(scope=scope, key=key))

    def _unsurveyed(self) -> set[str]:
        """The first reading itself takes away the obstacle that a run begins with."""
        return self._steps.keys() - self._state.surveyed

    async def _look_at_holds(self) -> None:
        """Notice that a person has released a machine, or holds it for another reason now."""
        halted = await self._world.holds.reason("")
        self._tell(*HALT, halted, HALT_HINT)
        for (scope, key), known in list(self._state.obstacles.items()):
            if scope is not Scope.MACHINE:
                continue
            number = self._state.index(key)
            machine, ref = self._state.steps[number].machine, self._state.step(number).machine
            if ref is None or machine is None:
                continue
            seen = self._world.estates[ref.connector].find(ref)
            names = (machine, seen.name) if seen else (machine,)
            reason = await self._world.holds.reason(ref.connector, *names)
            if not reason:
                self._post(cmd.ReportObstacleGone(scope=scope, key=key))
            elif reason != known.reason:
                changed = cmd.ReportObstacle(scope=scope, key=key, reason=reason, hint=known.hint)
                self._post(changed)


def _dark(host: HostSighting) -> str:
    if host.online:
        return ""
    return f"node {host.name} is dark" + (f": {host.reason}" if host.reason else "")

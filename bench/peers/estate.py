"""A hypervisor in this very process, as thin as can be: machines run as soon as they have booted."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime

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

CONNECTOR = "sim"


class ThinEstate:
    """A connector that pushes what has changed, at most once a turn of the loop.

    ``boots`` are seconds by machine; ``ordered`` and ``runs`` are told of each machine when it
    happens.
    """

    name = CONNECTOR
    capabilities = Capabilities(events=True)

    def __init__(
        self,
        boots: Mapping[str, float],
        ordered: Callable[[str], None],
        runs: Callable[[str], None],
    ) -> None:
        self._boots = boots
        self._ordered = ordered
        self._runs = runs
        self._seen = {machine: _sighting(machine, Power.OFF) for machine in boots}
        self._watchers: list[Watcher] = []
        self._changed: list[Sighting] = []

    async def open(self) -> None:
        return None

    async def close(self) -> None:
        return None

    async def identify(self) -> Estate:
        return Estate(identity="bench", product="bench", version="1")

    async def survey(self) -> Survey:
        return Survey(machines=dict(self._seen))

    async def look(self, machine: str) -> Sighting:
        return self._seen[machine]

    async def start(self, machine: str, *, permit: Permit) -> Order:
        permit()
        self._ordered(machine)
        loop = asyncio.get_running_loop()
        if seconds := self._boots[machine]:
            loop.call_later(seconds, self._has_booted, machine)
        else:
            loop.call_soon(self._has_booted, machine)
        return Order(handle=f"start-{machine}")

    async def stop(self, machine: str, *, permit: Permit) -> Order:
        permit()
        raise NotImplementedError(machine)  # nothing is ever stopped here

    async def outcome(self, order: Order, machine: str) -> Outcome:
        del order, machine
        return Outcome(status=OrderStatus.ACTIVE)

    async def find_order(self, machine: str, since: datetime) -> Order | None:
        del machine, since
        return None

    async def ping_agent(self, machine: str) -> AgentAnswer:
        return AgentAnswer(healthy=True, evidence=machine)

    async def examine(self, machines: Collection[str]) -> Sequence[Finding]:
        del machines
        return ()

    def subscribe(self, watcher: Watcher) -> Callable[[], None]:
        self._watchers.append(watcher)
        return lambda: self._watchers.remove(watcher)

    def _has_booted(self, machine: str) -> None:
        self._runs(machine)
        self._seen[machine] = seen = _sighting(machine, Power.RUNNING)
        if not self._changed:
            asyncio.get_running_loop().call_soon(self._push)
        self._changed.append(seen)

    def _push(self) -> None:
        changed, self._changed = self._changed, []
        for watcher in self._watchers:
            watcher(changed)


def _sighting(machine: str, power: Power) -> Sighting:
    return Sighting(machine=machine, name=machine, power=power)

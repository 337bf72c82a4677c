"""A hypervisor in this very process, as thin as can be: machines run as soon as they have booted."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping

from typing_extensions import override

from drorch.engine.simulation import ImaginedEstate
from drorch.ports.connector import Order, Permit, Power, Sighting

CONNECTOR = "sim"


class ThinEstate(ImaginedEstate):
    """Pushes what has changed at most once a turn of the loop.

    ``boots`` are seconds by machine; ``ordered`` and ``runs`` are told of each machine when it
    happens.
    """

    def __init__(
        self,
        boots: Mapping[str, float],
        ordered: Callable[[str], None],
        runs: Callable[[str], None],
    ) -> None:
        super().__init__(CONNECTOR, boots)
        self._ordered = ordered
        self._runs = runs
        self._changed: list[Sighting] = []

    @override
    async def start(self, machine: str, *, permit: Permit) -> Order:
        permit()
        self._ordered(machine)
        loop = asyncio.get_running_loop()
        if seconds := self._boots[machine]:
            loop.call_later(seconds, self._set, machine, Power.RUNNING)
        else:
            loop.call_soon(self._set, machine, Power.RUNNING)
        return Order(handle=f"start-{machine}")

    @override
    def _set(self, machine: str, power: Power) -> None:
        if power is Power.RUNNING:
            self._runs(machine)
        self._power[machine] = power
        if not self._changed:
            asyncio.get_running_loop().call_soon(self._push)
        self._changed.append(self._sighting(machine))

    def _push(self) -> None:
        changed, self._changed = self._changed, []
        for watcher in self._watchers:
            watcher(changed)

"""An estate whose readings are counted, can be slow, and can fail, in virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from typing_extensions import override

from drorch.engine.simulation import ImaginedEstate
from drorch.errors import ConnectorError
from drorch.ports.connector import Capabilities, HostSighting, Power, Sighting, Survey


class CountedEstate(ImaginedEstate):
    """``power`` is the truth; a reading takes it when it begins and answers ``slow`` later."""

    def __init__(self, machines: int = 1, *, events: bool = False, every: float = 0.5) -> None:
        super().__init__("pve", {f"m{n}": 10.0 for n in range(machines)})
        self.capabilities = Capabilities(events=events, survey_every=every)
        self.began: list[float] = []
        self.slow = 0.0
        self.failure: ConnectorError | None = None
        self.hosts: Mapping[str, HostSighting] = {}
        self.quorate = True

    @override
    async def survey(self) -> Survey:
        self.began.append(asyncio.get_running_loop().time())
        taken = await super().survey()
        await asyncio.sleep(self.slow)
        if self.failure is not None:
            raise self.failure
        return Survey(
            machines=taken.machines,
            hosts=self.hosts,
            quorate=self.quorate,
            reason="" if self.quorate else "1 of 3 nodes votes",
        )

    def becomes(self, machine: str, power: Power) -> None:
        """Change a machine, and push the change if this estate pushes."""
        self._power[machine] = power
        for watcher in self._watchers if self.capabilities.events else ():
            watcher((Sighting(machine=machine, name=machine, power=power),))

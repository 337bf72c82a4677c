"""Orchestrator processes: each with its own memory, watches and lease, over one disk."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from drorch import failpoints
from drorch.engine.executor import Executor
from drorch.engine.supervisor import _while_owned
from drorch.engine.watch import EstateWatch
from drorch.engine.world import HoldGuard, World
from drorch.errors import DrorchError, JournalError
from drorch.ports.callout import CalloutResult
from drorch.run import events as ev
from drorch.run.state import RunState
from drorch.run.status import Mode
from tests.fakes.replay import assert_honest, assert_replays
from tests.simulation.disaster import Disaster
from tests.simulation.estates import Line, Probes, Site, Weather, clock, entitled
from tests.simulation.journal import RUN, Desk, Disk
from tests.simulation.leases import TimedLease, TimedLeases
from tests.simulation.processes import Process
from tests.simulation.witness import Called, Witness

_CUTS = 2
"""How often at most, per executor, a random cut of the journal is compared with the live state."""


@dataclass(slots=True)
class Cast:
    """Who plays; tests of the simulation itself put saboteurs in."""

    executor: Callable[..., Executor] = Executor
    desk: Callable[..., Desk] = Desk
    lost: Callable[[TimedLease], str] = TimedLease.lost
    fence: bool = True
    patience: float = 1500.0
    """Seconds after the calm within which every run has to end."""


@dataclass(slots=True)
class Scene:
    """What all processes of a disaster share."""

    disaster: Disaster
    cast: Cast
    chance: random.Random
    disk: Disk = field(default_factory=Disk)
    witness: Witness = field(default_factory=Witness)
    weather: Weather = field(default_factory=Weather)
    sites: dict[str, Site] = field(default_factory=dict)
    number: dict[tuple[str, str], int] = field(default_factory=dict)

    @property
    def is_over(self) -> bool:
        return self.disk.state is not None and self.disk.state.is_over


class Callouts:
    """Commands that one process carries out; what was begun is done, whoever dies."""

    def __init__(self, scene: Scene, process: Process, desk: Desk) -> None:
        self._scene = scene
        self._process = process
        self._desk = desk

    def knows(self, name: str) -> bool:
        return True

    def repeatable(self, name: str) -> bool:
        return name.startswith("again")

    async def call(self, name: str, arguments: Mapping[str, str]) -> CalloutResult:
        if self._process.over:
            raise asyncio.CancelledError
        scene, chance = self._scene, self._scene.chance
        step = scene.disaster.plan.steps.index(
            next(s for s in scene.disaster.plan.steps if s.id == name.partition("-")[2])
        )
        wanted, attempt = scene.disk.effect_at(step, min(self._desk.known, len(scene.disk.events)))
        called = Called(
            at=_now(),
            name=name,
            process=self._process.name,
            entitled=entitled(self._desk),
            wanted=wanted,
            attempt=attempt,
        )
        scene.witness.calls.append(called)
        ok = _now() > scene.disaster.calm or chance.random() < 0.8
        await self._process.across(lambda: None, there=chance.random() * 3, back=0.1)
        return CalloutResult(ok=ok, evidence="done" if ok else "it complains")


class Orchestrator:
    """One process from its start on: it takes the run whenever nobody owns it."""

    def __init__(self, scene: Scene, process: Process) -> None:
        self._scene = scene
        self._process = process
        self._desk = scene.cast.desk(scene.disk, process, scene.chance)
        self._leases = TimedLeases(scene.disk, process, scene.disaster.ttl, scene.chance)
        self._watches = {
            name: EstateWatch(Line(site, process, self._desk, scene.number))
            for name, site in scene.sites.items()
        }
        self._lease: TimedLease | None = None
        self._live: RunState | None = None
        self._cuts = 0

    async def main(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            for watch in self._watches.values():
                tasks.create_task(watch.run())
            while not self._scene.is_over:
                try:
                    if not self._scene.disk.events:
                        await self._request()
                    lease = await self._leases.acquire(RUN)
                except JournalError:
                    lease = None
                if lease is None:
                    await asyncio.sleep(0.5)
                    continue
                await self._under(lease)

    async def _request(self) -> None:
        failpoints.reach("run.create.before")
        request = ev.RunRequested(
            at=clock(self._process).now(),
            run=RUN,
            plan=self._scene.disaster.plan,
            mode=Mode.LIVE,
            by="ops",
        )
        await self._process.across(lambda: self._create(request), there=0.01, back=0.01)
        failpoints.reach("run.create.after")

    def _create(self, request: ev.RunRequested) -> None:
        if not self._scene.disk.events:
            self._scene.disk.append([request], 0, (), self._process, None)

    async def _under(self, lease: TimedLease) -> None:
        """Drive the run until its end, or until the lease is lost."""
        self._lease, self._desk.epoch = lease, lease.epoch
        self._scene.witness.tell(f"{self._process.name} owns the run, epoch {lease.epoch}",
                                 count="adoptions")  # fmt: skip
        keeping = asyncio.create_task(lease.keep())
        watched = _Heeded(lease, self._may_act)
        try:
            state = await _while_owned(watched, self._drive())
        except DrorchError as error:
            told = f"{self._process.name} gives up: {error.message}"
            self._scene.witness.tell(told, count="gave up")
        else:
            self._scene.witness.finals.append((self._process.name, state))
        finally:
            keeping.cancel()
            await lease.release()

    def _may_act(self) -> str:
        return self._scene.cast.lost(self._lease) if self._lease is not None else "not begun"

    async def _drive(self) -> RunState:
        scene = self._scene
        world = World(
            estates=self._watches,
            prober=Probes(scene.sites, self._process, scene.weather, scene.witness),
            callouts=Callouts(scene, self._process, self._desk),
            holds=HoldGuard(self._desk),
            clock=clock(self._process),
            may_act=self._may_act,
        )
        executor = scene.cast.executor(
            RUN,
            journal=self._desk,
            world=world,
            driver=self._process.name,
            epoch=self._desk.epoch,
            observer=self._observe,
        )
        return await executor.drive()

    def _observe(self, state: RunState, events: Any) -> None:
        """Now and then, compare what this process believes with what is durable."""
        if self._cuts >= _CUTS or self._scene.chance.random() > 0.06:
            return
        self._cuts += 1
        try:
            assert state.seq <= len(self._scene.disk.events), "knows more than is durable"
            assert_replays(state, self._scene.disk.events[: state.seq])
            assert_honest(state)
        except AssertionError as error:
            self._scene.witness.broken.append(
                f"{self._process.name}: after event {state.seq} its state is not the fold of the "
                f"journal: {error}"
            )


class _Heeded:
    """A lease as whoever ends the executor sees it; a saboteur's never ends."""

    def __init__(self, lease: TimedLease, lost: Callable[[], str]) -> None:
        self.epoch = lease.epoch
        self.lost = lost

    async def release(self) -> None:
        """Not asked for here."""


def _now() -> float:
    return asyncio.get_running_loop().time()

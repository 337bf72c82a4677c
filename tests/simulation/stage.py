"""Plays one disaster to its end: lets the blows fall, restarts what died, and answers people."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from connectors.simulated.faults import ApiFault
from connectors.simulated.machine import Action, State
from drorch import failpoints
from drorch.engine import executor as executing
from drorch.engine.virtual import VirtualClock
from drorch.run import commands as cmd
from drorch.run.status import Ask, PaperResult, Scope, StepStatus
from tests.fakes.script import T0
from tests.simulation.disaster import Blow, Disaster
from tests.simulation.estates import Site
from tests.simulation.orchestra import Cast, Orchestrator, Scene
from tests.simulation.processes import CURRENT, WORLD, PowerCut, Process, Theatre, bury

_LOOK_EVERY = 3.0

_DECISIONS: dict[str, Any] = {
    "pause": cmd.Pause, "resume": cmd.Resume, "abort": cmd.Abort, "approve": cmd.Approve,
    "reject": cmd.Reject, "retry": cmd.Retry, "skip": cmd.Skip, "accept": cmd.Accept,
    "paper": cmd.Paper,
}  # fmt: skip
_OF_RUNS = frozenset({"pause", "resume", "abort"})


class Stage:
    """One disaster while it happens."""

    def __init__(self, disaster: Disaster, cast: Cast) -> None:
        self.scene = Scene(disaster, cast, random.Random(disaster.seed + 1))
        self.scene.disk.fence = cast.fence
        self.ended_at: float | None = None
        self.processes: list[Process] = []
        self._slots: list[Process | None] = [None] * disaster.processes
        self._starts = 0
        self._arrivals: dict[str, int] = {}
        self._armed = True
        self._retried: dict[str, int] = {}

    async def play(self) -> None:
        """Return when the run has ended, or when it should have long ago."""
        self._build()
        loop = asyncio.get_running_loop()
        failpoints.arm(self._reached)
        try:
            for slot in range(len(self._slots)):
                self._start(slot)
            await self._let_it_happen()
            self.ended_at = loop.time() if self.scene.is_over else None
            await asyncio.sleep(4.0)  # who does not know yet that it is over may do wrong still
        finally:
            failpoints.arm(None)

    async def leave(self) -> None:
        for site in self.scene.sites.values():
            site.world.close()
        await bury(self.processes)

    def _build(self) -> None:
        disaster, scene = self.scene.disaster, self.scene
        for name, fleet in disaster.fleets.items():
            chance = random.Random(f"{disaster.seed} {name}")
            scene.sites[name] = Site(name, fleet, chance, scene.witness)
        for connector, machine, kind, times in disaster.machine_faults:
            scene.sites[connector].world.faults.inject(machine, kind, times)
        for connector, nth, disturbance in disaster.misfortunes:
            scene.sites[connector].misfortunes[nth] = disturbance
        scene.disk.late_holds = disaster.late_holds
        for connector, nth in disaster.rivals:
            scene.sites[connector].rivals.add(nth)
        for number, step in enumerate(disaster.plan.steps):
            if step.machine is not None:
                scene.number[step.machine.connector, str(100 + number)] = number

    async def _let_it_happen(self) -> None:
        disaster, loop = self.scene.disaster, asyncio.get_running_loop()
        for blow in disaster.blows:
            loop.call_at(blow.at, self._strike, blow, context=WORLD)
        for at, what, step in disaster.presses:
            loop.call_at(at, self._press, what, step, context=WORLD)
        loop.call_at(disaster.calm, self._calm, context=WORLD)
        until = disaster.calm + self.scene.cast.patience
        while not self.scene.is_over and loop.time() < until:
            await asyncio.sleep(_LOOK_EVERY)
            self._people()

    # Processes.

    def _start(self, slot: int) -> None:
        disaster = self.scene.disaster
        self._starts += 1
        process = Process(f"p{slot}.{self._starts}", f"site{slot}", skew=disaster.skews[slot])
        self._slots[slot] = process
        self.processes.append(process)
        task = process.run(Orchestrator(self.scene, process).main())
        task.add_done_callback(self._ended, context=WORLD)

    def _ended(self, task: asyncio.Task[None]) -> None:
        """A process ends when the run does; any other end is a defect, unless it died."""
        error = None if task.cancelled() else task.exception()
        cause = None if error is None else _innermost(error)
        if cause is not None and not isinstance(cause, PowerCut):
            self.scene.witness.broken.append(f"a process ended by {cause!r}")

    def _kill(self, process: Process, why: str, pause: float) -> None:
        process.alive = False
        slot = self._slots.index(process)
        self._slots[slot] = None
        self.scene.witness.tell(f"{process.name} dies: {why}", count="kills")
        loop = asyncio.get_running_loop()
        loop.call_later(pause, self._start, slot, context=WORLD)

    def _reached(self, name: failpoints.Name) -> None:
        process = CURRENT.get()
        if process is None or not process.alive or process.over:
            return
        witness = self.scene.witness
        witness.reached[name] += 1
        if witness.reached[name] in self.scene.disaster.deaths.get(name, ()) and self._armed:
            witness.killed_at[name] += 1
            self._kill(process, f"at {name}", self.scene.chance.choice((0.1, 1.0, 8.0)))
            raise PowerCut

    # Blows.

    def _strike(self, blow: Blow) -> None:
        if self.scene.is_over:
            return
        told = f"{blow.what} {' '.join(map(str, blow.args))} for {blow.lasts:.1f} s"
        self.scene.witness.tell(told, count=blow.what)
        undo: Callable[[], None] | None = getattr(self, f"_{blow.what}")(blow.lasts, *blow.args)
        if undo is not None:
            asyncio.get_running_loop().call_later(blow.lasts, undo, context=WORLD)

    def _api(self, lasts: float, site: str, kind: ApiFault, rate: float) -> Callable[[], None]:
        faults = self.scene.sites[site].world.faults
        faults.disturb_calls(kind, rate)
        return lambda: _forget(faults.api, kind)

    def _down(self, lasts: float, name: str) -> Callable[[], None]:
        site = self.scene.sites[name]
        site.down = True
        return lambda: setattr(site, "down", False)

    def _host_dies(self, lasts: float, name: str, host: str) -> Callable[[], None]:
        site = self.scene.sites[name]
        site.host_dies(host)
        return lambda: self._lit(site, host)

    def _host_dark(self, lasts: float, name: str, host: str) -> Callable[[], None]:
        site = self.scene.sites[name]
        site.dark.add(host)
        return lambda: self._lit(site, host)

    def _lit(self, site: Site, host: str) -> None:
        site.dark.discard(host)

    def _machine_dies(self, lasts: float, name: str, machine: str) -> None:
        self.scene.sites[name].power_off(machine, "it died")

    def _outside(self, lasts: float, name: str, machine: str) -> None:
        site = self.scene.sites[name]
        found = site.world.machines[machine]
        if found.host.name not in site.dark and found.state is State.STOPPED:
            site.world.order(machine, Action.START)

    def _flapping(self, lasts: float, check: str, rate: float) -> Callable[[], None]:
        self.scene.weather.flapping[check] = rate
        return lambda: _forget(self.scene.weather.flapping, check)

    def _journal_full(self, lasts: float) -> Callable[[], None]:
        self.scene.disk.full = True
        return lambda: setattr(self.scene.disk, "full", False)

    def _journal_slow(self, lasts: float, by: float) -> Callable[[], None]:
        self.scene.disk.slow = by
        return lambda: setattr(self.scene.disk, "slow", 0.0)

    def _journal_forgets(self, lasts: float, rate: float) -> Callable[[], None]:
        self.scene.disk.forgetful = rate
        return lambda: setattr(self.scene.disk, "forgetful", 0.0)

    def _frozen(self, lasts: float, slot: int) -> Callable[[], None] | None:
        process = self._slots[slot]
        if process is None or process.frozen:
            return None
        process.frozen = True
        return process.thaw

    def _cut_journal(self, lasts: float, slot: int) -> Callable[[], None] | None:
        return self._cut(slot, "journal_cut")

    def _cut_network(self, lasts: float, slot: int) -> Callable[[], None] | None:
        return self._cut(slot, "network_cut")

    def _cut(self, slot: int, what: str) -> Callable[[], None] | None:
        process = self._slots[slot]
        if process is None:
            return None
        setattr(process, what, True)
        return lambda: setattr(process, what, False)

    def _killed(self, lasts: float, slot: int) -> None:
        process = self._slots[slot]
        if process is not None:
            self._kill(process, "killed", lasts)

    def _hold(self, lasts: float, name: str, machine: str) -> Callable[[], None]:
        self.scene.disk.hold((name, machine), "may be encrypted")
        return lambda: self.scene.disk.release((name, machine))

    def _calm(self) -> None:
        """Every fault ends; what they left behind does not mend by itself."""
        self._armed = False
        self.scene.witness.tell("the faults are over")
        for site in self.scene.sites.values():
            site.down = False
            site.dark.clear()
            site.world.clear_faults()

    # People.

    def _press(self, what: str, step: str) -> None:
        if self.scene.is_over or not self.scene.disk.events:
            return
        about: dict[str, Any] = {} if what in _OF_RUNS else {"step": step}
        if what == "paper":
            about |= self._ticked()
        self.scene.disk.ask(_DECISIONS[what](by="anna", comment="pressed", **about))
        self.scene.witness.tell(f"anna presses {what} {about.get('step', '')}", count="presses")

    def _ticked(self) -> dict[str, Any]:
        """A paper says more or less the truth, and now and then the same thing twice."""
        ago = timedelta(seconds=self.scene.chance.choice((1.0, 20.0, 90.0)))
        result = self.scene.chance.choice((*PaperResult, PaperResult.DONE, PaperResult.DONE))
        now = VirtualClock(T0).now().replace(microsecond=0)
        return {"done_at": now - ago, "done_by": "maria", "result": result}

    def _people(self) -> None:
        """Somebody looks at the run; before the calm, not every question is answered."""
        scene, state = self.scene, self.scene.disk.state
        if state is None or state.is_over or len(scene.disk.answers) < len(scene.disk.asked):
            return
        now = asyncio.get_running_loop().time()
        calm = now > scene.disaster.calm
        if state.paused and calm:
            scene.disk.ask(cmd.Resume(by="ben"))
        late = now > scene.disaster.calm + self.scene.cast.patience / 2
        for number, own in enumerate(state.steps):
            asks = own.status is StepStatus.WAITING
            endless = late and own.status is StepStatus.VERIFYING
            if (asks or endless) and (calm or scene.chance.random() < scene.disaster.answers):
                self._answer(state.step(number).id, own.ask, patient=not late)
        if late:
            self._late(state)

    def _answer(self, step: str, ask: Ask | None, *, patient: bool) -> None:
        chance = self.scene.chance
        if ask is Ask.MANUAL:
            kind: Any = cmd.Approve if chance.random() < 0.9 else cmd.Reject
        elif patient and self._retried.get(step, 0) < 2 and chance.random() < 0.7:
            self._retried[step] = self._retried.get(step, 0) + 1
            kind = cmd.Retry
        else:
            kind = chance.choice((cmd.Skip, cmd.Skip, cmd.Accept, cmd.Reject))
        self.scene.disk.ask(kind(by="ben", step=step, comment="answered"))

    def _late(self, state: Any) -> None:
        """Nothing may depend on a patience that nobody has."""
        for scope, key in state.obstacles:
            assert scope is not Scope.MACHINE, f"a hold on {key} is not gone"


def perform(disaster: Disaster, cast: Cast | None = None) -> Stage:
    """Play *disaster* in virtual time and return what was seen of it."""
    loop = Theatre()
    loop.set_exception_handler(_overheard)
    every, executing.INBOX_EVERY = executing.INBOX_EVERY, disaster.inbox_every
    overheard: list[str] = []
    loop.overheard = overheard
    stage: Stage | None = None
    try:

        async def all_of_it() -> Stage:
            played = Stage(disaster, cast or Cast())
            await played.play()
            played.scene.witness.broken.extend(overheard)
            await played.leave()
            return played

        stage = loop.run_until_complete(all_of_it())
    finally:
        executing.INBOX_EVERY = every
        loop.close()
    return stage


def _forget(faults: dict[Any, Any], key: str) -> None:
    faults.pop(key, None)


def _innermost(error: BaseException) -> BaseException:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


def _overheard(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Errors that reached nobody are defects, except those of the dead."""
    error = context.get("exception")
    if isinstance(loop, Theatre) and error is not None and not isinstance(error, PowerCut):
        loop.overheard.append(f"{context.get('message')}: {error!r}")

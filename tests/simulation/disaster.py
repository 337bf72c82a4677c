"""One seed, one disaster: a plan, a fleet, and everything that will go wrong, with its times."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from connectors.simulated.faults import ApiFault, Disturbance, MachineFault
from connectors.simulated.fleet import Fleet, HostSpec, MachineSpec
from drorch.failpoints import NAMES
from drorch.model.plan import OnUnhealthy, Plan, When
from tests.simulation.shapes import Shape

POINTS = tuple(name for name in NAMES if not name.startswith("outbox."))
"""Where a simulated process may die; web hooks are killed for real (tests/process/test_webhooks)."""
_PRESSES = (
    "pause", "resume", "abort", "approve", "reject", "retry", "skip", "accept",
    "retry", "skip", "approve", "pause", "resume", "paper", "paper",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Blow:
    """Something that happens ``at`` (seconds) and lasts; ``what`` names a method of the stage."""

    at: float
    what: str
    lasts: float = 0.0
    args: tuple[Any, ...] = ()


@dataclass(slots=True)
class Disaster:
    """Everything that is decided before it begins. All faults are over at ``calm``."""

    seed: int
    plan: Plan
    fleets: dict[str, Fleet]
    calm: float
    processes: int
    ttl: float
    skews: tuple[float, ...]
    inbox_every: float
    machine_faults: list[tuple[str, str, MachineFault, int | None]] = field(default_factory=list)
    misfortunes: list[tuple[str, int, Disturbance]] = field(default_factory=list)
    """What happens to the n-th order that a site receives."""
    late_holds: set[int] = field(default_factory=set)
    """Which readings of the holds are old when they arrive, because one was placed meanwhile."""
    rivals: list[tuple[str, int]] = field(default_factory=list)
    """Whose n-th order somebody else anticipates: the machine is started just before it arrives."""
    blows: list[Blow] = field(default_factory=list)
    deaths: dict[str, set[int]] = field(default_factory=dict)
    """Failure points, and at which arrivals (counted over all processes) one dies there."""
    presses: list[tuple[float, str, str]] = field(default_factory=list)
    answers: float = 0.5
    """How likely a person answers an open question at each look, before the calm."""


def imagine(seed: int) -> Disaster:
    """Return the disaster that *seed* stands for; always the same."""
    chance = random.Random(seed)
    shape = Shape(chance)
    plan = shape.draw()
    calm = chance.uniform(15, 70)
    disaster = Disaster(
        seed=seed,
        plan=plan,
        fleets={name: _fleet(name, plan, chance) for name in shape.connectors},
        calm=calm,
        processes=chance.choice((1, 1, 2, 2, 2, 3)),
        ttl=chance.choice((3.0, 5.0, 5.0, 15.0)),
        skews=tuple(chance.choice((0.0, 0.0, 0.0, 2.5, -2.5, 40.0)) for _ in range(3)),
        inbox_every=chance.choice((0.25, 1.0, 1.0, 2.0)),
        answers=chance.choice((0.0, 0.3, 0.8)),
    )
    _Imagination(disaster, chance).fill()
    return disaster


def _fleet(connector: str, plan: Plan, chance: random.Random) -> Fleet:
    hosts = tuple(
        HostSpec(name=f"{connector}-h{n}", boot_slots=chance.choice((None, None, 1, 3)))
        for n in range(chance.randint(1, 3))
    )
    # What a machine's application needs of others is something else than what the plan says.
    honest = chance.random() < 0.5
    mine = {
        step.id: str(100 + number)
        for number, step in enumerate(plan.steps)
        if step.machine is not None and step.machine.connector == connector
    }
    machines = []
    for number, step in enumerate(plan.steps):
        if step.id not in mine:
            continue
        needs = [
            mine[d.target] for d in step.depends_on if d.target in mine and d.when is When.HEALTHY
        ]
        machines.append(
            MachineSpec(
                id=str(100 + number),
                label=str(100 + number),
                name=f"vm-{100 + number}",
                host=chance.choice(hosts).name,
                boot=chance.choice((0.0, 0.3, 2.0, 5.0, 9.0)),
                app=chance.choice((0.0, 0.0, 1.0, 4.0)),
                needs=tuple(needs) if honest else (),
            )
        )
    latency = chance.choice((0.01, 0.05, 0.3))
    return Fleet(digest="0" * 64, hosts=hosts, machines=tuple(machines), latency=latency)


class _Imagination:
    """Fills a disaster with what will go wrong."""

    def __init__(self, disaster: Disaster, chance: random.Random) -> None:
        self._disaster = disaster
        self._chance = chance
        self._machines = [(c, m.id) for c, f in disaster.fleets.items() for m in f.machines]
        self._checks = [c.name for step in disaster.plan.steps for c in step.verify]

    def fill(self) -> None:
        chance, disaster = self._chance, self._disaster
        # How bad it is differs: some recoveries only lose one machine, some lose everything.
        badness = chance.choice((0.3, 1.0, 1.0, 2.0))
        blows: tuple[tuple[float, Callable[[], None]], ...] = (
            (0.8, self._api), (0.4, self._down), (0.4, self._host_dies), (0.4, self._host_dark),
            (0.8, self._machine_dies), (0.5, self._outside), (0.6, self._flapping),
            (0.5, self._journal_full), (0.4, self._journal_slow), (0.4, self._journal_forgets),
            (0.9, self._frozen), (0.5, self._cut_journal), (0.4, self._cut_network),
            (0.8, self._killed), (0.8, self._hold), (1.2, self._machine_fault),
            (1.6, self._death), (1.2, self._press), (1.2, self._misfortune),
            (0.5, self._restart), (0.3, self._late_hold),
        )  # fmt: skip
        for rate, blow in blows:
            for _ in range(self._times(rate * badness)):
                blow()
        disaster.blows.sort(key=lambda blow: blow.at)
        disaster.presses.sort()

    def _times(self, rate: float) -> int:
        times = int(rate)
        return times + (self._chance.random() < rate - times)

    def _blow(self, what: str, longest: float, *args: Any) -> None:
        calm = self._disaster.calm
        at = self._chance.uniform(0.0, calm * 0.8)
        if self._chance.random() < 0.5:
            at = self._chance.uniform(0.0, min(10.0, calm * 0.8))  # while most is under way
        lasts = min(self._chance.uniform(0.2, longest), calm - at)
        self._disaster.blows.append(Blow(at, what, lasts, args))

    def _site(self) -> str:
        return self._chance.choice(list(self._disaster.fleets))

    def _host(self) -> tuple[str, str]:
        site = self._site()
        return site, self._chance.choice(self._disaster.fleets[site].hosts).name

    def _slot(self) -> int:
        return self._chance.randrange(self._disaster.processes)

    def _api(self) -> None:
        kind = self._chance.choice(list(ApiFault))
        self._blow("api", 20, self._site(), kind, self._chance.choice((0.1, 0.3, 0.7)))

    def _down(self) -> None:
        self._blow("down", 20, self._site())

    def _host_dies(self) -> None:
        self._blow("host_dies", 15, *self._host())

    def _host_dark(self) -> None:
        self._blow("host_dark", 15, *self._host())

    def _machine_dies(self) -> None:
        if self._machines:
            self._blow("machine_dies", 1, *self._chance.choice(self._machines))

    def _outside(self) -> None:
        if self._machines:
            self._blow("outside", 1, *self._chance.choice(self._machines))

    def _flapping(self) -> None:
        if self._checks:
            self._blow("flapping", 15, self._chance.choice(self._checks),
                       self._chance.choice((0.5, 1.0)))  # fmt: skip

    def _journal_full(self) -> None:
        self._blow("journal_full", 12)

    def _journal_slow(self) -> None:
        self._blow("journal_slow", 15, self._chance.choice((0.3, 2.0)))

    def _journal_forgets(self) -> None:
        self._blow("journal_forgets", 12, self._chance.choice((0.2, 0.6)))

    def _frozen(self) -> None:
        self._blow("frozen", 25, self._slot())

    def _cut_journal(self) -> None:
        self._blow("cut_journal", 20, self._slot())

    def _cut_network(self) -> None:
        self._blow("cut_network", 15, self._slot())

    def _killed(self) -> None:
        self._blow("killed", 8, self._slot())

    def _hold(self) -> None:
        if self._machines:
            self._blow("hold", 30, *self._chance.choice(self._machines))

    def _late_hold(self) -> None:
        self._disaster.late_holds.add(self._chance.randint(1, 12))

    def _machine_fault(self) -> None:
        if self._machines:
            connector, machine = self._chance.choice(self._machines)
            kind = self._chance.choice((*MachineFault, MachineFault.START_FAILS))
            times = self._chance.choice((1, 1, 2))
            self._disaster.machine_faults.append((connector, machine, kind, times))

    def _restart(self) -> None:
        """An application that never gets well, where the plan says to restart its machine."""
        plan = self._disaster.plan
        found = [
            (step.machine.connector, str(100 + number))
            for number, step in enumerate(plan.steps)
            if step.machine is not None
            and step.verify
            and step.retry.attempts > 1
            and step.on_unhealthy is OnUnhealthy.RESTART
        ]
        if found:
            machine = self._chance.choice(found)
            self._disaster.machine_faults.append((*machine, MachineFault.APP_NEVER, 1))
            if self._chance.random() < 0.3:
                death = self._chance.choice(("order.stop.before", "order.stop.after"))
                self._disaster.deaths.setdefault(death, set()).add(1)

    def _death(self) -> None:
        name = self._chance.choice(POINTS)
        rare = name.startswith(("order.stop", "order.find", "callout"))
        nth = self._chance.choice((1, 1, 2) if rare else (1, 1, 2, 3, 5, 9))
        self._disaster.deaths.setdefault(name, set()).add(nth)

    def _misfortune(self) -> None:
        if self._chance.random() < 0.15:
            self._disaster.rivals.append((self._site(), self._chance.randint(1, 4)))
            return
        what = self._chance.choice((Disturbance.REPLY_LOST, Disturbance.TIMEOUT, Disturbance.ERROR))
        self._disaster.misfortunes.append((self._site(), self._chance.randint(1, 6), what))

    def _press(self) -> None:
        what = self._chance.choice(_PRESSES)
        if what == "abort" and self._chance.random() < 0.6:
            return
        step = self._chance.choice(self._disaster.plan.steps).id
        at = self._chance.uniform(0.0, self._disaster.calm)
        self._disaster.presses.append((at, what, step))

"""What really happened, written down where no process can change it; the checks read only this."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass, field

from connectors.simulated.machine import Action, LogEntry, State
from drorch.run.effects import EffectKind
from drorch.run.state import RunState


@dataclass(slots=True)
class Sent:
    """An order at the moment at which it left its process; ``entry`` once it has arrived.

    ``wanted`` and ``attempt`` are what the journal wanted, as far as the process knew it to be
    durable; ``entitled`` tells whether the table of leases named the process at that moment.
    """

    at: float
    connector: str
    machine: str
    action: Action
    process: str
    epoch: int | None
    entitled: str
    wanted: EffectKind | None
    attempt: int
    known: int
    held_since: float | None
    entry: LogEntry | None = None


@dataclass(frozen=True, slots=True)
class Probed:
    at: float
    process: str
    check: str
    healthy: bool


@dataclass(frozen=True, slots=True)
class Called:
    """A callout that was really carried out, or begun."""

    at: float
    name: str
    process: str
    entitled: str
    wanted: EffectKind | None
    attempt: int


@dataclass(frozen=True, slots=True)
class Truth:
    """From ``at`` on a machine was like this."""

    at: float
    state: State
    well: bool


@dataclass(slots=True)
class Witness:
    """All records of one disaster."""

    sent: list[Sent] = field(default_factory=list)
    probes: list[Probed] = field(default_factory=list)
    calls: list[Called] = field(default_factory=list)
    truths: dict[tuple[str, str], list[Truth]] = field(default_factory=dict)
    seen: dict[tuple[str, str, str], list[tuple[float, str]]] = field(default_factory=dict)
    finals: list[tuple[str, RunState]] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)
    story: list[tuple[float, str]] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    reached: Counter[str] = field(default_factory=Counter)
    killed_at: Counter[str] = field(default_factory=Counter)

    def tell(self, what: str, *, count: str = "") -> None:
        self.story.append((asyncio.get_running_loop().time(), what))
        if count:
            self.counts[count] += 1

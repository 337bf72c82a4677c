"""One disk for all processes, and the way of each process to it: slow, full, cut, forgetful."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from drorch.errors import JournalConflictError, JournalUnavailableError, RunNotFoundError
from drorch.journal.holds import forbidden
from drorch.ports.journal import Answer, Asked, Recorded
from drorch.run import events as ev
from drorch.run.commands import Decision
from drorch.run.effects import EffectKind, effect_of
from drorch.run.evolve import evolve
from drorch.run.state import RunState
from tests.simulation.processes import WORLD, Process

RUN = "disaster-1"


@dataclass(frozen=True, slots=True)
class Commit:
    """Events ``first`` to ``last`` (numbers) became durable ``at`` (seconds), all at once."""

    first: int
    last: int
    at: float
    process: str
    epoch: int | None


@dataclass(slots=True)
class Ownership:
    """The newest line of the table of leases; ``until`` in seconds."""

    epoch: int = 0
    holder: Process | None = None
    until: float = 0.0


class Disk:
    """What is durable. It is strictly appended to; whoever does, has to be the newest owner."""

    def __init__(self) -> None:
        self.events: list[ev.Event] = []
        self.commits: list[Commit] = []
        self.state: RunState | None = None
        self.owner = Ownership()
        self.owners: list[tuple[float, int, str]] = []
        self.holds: dict[tuple[str, str], str] = {}
        self.held_since: dict[tuple[str, str], float] = {}
        self.answers: dict[int, Answer] = {}
        self.asked: list[Asked] = []
        self.effects: dict[int, list[tuple[int, EffectKind | None, int]]] = {}
        self.hold_readings = 0
        self.late_holds: set[int] = set()
        """Readings of the holds during whose answer's way back one of the machines gets held."""
        self.full = False
        self.slow = 0.0
        self.forgetful = 0.0
        self.fence = True
        self.refused = 0
        self.lost_answers = 0

    def ask(self, decision: Decision) -> int:
        entry = len(self.asked) + 1
        self.asked.append(Asked(id=entry, decision=decision))
        return entry

    def hold(self, machine: tuple[str, str], reason: str) -> None:
        if machine not in self.holds:
            self.holds[machine] = reason
            self.held_since[machine] = _now()

    def hold_for_a_while(self, machine: tuple[str, str]) -> None:
        self.hold(machine, "may be encrypted")
        asyncio.get_running_loop().call_later(8.0, self.release, machine, context=WORLD)

    def release(self, machine: tuple[str, str]) -> None:
        self.holds.pop(machine, None)
        self.held_since.pop(machine, None)

    def append(
        self,
        events: Sequence[ev.Event],
        after: int,
        answers: Sequence[Answer],
        process: Process,
        epoch: int | None,
    ) -> int:
        if self.full:
            self.refused += 1
            raise JournalUnavailableError("no space left on device")
        if self.fence and epoch is not None and epoch != self.owner.epoch:
            raise JournalConflictError(f"epoch {epoch} is over, {self.owner.epoch} owns the run")
        if events and len(self.events) != after:
            raise JournalConflictError(f"{len(self.events)} events are there, not {after}")
        for event in events:
            self._store(event)
        if events:
            last = len(self.events)
            self.commits.append(Commit(after + 1, last, _now(), process.name, epoch))
        self.answers.update({answer.id: answer for answer in answers})
        return len(self.events)

    def _store(self, event: ev.Event) -> None:
        self.events.append(event)
        self.state = state = evolve(self.state, event)
        dirty, state.dirty = state.dirty, set()
        for number in sorted(dirty):
            effect = effect_of(state, number)
            known = self.effects.setdefault(number, [(0, None, 0)])
            kind, attempt = (effect.kind, effect.attempt) if effect else (None, 0)
            if known[-1][1:] != (kind, attempt):
                known.append((len(self.events), kind, attempt))

    def effect_at(self, number: int, seq: int) -> tuple[EffectKind | None, int]:
        """Return which effect the first *seq* events want for a step, and of which attempt."""
        wanted: tuple[EffectKind | None, int] = (None, 0)
        for since, kind, attempt in self.effects.get(number, ()):
            if since > seq:
                break
            wanted = (kind, attempt)
        return wanted


class Desk:
    """The journal as one process sees it; ``epoch`` is that of the lease it acts under."""

    def __init__(self, disk: Disk, process: Process, chance: random.Random) -> None:
        self.disk = disk
        self.process = process
        self.epoch: int | None = None
        self.known = 0
        """The highest number that this process knows to be durable."""
        self._chance = chance

    async def append(
        self,
        run: str,
        events: Sequence[ev.Event],
        *,
        after: int,
        answers: Sequence[Answer] = (),
        epoch: int | None = None,
    ) -> None:
        epoch = self.epoch if epoch is None else epoch
        await self._reachable()
        disk, process = self.disk, self.process
        stored = await process.across(
            lambda: disk.append(events, after, answers, process, epoch),
            there=self._hop(),
            back=self._hop(),
        )
        if process.journal_cut or self._chance.random() < disk.forgetful:
            disk.lost_answers += 1
            raise JournalUnavailableError("the connection broke before the answer came")
        self.known = max(self.known, stored)

    async def read(self, run: str, after: int = 0) -> Sequence[Recorded]:
        await self._reachable()
        found = await self.process.across(self._records, there=self._hop(), back=self._hop())
        await self._reachable()
        self.known = len(found)
        return found[after:]

    def _records(self) -> list[Recorded]:
        if not self.disk.events:
            raise RunNotFoundError(f"there is no run {RUN!r}")
        listed = enumerate(self.disk.events, start=1)
        return [Recorded(seq=seq, at=e.at, event=e) for seq, e in listed]

    async def inbox(self, run: str) -> Sequence[Asked]:
        if self.process.over or self.process.journal_cut:
            raise JournalUnavailableError("the journal does not answer")
        answers = self.disk.answers
        return [asked for asked in self.disk.asked if asked.id not in answers]

    async def hint(self, run: str, within: float) -> None:
        await asyncio.sleep(within)

    async def held(self, machines: Sequence[tuple[str, str]]) -> dict[tuple[str, str], str]:
        await self._reachable()
        estates: Mapping[str, str] = {}
        self.disk.hold_readings += 1
        late = self.disk.hold_readings in self.disk.late_holds and bool(machines)

        def ask() -> dict[tuple[str, str], str]:
            known = forbidden(machines, self.disk.holds, estates)
            if late:
                self.disk.hold_for_a_while(machines[0])
            return known

        back = 2.5 if late else self._hop()
        found = await self.process.across(ask, there=self._hop(), back=back)
        await self._reachable()
        return found

    async def _reachable(self) -> None:
        if self.process.over:
            raise asyncio.CancelledError
        if self.process.journal_cut:
            await asyncio.sleep(0.5)
            raise JournalUnavailableError("the journal does not answer")

    def _hop(self) -> float:
        return self._chance.random() * (0.02 + self.disk.slow)


def _now() -> float:
    return asyncio.get_running_loop().time()

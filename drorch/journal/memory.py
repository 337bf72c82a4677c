"""A journal in memory: for simulations in virtual time, and for tests of the engine."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from drorch.errors import JournalConflictError, RunNotFoundError
from drorch.journal.holds import forbidden
from drorch.ports.journal import Answer, Asked, Recorded
from drorch.run.commands import Decision
from drorch.run.events import Event


class MemoryJournal:
    """Keeps the port's promises except durability. Decisions are put in by `ask`."""

    def __init__(self) -> None:
        self.events: dict[str, list[Event]] = {}
        self.answers: dict[int, Answer] = {}
        self.holds: dict[tuple[str, str], str] = {}
        self.estates: dict[str, str] = {}
        self._asked: list[tuple[str, Asked]] = []

    def create(self, run: str, events: Sequence[Event]) -> None:
        self.events[run] = list(events)

    def ask(self, run: str, decision: Decision) -> int:
        entry = len(self._asked) + 1
        self._asked.append((run, Asked(id=entry, decision=decision)))
        return entry

    async def append(
        self,
        run: str,
        events: Sequence[Event],
        *,
        after: int,
        answers: Sequence[Answer] = (),
        epoch: int | None = None,
    ) -> None:
        del epoch  # one process, one owner
        recorded = self.events.setdefault(run, [])
        if len(recorded) != after and events:
            raise JournalConflictError(f"run {run} has {len(recorded)} events, not {after}")
        recorded.extend(events)
        self.answers.update({answer.id: answer for answer in answers})

    async def read(self, run: str, after: int = 0) -> Sequence[Recorded]:
        if run not in self.events:
            raise RunNotFoundError(f"there is no run {run!r}")
        listed = enumerate(self.events[run], start=1)
        return [Recorded(seq=seq, at=e.at, event=e) for seq, e in listed if seq > after]

    async def inbox(self, run: str) -> Sequence[Asked]:
        return [a for r, a in self._asked if r == run and a.id not in self.answers]

    async def held(self, machines: Sequence[tuple[str, str]]) -> dict[tuple[str, str], str]:
        return forbidden(machines, self.holds, self.estates)

    async def hint(self, run: str, within: float) -> None:
        del run  # whoever asks in this process is in no hurry
        await asyncio.sleep(within)

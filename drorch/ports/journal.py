"""The port to the journal: what a run has recorded, and what people asked of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple, Protocol

from drorch.run.commands import Decision
from drorch.run.events import Event


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A person's decision from the inbox, not yet answered."""

    id: int
    decision: Decision


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What became of a decision: ``refused`` holds the reason, empty when it took effect."""

    id: int
    refused: str = ""


class Recorded(NamedTuple):
    """An event with its place in the run's journal; the first one is number 1."""

    seq: int
    at: datetime
    event: Event


EVERYTHING = ("", "")
"""Stands for all machines and callouts at once, where it is said what must not be ordered."""


class Journal(Protocol):
    """Durable and append-only. ``(run, seq)`` is the key: the insert is the optimistic lock."""

    async def append(
        self,
        run: str,
        events: Sequence[Event],
        *,
        after: int,
        answers: Sequence[Answer] = (),
        epoch: int | None = None,
    ) -> None:
        """Store *events* behind number *after*, and *answers*, all or none.

        On return they are durable: a power cut does not take them back. *epoch* is that of the
        writer's lease. Raises `JournalConflictError` when somebody else has appended or has the
        newer lease. `JournalUnavailableError` means that nothing can be written now, or that it is
        not known whether it was: ask again, and compare what is stored if that conflicts.
        """

    async def read(self, run: str, after: int = 0) -> Sequence[Recorded]:
        """Return what is recorded behind number *after*. Raises `RunNotFoundError`."""

    async def inbox(self, run: str) -> Sequence[Asked]:
        """Return the decisions for *run* that have no answer yet, oldest first."""

    async def held(self, machines: Sequence[tuple[str, str]]) -> dict[tuple[str, str], str]:
        """Return which of these (connector, machine id) must not be started, and why.

        A hold counts for every connector that leads to the same estate. While drorch is halted,
        `EVERYTHING` is among what is returned, whatever was asked for.
        """

    async def hint(self, run: str, within: float) -> None:
        """Return once something may have come into the inbox of *run*, or *within* seconds."""

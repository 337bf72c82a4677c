"""A journal during whose appends the power goes, before or after they are on disk."""

from __future__ import annotations

from collections.abc import Sequence

from typing_extensions import override

from drorch.journal.memory import MemoryJournal
from drorch.ports.journal import Answer
from drorch.run.events import Event
from tests.fakes.stage import PowerCutError


class DyingJournal(MemoryJournal):
    """Dies once at each of these appends, counted over all lives."""

    def __init__(self, *, dies_at: frozenset[int] = frozenset(), stored: bool = True) -> None:
        super().__init__()
        self.appends = 0
        self._dies_at = dies_at
        self._stored = stored

    @override
    async def append(
        self,
        run: str,
        events: Sequence[Event],
        *,
        after: int,
        answers: Sequence[Answer] = (),
        epoch: int | None = None,
    ) -> None:
        self.appends += 1
        dies = self.appends in self._dies_at
        if dies and not self._stored:
            raise PowerCutError
        await super().append(run, events, after=after, answers=answers, epoch=epoch)
        if dies:
            raise PowerCutError

"""Runs as readers see them: folded from the journal, and only what is new at each look."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import AsyncIterator, Collection, Sequence
from datetime import datetime

from drorch.journal.pages import Place, RunFilter, RunLine, RunsPage, is_imported, runs_page
from drorch.journal.store import Store
from drorch.ports.journal import Recorded
from drorch.run.evolve import evolve, fold
from drorch.run.spans import Spans
from drorch.run.state import RunState
from drorch.run.status import RunStatus

_KEPT = 32
_LINES = 100
_AT_ONCE = 1000
"""More events than this are folded outside the event loop, which others wait for."""


class RunReader:
    """Keeps the states of the runs that were read last, and brings them up to date."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._states: OrderedDict[str, RunState] = OrderedDict()
        self._latest: dict[str, Recorded] = {}
        self._spans: dict[str, Spans] = {}
        self._locks: dict[str, asyncio.Lock] = {}

    async def state(self, run: str) -> RunState:
        """Return the run as it is recorded now; for reading only. Raises `RunNotFoundError`."""
        lock = self._locks.setdefault(run, asyncio.Lock())
        async with lock:
            try:
                return await self._forward(run)
            finally:
                if run not in self._states:
                    self._locks.pop(run, None)

    def recorded_at(self, run: str) -> datetime | None:
        """Return when something was last recorded of a run whose `state` was just read."""
        latest = self._latest.get(run)
        return latest.at if latest is not None else None

    def spans(self, run: str) -> Spans:
        """Return when each step acted, of a run whose `state` was just read."""
        return self._spans.get(run) or Spans()

    async def runs(
        self, wanted: RunFilter, limit: int | None, after: Place | None = None
    ) -> RunsPage:
        """Return at most *limit* runs (None for all), newest first, with a status as wanted."""
        found: list[RunLine] = []
        async for line in self._listed(wanted, after):
            if len(found) == limit:
                return RunsPage(found, more=True)
            found.append(line)
        return RunsPage(found, more=False)

    async def _listed(self, wanted: RunFilter, after: Place | None) -> AsyncIterator[RunLine]:
        more = True
        while more:
            lines, more = await runs_page(self._store, _LINES, wanted=wanted, after=after)
            for line in lines:
                after = line.place
                if await self._has(line, wanted.statuses):
                    yield line

    async def _has(self, line: RunLine, statuses: Collection[RunStatus]) -> bool:
        """Look into a run that is open: the list does not know how it stands."""
        if not statuses or line.ended_at is not None:
            return True
        return (await self.state(line.id)).status in statuses

    async def _forward(self, run: str) -> RunState:
        recorded = await self._news(run)
        known = self._states.get(run)
        spans = self._spans.get(run) or Spans()
        if len(recorded) > _AT_ONCE:
            state, spans = await asyncio.to_thread(_folded, known, recorded, spans)
        else:
            state, spans = _folded(known, recorded, spans)
        state.dirty.clear()
        if recorded:
            self._latest[run] = recorded[-1]
        if known is None or state.imported:  # it stays so until somebody carries it on here
            state.imported = await is_imported(self._store, run)
        self._states[run], self._spans[run] = state, spans
        self._states.move_to_end(run)
        while len(self._states) > _KEPT:
            gone = next(iter(self._states))
            self._locks.pop(gone, None)
            self._forget(gone)
        return state

    async def _news(self, run: str) -> Sequence[Recorded]:
        """Return what was recorded since the last look; all, and forget, if that is gone.

        An older state of the journal may have been put back, and have gone on in another way.
        """
        known, last = self._states.get(run), self._latest.get(run)
        if known is None or last is None or known.seq != last.seq:
            self._forget(run)  # or somebody stopped waiting in the middle of folding
            return await self._store.read(run)
        if last.seq == 1:  # it holds the plan; nothing but its own request comes before the rest
            return await self._store.read(run, 1)
        found = await self._store.read(run, last.seq - 1)
        if found and found[0].event == last.event:
            return found[1:]
        self._forget(run)
        return await self._store.read(run)

    def _forget(self, run: str) -> None:
        self._states.pop(run, None)
        self._latest.pop(run, None)
        self._spans.pop(run, None)


def _folded(
    state: RunState | None, recorded: Sequence[Recorded], spans: Spans
) -> tuple[RunState, Spans]:
    events = [record.event for record in recorded]
    spans.follow(events)
    if state is None:
        return fold(events), spans
    for event in events:
        evolve(state, event)
    return state, spans

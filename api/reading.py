"""Runs as readers see them: folded from the journal, and only what is new at each look."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Sequence

from drorch.journal.store import Store
from drorch.ports.journal import Recorded
from drorch.run.evolve import evolve
from drorch.run.state import RunState

_KEPT = 32


class RunReader:
    """Keeps the states of the runs that were read last, and brings them up to date."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._states: OrderedDict[str, RunState] = OrderedDict()
        self._locks: dict[str, asyncio.Lock] = {}

    async def state(self, run: str) -> RunState:
        """Return the run as it is recorded now; for reading only. Raises `RunNotFoundError`."""
        async with self._locks.setdefault(run, asyncio.Lock()):
            known = self._states.pop(run, None)
            recorded = await self._store.read(run, known.seq if known else 0)
            state = _forward(known, recorded)
            state.dirty.clear()
            self._states[run] = state
            while len(self._states) > _KEPT:
                gone, _ = self._states.popitem(last=False)
                self._locks.pop(gone, None)
            return state


def _forward(state: RunState | None, recorded: Sequence[Recorded]) -> RunState:
    for record in recorded:
        state = evolve(state, record.event)
    if state is None:
        raise ValueError("a run has at least the event that requested it")
    return state

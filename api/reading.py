"""Runs as readers see them: folded from the journal, and only what is new at each look."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Sequence

from drorch.journal.store import Store
from drorch.ports.journal import Recorded
from drorch.run.evolve import evolve, fold
from drorch.run.state import RunState

_KEPT = 32
_AT_ONCE = 1000
"""More events than this are folded outside the event loop, which others wait for."""


class RunReader:
    """Keeps the states of the runs that were read last, and brings them up to date."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._states: OrderedDict[str, RunState] = OrderedDict()
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

    async def _forward(self, run: str) -> RunState:
        known = self._states.get(run)
        recorded = await self._store.read(run, known.seq if known else 0)
        if len(recorded) > _AT_ONCE:
            state = await asyncio.to_thread(_folded, known, recorded)
        else:
            state = _folded(known, recorded)
        state.dirty.clear()
        self._states[run] = state
        self._states.move_to_end(run)
        while len(self._states) > _KEPT:
            gone, _ = self._states.popitem(last=False)
            self._locks.pop(gone, None)
        return state


def _folded(state: RunState | None, recorded: Sequence[Recorded]) -> RunState:
    if state is None:
        return fold(record.event for record in recorded)
    for record in recorded:
        evolve(state, record.event)
    return state

"""Forecasts of open runs, shared by all who ask: never more often than they are worth."""

from __future__ import annotations

import asyncio
import contextvars
from collections import OrderedDict
from dataclasses import dataclass
from datetime import timedelta

import structlog

from drorch.errors import DrorchError
from drorch.forecast.draft import drafted
from drorch.forecast.forecast import Forecast, foretold
from drorch.forecast.lengths import Known
from drorch.journal.lessons import EarlierRuns
from drorch.journal.store import Store
from drorch.model.collector import collector_paused
from drorch.ports.clock import Clock
from drorch.run.state import RunState
from drorch.run.status import Mode

log = structlog.get_logger()

EVERY = 5.0
"""Seconds between two forecasts of one run."""
PATIENCE = 0.25
"""Seconds that somebody waits for the first one; a run of hundreds of machines takes less."""
_REST = 9.0
"""One that takes long is followed by so many times its length of rest: it is not the work."""
_STALE = timedelta(minutes=1)
"""An older forecast is not told any more; nobody has asked meanwhile."""
_KEPT = 64
_FORESEEN = frozenset({Mode.LIVE, Mode.DRILL})


@dataclass(slots=True)
class _Kept:
    known: Known | None = None
    found: Forecast | None = None
    due: float = 0.0
    renewing: asyncio.Task[None] | None = None


class Forecaster:
    """Keeps the last forecast of each run that somebody looks at.

    The journal is read and the samples are drawn in a thread, for one run at a time: what people
    look at never holds up those who look, nor a recovery beside them.
    """

    def __init__(self, store: Store, clock: Clock) -> None:
        self._clock = clock
        self._earlier = EarlierRuns(store)
        self._kept: OrderedDict[str, _Kept] = OrderedDict()
        self._one = asyncio.Lock()

    async def forecast(self, state: RunState, patience: float = PATIENCE) -> Forecast | None:
        """Return the newest forecast of a run; None if there is none, or none yet.

        Where none is told yet it is waited for, for *patience* seconds at most. Runs that touch
        nothing have none, nor have those that have not begun, are aborting, or are over.
        """
        if not _is_foreseen(state):
            self._kept.pop(state.run, None)
            return None
        kept = self._kept.setdefault(state.run, _Kept())
        self._kept.move_to_end(state.run)
        while len(self._kept) > _KEPT:
            self._kept.popitem(last=False)
        self._renew(kept, state)
        if kept.renewing is not None and patience > 0 and self._told(kept) is None:
            await asyncio.wait({kept.renewing}, timeout=patience)
        return self._told(kept)

    def _told(self, kept: _Kept) -> Forecast | None:
        fresh = kept.found is not None and self._clock.now() - kept.found.at < _STALE
        return kept.found if fresh else None

    def _renew(self, kept: _Kept, state: RunState) -> None:
        if kept.renewing is None and asyncio.get_running_loop().time() >= kept.due:
            # It outlives the request that begins it: what it logs has no number of its own.
            work = self._renewed(kept, state)
            kept.renewing = asyncio.create_task(work, context=contextvars.Context())

    async def _renewed(self, kept: _Kept, state: RunState) -> None:
        loop = asyncio.get_running_loop()
        began = loop.time()
        try:
            async with self._one:
                began = loop.time()
                await self._make(kept, state)
        except DrorchError as error:
            log.warning("forecast.unread", run=state.run, reason=error.message)
        except Exception:
            log.exception("forecast.broke", run=state.run)
        finally:
            ended = loop.time()
            kept.due = ended + max(EVERY, _REST * (ended - began))
            kept.renewing = None

    async def _make(self, kept: _Kept, state: RunState) -> None:
        if kept.known is None:
            lessons = await self._earlier.lessons(state.plan.id)
            kept.known = await asyncio.to_thread(Known, state.plan, lessons)
        # Here and not in the thread: the state belongs to this loop, and changes only between
        # two turns of it.
        with collector_paused():
            draft = drafted(state, self._clock.now(), kept.known)
        kept.found = await asyncio.to_thread(foretold, draft)


def _is_foreseen(state: RunState) -> bool:
    begun = state.started_at is not None and not state.is_over
    return begun and not state.aborting and not state.imported and state.mode in _FORESEEN

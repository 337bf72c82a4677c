"""What the journals of earlier runs teach a forecast; each ended run is read once."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence

from sqlalchemy import Connection, select

from drorch.forecast.lessons import EARLIER_RUNS, TELLING, Lessons, Took, lessons, taken
from drorch.journal import codec
from drorch.journal.store import Store, events_, runs_
from drorch.journal.tables import IMPORTED
from drorch.run.status import Mode

_KEPT = 200
"""Runs whose lessons are remembered: some hundred bytes for each of their steps."""
_AT_ONCE = 500
_TYPES = [kind.type for kind in TELLING]


class EarlierRuns:
    """Reads what ended live runs and drills took. A run that has ended never changes again."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._taken: OrderedDict[str, Mapping[str, Took]] = OrderedDict()

    async def lessons(self, plan: str) -> Lessons:
        """Return what the newest ended runs of *plan* took, outside of the event loop.

        Dry runs and simulations teach nothing. Raises `JournalError`.
        """
        runs = await self._store.reading(lambda connection: _ended(connection, plan))
        return lessons([await self._of(run) for run in runs])

    async def _of(self, run: str) -> Mapping[str, Took]:
        if run not in self._taken:
            read = await self._store.reading(lambda connection: _read(connection, run))
            self._taken[run] = read
            if len(self._taken) > _KEPT:
                self._taken.popitem(last=False)
        self._taken.move_to_end(run)
        return self._taken[run]


def _ended(connection: Connection, plan: str) -> Sequence[str]:
    query = select(runs_.c.id).where(
        runs_.c.plan == plan,
        runs_.c.mode.in_([str(Mode.LIVE), str(Mode.DRILL)]),
        runs_.c.ended_at.is_not(None),
        runs_.c.status != IMPORTED,
    )
    newest = query.order_by(runs_.c.created_at.desc(), runs_.c.id.desc()).limit(EARLIER_RUNS)
    return [str(row.id) for row in connection.execute(newest)]


def _read(connection: Connection, run: str) -> Mapping[str, Took]:
    query = (
        select(events_.c.type, events_.c.version, events_.c.data)
        .where(events_.c.run == run, events_.c.type.in_(_TYPES))
        .order_by(events_.c.seq)
    )
    found = connection.execution_options(yield_per=_AT_ONCE).execute(query)
    return taken(codec.decode(row.type, row.data, row.version) for row in found)

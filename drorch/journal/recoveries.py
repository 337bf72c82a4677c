"""Which recoveries are under way, and which services they have."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

from sqlalchemy import Connection, select

from drorch.journal import codec
from drorch.journal.pages import open_runs
from drorch.journal.store import Store, events_
from drorch.run import events as ev
from drorch.run.status import Mode


class Recovery(NamedTuple):
    """An open live run that has begun; one that awaits its approval is none yet."""

    run: str
    plan: str
    services: frozenset[str]


class Recoveries:
    """Looks for them; what a run has is read once, as its plan never changes."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._begun: dict[str, Recovery] = {}

    async def open(self) -> Sequence[Recovery]:
        """Return those that are under way, newest first. Raises `JournalError`."""
        live = [line.id for line in await open_runs(self._store) if line.mode == Mode.LIVE]
        for run in [run for run in live if run not in self._begun]:
            found = await self._store.reading(partial(_begun, run))
            if found is not None:
                self._begun[run] = found
        self._begun = {run: self._begun[run] for run in live if run in self._begun}
        return list(self._begun.values())


def _begun(run: str, connection: Connection) -> Recovery | None:
    own = events_.c.run == run
    started = select(events_.c.seq).where(own, events_.c.type == ev.RunStarted.type).limit(1)
    if connection.execute(started).first() is None:
        return None
    first = select(events_.c.type, events_.c.version, events_.c.data).where(own)
    row = connection.execute(first.order_by(events_.c.seq).limit(1)).one()
    asked = codec.decode(row.type, row.data, row.version)
    assert isinstance(asked, ev.RunRequested)  # noqa: S101 (a journal begins with it)
    plan = asked.plan
    return Recovery(run, plan.id, frozenset(service.id for service in plan.services))

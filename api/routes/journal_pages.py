"""The journal of a run as readers get it: pages of events as JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, NamedTuple

from sqlalchemy import Connection, Row, select

from drorch.errors import RunNotFoundError
from drorch.journal import codec
from drorch.journal.store import Store, events_, runs_
from drorch.run import events as ev
from drorch.run.views import Json, event_json


class EventPage(NamedTuple):
    """Events in order. ``more`` tells that others follow already."""

    events: Sequence[Json]
    more: bool


async def read_page(store: Store, run: str, after: int, limit: int) -> EventPage:
    """Return at most *limit* events behind number *after*. Raises `RunNotFoundError`."""

    def work(connection: Connection) -> Sequence[Row[Any]] | None:
        query = (
            select(events_.c.seq, events_.c.type, events_.c.version, events_.c.data)
            .where(events_.c.run == run, events_.c.seq > after)
            .order_by(events_.c.seq)
            .limit(limit + 1)
        )
        rows = connection.execute(query).all()
        known = rows or connection.execute(select(runs_.c.id).where(runs_.c.id == run)).first()
        return rows if known else None

    rows = await store.reading(work)
    if rows is None:
        raise RunNotFoundError(
            f"there is no run {run!r} here", hint="GET /api/v1/runs lists the runs of this service"
        )
    return EventPage([_shown(row) for row in rows[:limit]], len(rows) > limit)


def _shown(row: Row[Any]) -> Json:
    event = codec.decode(row.type, row.data, row.version)
    data = json.loads(codec.encode(event))
    if isinstance(event, ev.RunRequested):
        # The plan is most of a journal's bytes and has a call of its own; its digest names it.
        data["plan"] = event.plan.id
        data["digest"] = event.plan.digest
    return event_json(row.seq, row.type, event.at, data)

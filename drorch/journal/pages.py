"""Pages of what is recorded: the list of runs, newest first, and the events of one run."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Connection, Row, Select, and_, func, or_, select

from drorch.errors import RunNotFoundError
from drorch.journal import codec
from drorch.journal.store import Store, events_, runs_
from drorch.journal.tables import IMPORTED
from drorch.model.moment import stamp
from drorch.ports.journal import Recorded
from drorch.run import events as ev
from drorch.run.status import ENDED, Mode, RunStatus
from drorch.run.views import Json, event_json


@dataclass(frozen=True, slots=True, kw_only=True)
class RunLine:
    """A run in a list. ``status`` is ``running`` for every open run; its events know more."""

    id: str
    plan: str
    mode: str
    status: str
    created_at: str
    ended_at: str | None

    @property
    def place(self) -> Place:
        return Place(self.created_at, self.id)


class Place(NamedTuple):
    """Where a run stands in the list; the list goes on with what is older."""

    created_at: str
    run: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFilter:
    """Which runs are listed: empty means all of them."""

    plan: str = ""
    modes: Collection[Mode] = field(default=())
    statuses: Collection[RunStatus] = field(default=())

    def conditions(self) -> list[ColumnElement[bool]]:
        found: list[ColumnElement[bool]] = []
        if self.plan:
            found.append(runs_.c.plan == self.plan)
        if self.modes:
            found.append(runs_.c.mode.in_([str(mode) for mode in self.modes]))
        if self.statuses:
            ended = runs_.c.status.in_([str(status) for status in self.statuses])
            over = and_(runs_.c.ended_at.is_not(None), ended)
            may_be_open = not ENDED.issuperset(self.statuses)
            found.append(or_(over, runs_.c.ended_at.is_(None)) if may_be_open else over)
        return found


class RunsPage(NamedTuple):
    """Runs, newest first. ``more`` tells that older ones follow."""

    lines: Sequence[RunLine]
    more: bool


class EventPage(NamedTuple):
    """Events in order, as JSON. ``more`` tells that others follow already."""

    events: Sequence[Json]
    more: bool


async def runs_page(
    store: Store,
    limit: int,
    *,
    wanted: RunFilter | None = None,
    after: Place | None = None,
) -> RunsPage:
    """Return at most *limit* runs, those that are older than *after*.

    Of open runs the table knows no more than that they are open: with a status that an open run
    may have, all of them are listed, and the caller looks at each.
    """
    query = _newest_first().where(*(wanted or RunFilter()).conditions()).limit(limit + 1)
    if after is not None:
        same = and_(runs_.c.created_at == after.created_at, runs_.c.id < after.run)
        query = query.where(or_(runs_.c.created_at < after.created_at, same))
    lines = await _lines(store, query)
    return RunsPage(lines[:limit], len(lines) > limit)


async def open_runs(store: Store) -> Sequence[RunLine]:
    """Return every run that has not ended, newest first; none that is here to be read only."""
    driven = and_(runs_.c.ended_at.is_(None), runs_.c.status != IMPORTED)
    return await _lines(store, _newest_first().where(driven))


async def tally_of_ended(store: Store, since: str) -> Mapping[tuple[str, str], int]:
    """Return how many runs ended at or after *since* (as recorded), by mode and status."""
    ended = runs_.c.ended_at >= since
    query = select(runs_.c.mode, runs_.c.status, func.count()).where(ended)
    query = query.group_by(runs_.c.mode, runs_.c.status)
    rows = await store.reading(lambda connection: connection.execute(query).all())
    return {(mode, status): count for mode, status, count in rows}


async def is_imported(store: Store, run: str) -> bool:
    """Tell whether *run* is open elsewhere and here to be read only."""
    query = select(runs_.c.status).where(runs_.c.id == run)
    return await store.reading(lambda connection: connection.execute(query).scalar()) == IMPORTED


async def newest_runs(store: Store, mode: Mode) -> Sequence[RunLine]:
    """Return the newest run of each plan in this *mode*; none that is here to be read only."""
    numbers = select(runs_.c.plan, func.max(runs_.c.number).label("number"))
    ours = and_(runs_.c.mode == str(mode), runs_.c.status != IMPORTED)
    last = numbers.where(ours).group_by(runs_.c.plan).subquery()
    newest = (runs_.c.plan == last.c.plan) & (runs_.c.number == last.c.number)
    return await _lines(store, _newest_first().join(last, newest))


async def events_page(store: Store, run: str, after: int, limit: int) -> EventPage:
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
        raise RunNotFoundError(f"there is no run {run!r} here", hint="'drorch runs' lists the runs")
    decoded = ((r.seq, codec.decode(r.type, r.data, r.version)) for r in rows[:limit])
    shown = [recorded_json(Recorded(seq, event.at, event)) for seq, event in decoded]
    return EventPage(shown, len(rows) > limit)


async def step_events(store: Store, run: str, step: str, limit: int) -> Sequence[Json]:
    """Return the newest *limit* events about one step, oldest first; none of a run unknown here."""
    about = events_.c.data.contains(f'"step":{json.dumps(step)}', autoescape=True)
    query = (
        select(events_.c.seq, events_.c.type, events_.c.version, events_.c.data)
        .where(events_.c.run == run, about)
        .order_by(events_.c.seq.desc())
        .limit(limit)
    )
    rows = await store.reading(lambda connection: connection.execute(query).all())
    decoded = ((r.seq, codec.decode(r.type, r.data, r.version)) for r in reversed(rows))
    shown = [recorded_json(Recorded(seq, event.at, event)) for seq, event in decoded]
    return [event for event in shown if event["step"] == step]


def recorded_json(record: Recorded) -> Json:
    """Return an event as people and programs see it.

    Of the plan inside the first one its id and digest are left: it is most of a journal's bytes.
    """
    event = record.event
    data: dict[str, Any]
    if isinstance(event, ev.RunRequested):
        data = {f.name: getattr(event, f.name) for f in fields(event)}
        data |= {"plan": event.plan.id, "digest": event.plan.digest, "only": list(event.only)}
        data["approve_by"] = stamp(event.approve_by) if event.approve_by else None
    else:
        data = json.loads(codec.encode(event))
    return event_json(record.seq, event.type, record.at, data)


def _newest_first() -> Select[Any]:
    return select(runs_).order_by(runs_.c.created_at.desc(), runs_.c.id.desc())


async def _lines(store: Store, query: Select[Any]) -> list[RunLine]:
    names = [f.name for f in fields(RunLine)]
    rows = await store.reading(lambda connection: connection.execute(query).all())
    return [RunLine(**{name: getattr(row, name) for name in names}) for row in rows]

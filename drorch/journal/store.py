"""The store of one installation: journals of runs and the inbox, on SQLite or PostgreSQL."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import Connection, CursorResult, Row, bindparam, delete, insert, select
from sqlalchemy.exc import SQLAlchemyError

from drorch.access.principal import Act
from drorch.errors import (
    CommandRejectedError,
    JournalConflictError,
    JournalDamagedError,
    JournalError,
    JournalUnavailableError,
    MachineClaimedError,
    RunNotFoundError,
)
from drorch.failpoints import reach
from drorch.journal import codec
from drorch.journal.backend import Backend, store_append
from drorch.journal.birth import new_run, was_begun
from drorch.journal.holds import forbidden, look_up, soonest
from drorch.journal.ledger import recorded
from drorch.journal.listening import Listener
from drorch.journal.ownership import Ownership
from drorch.journal.postgres import PostgresBackend
from drorch.journal.schema import Ready, prepare
from drorch.journal.sharing import SharedReading
from drorch.journal.sqlite import SqliteBackend
from drorch.journal.tables import ClaimRow, EstateRow, EventRow, HoldRow, InboxRow, RunRow
from drorch.journal.tickets import Append, Ending, EventLine, FeedLine, Work
from drorch.journal.url import Place
from drorch.journal.writer import Writer
from drorch.model.collector import collector_paused
from drorch.model.moment import stamp
from drorch.ports.journal import EVERYTHING, Answer, Asked, Recorded
from drorch.ports.lease import Lease
from drorch.ports.meter import SILENT, Meter
from drorch.run import commands as cmd
from drorch.run import events as ev

T = TypeVar("T")
_AGAIN = 5
_AT_ONCE = 500
"""Rows that are fetched before they are decoded."""
Build = Callable[[str], Sequence[ev.Event]]

events_ = EventRow.__table__  # type: ignore[attr-defined]  # SQLModel adds it at run time
runs_ = RunRow.__table__  # type: ignore[attr-defined]
claims_ = ClaimRow.__table__  # type: ignore[attr-defined]
inbox_ = InboxRow.__table__  # type: ignore[attr-defined]
holds_ = HoldRow.__table__  # type: ignore[attr-defined]
estates_ = EstateRow.__table__  # type: ignore[attr-defined]

_UNANSWERED = (
    select(inbox_.c.run, inbox_.c.id, inbox_.c.decision, inbox_.c.data)
    .where(inbox_.c.answered_at.is_(None))
    .order_by(inbox_.c.id)
)
_RECORDED = (
    select(events_.c.seq, events_.c.type, events_.c.version, events_.c.data)
    .where(events_.c.run == bindparam("of"), events_.c.seq > bindparam("after"))
    .order_by(events_.c.seq)
)


def open_backend(place: Place, ready: Ready = prepare) -> Backend:
    """Open the database at *place*. Raises `JournalError`, `ConfigurationError`."""
    return SqliteBackend(place, ready) if place.url is None else PostgresBackend(place, ready)


class Store:
    """Implements `drorch.ports.journal.Journal` and what the faces need beside it."""

    def __init__(self, place: Place | Path, meter: Meter = SILENT) -> None:
        if isinstance(place, Path):
            place = Place(shown=str(place), file=place)
        self.backend = open_backend(place)
        self._writer = Writer(self.backend, meter)
        self._writer.start()
        self._refusal: JournalError | None = None
        self._open_entries = SharedReading(self._inboxes)
        self._listener: Listener | None = None
        if isinstance(self.backend, PostgresBackend):
            self._listener = Listener(self.backend)

    @property
    def place(self) -> Place:
        return self.backend.place

    def only_read(self, refusal: JournalError | None) -> None:
        """Refuse everything that would be written, with *refusal*; None allows it again."""
        self._refusal = refusal

    async def _written(self, work: Work | Append) -> Any:
        if self._refusal is not None:
            raise self._refusal
        return await self._writer.run_work(work)

    def close(self) -> None:
        """Finish what is queued and let go of the database. Safe to repeat."""
        if self._writer.is_alive():
            self._writer.stop()
        if self._listener is not None:
            self._listener.close()
        self.backend.close()

    async def reading(self, work: Callable[[Connection], T]) -> T:
        """Return what *work* reads, in one consistent view and outside the event loop.

        Raises `JournalUnavailableError` when the database cannot be read now.
        """

        def read() -> T:
            try:
                with self.backend.reader.connect() as connection:
                    return work(connection)
            except (SQLAlchemyError, OSError) as error:
                raise self.backend.translate(error, doing="read") from error

        return await asyncio.to_thread(read)

    async def writing(self, work: Callable[[Connection], T], act: Act | None = None) -> T:
        """Return what *work* returned, durable; raises `JournalError`.

        With *act* the record of acts has it in the same transaction. Raises `EffectKnownError`,
        and does nothing, when the act's request has had its effect before.
        """
        if act is None:
            result: T = await self._written(work)
            return result
        whole: Callable[[Connection], T] = recorded(work, act)
        return await self._first_come(whole)

    async def create_run(
        self,
        plan: str,
        mode: str,
        build: Build,
        claims: Sequence[tuple[str, str]] = (),
    ) -> str:
        """Record a new run with its first events and claims, all or none; return its id.

        *build* gets the id. Raises `MachineClaimedError` if an open live run holds a machine.
        """
        run, _ = await self.create_owned_run(plan, mode, build, claims, owner=None)
        return run

    async def create_owned_run(
        self,
        plan: str,
        mode: str,
        build: Build,
        claims: Sequence[tuple[str, str]],
        *,
        owner: Ownership | None,
        act: Act | None = None,
    ) -> tuple[str, Lease | None]:
        """Create a run, as `create_run` does, that *owner* has before anybody else can see it.

        Whoever is told `JournalUnavailableError` may rely on it that there is no such run, unless
        it says that this is not known.
        """
        taken: list[Lease | None] = []
        made: list[Append] = []

        def work(connection: Connection) -> str:
            made.clear()
            reach("run.create.before")
            refuse_claimed(connection, claims)
            run = new_run(connection, plan, mode)
            taken.append(owner.newborn(run, connection) if owner is not None else None)
            events = build(run)
            if claims:
                rows = [{"estate": e, "machine": m, "run": run} for e, m in claims]
                connection.execute(insert(claims_), rows)
            self.backend.notify(connection, f"new {run}")
            append = _append(run, events, after=0, answers=(), epoch=None)
            store_append(connection, append, self.backend.txn(connection))
            made.append(append)
            return run

        if owner is not None:
            owner.keep_renewing()
        kept: Lease | None = None
        try:
            run = await self._first_come(recorded(work, act) if act is not None else work)
            kept = taken[-1]
        except JournalUnavailableError as error:
            if not made or not await was_begun(made[0], error, self._writer.run_work):
                raise
            run, kept = made[0].run, taken[-1]
        finally:
            for lease in taken:  # of attempts where somebody else was quicker
                if lease is not None and lease is not kept:
                    await lease.release()
        reach("run.create.after")
        return run, kept

    async def _first_come(self, work: Callable[[Connection], T]) -> T:
        """Try again where somebody else was quicker: what is free is looked at anew."""
        for _ in range(_AGAIN):
            try:
                return await self.writing(work)
            except JournalConflictError:
                continue
        return await self.writing(work)

    async def append(
        self,
        run: str,
        events: Sequence[ev.Event],
        *,
        after: int,
        answers: Sequence[Answer] = (),
        epoch: int | None = None,
    ) -> None:
        append = _append(run, events, after=after, answers=answers, epoch=epoch)
        await self._written(append)

    async def read(self, run: str, after: int = 0) -> Sequence[Recorded]:
        where = {"of": run, "after": after}
        with collector_paused():
            found = await self.reading(lambda line: _decoded(line.execute(_RECORDED, where)))
        if not found and after == 0:
            raise RunNotFoundError(
                f"there is no run {run!r} here", hint="'drorch runs' lists the runs of this store"
            )
        if found and found[-1].seq != after + len(found):
            raise self._gap(run, [record.seq for record in found], after)
        return found

    def _gap(self, run: str, found: Sequence[int], after: int) -> JournalDamagedError:
        expected = range(after + 1, after + len(found) + 1)
        first = next(want for want, seq in zip(expected, found, strict=True) if want != seq)
        return JournalDamagedError(
            f"the journal of {run} is not whole: event {first} is missing, {found[-1]} is there",
            hint=f"drorch will not guess what happened. Put a backup of {self.place.shown} back, "
            "or look at every machine of the plan by hand and start a new run",
        )

    async def feed(self, after: tuple[int, str, int], limit: int) -> Sequence[FeedLine]:
        """Return events of all runs behind the place *after* (txn, run, seq), oldest first.

        Never those that a transaction which is still open might yet precede: a reader that goes
        on from the last line misses nothing.
        """
        txn, run, seq = after
        place = (
            (events_.c.txn > txn)
            | ((events_.c.txn == txn) & (events_.c.run > run))
            | ((events_.c.txn == txn) & (events_.c.run == run) & (events_.c.seq > seq))
        )

        def work(connection: Connection) -> list[Any]:
            ready = events_.c.txn < self.backend.settled(connection)
            query = select(events_).where(place, ready, events_.c.txn >= txn)
            query = query.order_by(events_.c.txn, events_.c.run, events_.c.seq).limit(limit)
            return list(connection.execute(query).all())

        rows = await self.reading(work)
        return [
            FeedLine(r.txn, r.run, r.seq, codec.decode(r.type, r.data, r.version)) for r in rows
        ]

    async def inbox(self, run: str) -> Sequence[Asked]:
        rows = [row for row in await self._open_entries.get() if row.run == run]
        decoded = ((r.id, codec.decode_decision(r.decision, r.data)) for r in rows)
        return [Asked(id=entry, decision=decision) for entry, decision in decoded if decision]

    async def _inboxes(self) -> Sequence[Row[Any]]:
        """Read what has no answer yet in the inboxes of all runs: it is never much."""
        return await self.reading(lambda connection: connection.execute(_UNANSWERED).all())

    async def submit(self, run: str, decision: cmd.Decision, act: Act | None = None) -> int:
        """Put a person's decision into the inbox of *run*; return the number of its entry.

        Raises `CommandRejectedError` where the run has ended: nobody would answer it.
        """
        return await self.writing(lambda c: self._enter(c, run, decision), act)

    def _enter(self, connection: Connection, run: str, decision: cmd.Decision) -> int:
        _refuse_over(connection, run)
        name, data = codec.encode_decision(decision)
        at = stamp(datetime.now(UTC))
        row = {"run": run, "decision": name, "data": data, "at": at, "refused": ""}
        key = connection.execute(insert(inbox_), row).inserted_primary_key
        assert key is not None  # noqa: S101 (a single row was inserted)
        self.backend.notify(connection, f"inbox {run}")
        return int(key[0])

    async def submit_with_claims(
        self, run: str, decision: cmd.Decision, claims: Sequence[tuple[str, str]], act: Act
    ) -> int:
        """Submit a decision that takes machines; all or nothing.

        Raises `MachineClaimedError`, and `CommandRejectedError` where the run has ended meanwhile.
        """

        def work(connection: Connection) -> int:
            _refuse_over(connection, run)
            refuse_claimed(connection, claims)
            if claims:
                rows = [{"estate": e, "machine": m, "run": run} for e, m in claims]
                connection.execute(insert(claims_), rows)
            return self._enter(connection, run, decision)

        return await self.writing(work, act)

    async def answer(self, entry: int) -> Answer | None:
        """Return what became of an inbox entry, or None while nobody has taken it."""
        query = select(inbox_.c.answered_at, inbox_.c.refused).where(inbox_.c.id == entry)
        row = await self.reading(lambda connection: connection.execute(query).one())
        return Answer(id=entry, refused=row.refused) if row.answered_at else None

    async def held(self, machines: Sequence[tuple[str, str]]) -> dict[tuple[str, str], str]:
        found = await soonest(self._writer.look(), lambda: self.reading(look_up))
        if not found or found.keys() == {EVERYTHING}:
            return found
        estates = await self.reading(lambda connection: connection.execute(select(estates_)).all())
        return forbidden(machines, found, {r.connector: r.identity for r in estates})

    async def hint(self, run: str, within: float) -> None:
        if self._listener is None:
            # All at the same moments, so that all who look then share one reading.
            await asyncio.sleep(within - asyncio.get_running_loop().time() % within)
        else:
            await self._listener.hint(run, within)


def _decoded(result: CursorResult[Any]) -> list[Recorded]:
    """Return the events of all rows; a resume reads tens of thousands, a few at a time."""
    found: list[Recorded] = []
    for rows in result.partitions(_AT_ONCE):
        found += codec.decode_rows(rows)
    return found


_line: Callable[[tuple[str, int, str, int, str]], EventLine] = partial(tuple.__new__, EventLine)
"""The type's own constructor takes four times as long, and every event needs it."""


def _append(
    run: str,
    events: Sequence[ev.Event],
    *,
    after: int,
    answers: Sequence[Answer],
    epoch: int | None,
) -> Append:
    lines = [
        _line((run, after + place, kind, version, data))
        for place, (kind, version, data) in enumerate(codec.encode_rows(events), start=1)
    ]
    ended = next((event for event in events if isinstance(event, ev.RunEnded)), None)
    return Append(
        run=run,
        epoch=epoch,
        lines=lines,
        answers=[(answer.id, answer.refused) for answer in answers],
        now=stamp(datetime.now(UTC)) if answers else "",
        ending=Ending(str(ended.status), stamp(ended.at)) if ended else None,
    )


def _refuse_over(connection: Connection, run: str) -> None:
    ended = select(runs_.c.ended_at).where(runs_.c.id == run)
    if connection.execute(ended).scalar() is not None:
        raise CommandRejectedError(f"the run {run} has ended meanwhile", hint="start a new run")


def refuse_claimed(connection: Connection, claims: Sequence[tuple[str, str]]) -> None:
    """Say who holds which machine; the table's key would refuse it all the same.

    What a run holds that has ended is nobody's: a decision may have come with its end.
    """
    over = select(runs_.c.id).where(runs_.c.ended_at.is_not(None))
    connection.execute(delete(claims_).where(claims_.c.run.in_(over)))
    held = {(r.estate, r.machine): r.run for r in connection.execute(select(claims_))}
    taken = [
        (machine, held[estate, machine]) for estate, machine in claims if (estate, machine) in held
    ]
    if taken:
        machine, run = taken[0]
        more = f" (and {len(taken) - 1} more)" if len(taken) > 1 else ""
        raise MachineClaimedError(
            f"machine {machine}{more} belongs to the open live run {run}",
            run=run,
            hint=f"carry it on with 'drorch run --continue {run}', watch it with "
            f"'drorch watch {run}', or end it with 'drorch abort {run}'",
        )

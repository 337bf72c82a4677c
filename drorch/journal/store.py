"""The store of one installation: journals of runs, plans, the inbox, holds. On SQLite."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import Connection, insert, select
from sqlalchemy.exc import SQLAlchemyError

from drorch.errors import MachineClaimedError, RunNotFoundError
from drorch.journal import codec
from drorch.journal.database import open_database
from drorch.journal.tables import ClaimRow, EventRow, HoldRow, InboxRow, RunRow
from drorch.journal.writer import Writer, translate
from drorch.model.collector import collector_paused
from drorch.model.moment import stamp
from drorch.ports.journal import Answer, Asked, Recorded
from drorch.run import commands as cmd
from drorch.run import events as ev

T = TypeVar("T")
Build = Callable[[str], Sequence[ev.Event]]

events_ = EventRow.__table__  # type: ignore[attr-defined]  # SQLModel adds it at run time
runs_ = RunRow.__table__  # type: ignore[attr-defined]
claims_ = ClaimRow.__table__  # type: ignore[attr-defined]
inbox_ = InboxRow.__table__  # type: ignore[attr-defined]
holds_ = HoldRow.__table__  # type: ignore[attr-defined]


class Store:
    """Implements `drorch.ports.journal.Journal` and what the faces need beside it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.engine = open_database(path)
        self._reader = self.engine.execution_options(reads=True)
        self._writer = Writer(self.engine)
        self._writer.start()

    def close(self) -> None:
        """Finish what is queued and let go of the file. Safe to repeat."""
        if self._writer.is_alive():
            self._writer.stop()
        self.engine.dispose()

    async def reading(self, work: Callable[[Connection], T]) -> T:
        """Return what *work* reads, in one consistent view and outside the event loop.

        Raises `JournalUnavailableError` when the database cannot be read now.
        """

        def read() -> T:
            try:
                with self._reader.connect() as connection:
                    return work(connection)
            except (SQLAlchemyError, OSError) as error:
                raise translate(error, doing="read") from error

        return await asyncio.to_thread(read)

    async def writing(self, work: Callable[[Connection], T]) -> T:
        """Return what *work* returned, durable; raises `JournalError`."""
        result: T = await self._writer.run_work(work)
        return result

    async def create_run(
        self, plan: str, mode: str, build: Build, claims: Sequence[tuple[str, str]] = ()
    ) -> str:
        """Record a new run with its first events and claims, all or none; return its id.

        *build* gets the id. Raises `MachineClaimedError` if an open live run holds a machine.
        """

        def work(connection: Connection) -> str:
            _refuse_claimed(connection, claims)
            run = _new_run(connection, plan, mode)
            events = build(run)
            if claims:
                rows = [{"estate": e, "machine": m, "run": run} for e, m in claims]
                connection.execute(insert(claims_), rows)
            connection.execute(insert(events_), _rows(run, events, 0))
            _settle(connection, run, events)
            return run

        return await self.writing(work)

    async def append(
        self, run: str, events: Sequence[ev.Event], *, after: int, answers: Sequence[Answer] = ()
    ) -> None:
        rows = _rows(run, events, after)
        now = stamp(datetime.now(UTC))

        def work(connection: Connection) -> None:
            if rows:
                connection.execute(insert(events_), rows)
            for answer in answers:
                connection.execute(
                    inbox_.update()
                    .where(inbox_.c.id == answer.id)
                    .values(answered_at=now, refused=answer.refused)
                )
            _settle(connection, run, events)

        await self.writing(work)

    async def read(self, run: str, after: int = 0) -> Sequence[Recorded]:
        query = (
            select(events_.c.seq, events_.c.type, events_.c.version, events_.c.data)
            .where(events_.c.run == run, events_.c.seq > after)
            .order_by(events_.c.seq)
        )
        with collector_paused():
            rows = await self.reading(lambda connection: connection.execute(query).all())
        if not rows and after == 0:
            raise RunNotFoundError(
                f"there is no run {run!r} here", hint="'drorch runs' lists the runs of this store"
            )
        with collector_paused():
            decoded = ((seq, codec.decode(kind, data, v)) for seq, kind, v, data in rows)
            return [Recorded(seq, event.at, event) for seq, event in decoded]

    async def inbox(self, run: str) -> Sequence[Asked]:
        query = (
            select(inbox_.c.id, inbox_.c.decision, inbox_.c.data)
            .where(inbox_.c.run == run, inbox_.c.answered_at.is_(None))
            .order_by(inbox_.c.id)
        )
        rows = await self.reading(lambda connection: connection.execute(query).all())
        decoded = ((r.id, codec.decode_decision(r.decision, r.data)) for r in rows)
        return [Asked(id=entry, decision=decision) for entry, decision in decoded if decision]

    async def submit(self, run: str, decision: cmd.Decision) -> int:
        """Put a person's decision into the inbox of *run*; return the number of its entry."""
        name, data = codec.encode_decision(decision)

        def work(connection: Connection) -> int:
            row = {
                "run": run,
                "decision": name,
                "data": data,
                "at": stamp(datetime.now(UTC)),
                "refused": "",
            }
            key = connection.execute(insert(inbox_), row).inserted_primary_key
            assert key is not None  # noqa: S101 (a single row was inserted)
            return int(key[0])

        return await self.writing(work)

    async def answer(self, entry: int) -> Answer | None:
        """Return what became of an inbox entry, or None while nobody has taken it."""
        query = select(inbox_.c.answered_at, inbox_.c.refused).where(inbox_.c.id == entry)
        row = await self.reading(lambda connection: connection.execute(query).one())
        return Answer(id=entry, refused=row.refused) if row.answered_at else None

    async def held(self, machines: Sequence[tuple[str, str]]) -> dict[tuple[str, str], str]:
        rows = await self.reading(lambda c: c.execute(select(holds_)).all())
        wanted = set(machines)
        return {
            (row.connector, row.machine): f"held by {row.by}: {row.reason}"
            for row in rows
            if (row.connector, row.machine) in wanted
        }


def _new_run(connection: Connection, plan: str, mode: str) -> str:
    query = select(runs_.c.number).where(runs_.c.plan == plan).order_by(runs_.c.number.desc())
    number = (connection.execute(query.limit(1)).scalar() or 0) + 1
    run = f"{plan}-{number}"
    row = {
        "id": run,
        "number": number,
        "plan": plan,
        "mode": mode,
        "status": "running",
        "created_at": stamp(datetime.now(UTC)),
        "summary": "{}",
    }
    connection.execute(insert(runs_), row)
    return run


def _refuse_claimed(connection: Connection, claims: Sequence[tuple[str, str]]) -> None:
    """Say who holds which machine; the table's key would refuse it all the same."""
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


def _rows(run: str, events: Sequence[ev.Event], after: int) -> list[dict[str, Any]]:
    return [
        {
            "run": run,
            "seq": after + place,
            "type": event.type,
            "version": codec.version(event),
            "data": codec.encode(event),
        }
        for place, event in enumerate(events, start=1)
    ]


def _settle(connection: Connection, run: str, events: Sequence[ev.Event]) -> None:
    """With the event that ends a run goes its line in the list, and its claims."""
    for event in events:
        if isinstance(event, ev.RunEnded):
            connection.execute(
                runs_.update()
                .where(runs_.c.id == run)
                .values(status=event.status, ended_at=stamp(event.at))
            )
            connection.execute(claims_.delete().where(claims_.c.run == run))

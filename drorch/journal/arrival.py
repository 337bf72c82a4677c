"""Takes an exported run into a store: for reading, or to carry it on here."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, insert, select, update

from drorch.access.principal import Act
from drorch.errors import DrorchError, JournalConflictError
from drorch.journal.backend import Backend, store_append
from drorch.journal.carrying import RunFile, number_of
from drorch.journal.store import Store, claims_, estates_, events_, refuse_claimed, runs_
from drorch.journal.tables import IMPORTED
from drorch.journal.tickets import Append, EventLine
from drorch.model.moment import stamp
from drorch.run.state import RunState
from drorch.run.status import Mode

_AGAIN = 3


class ImportRefusedError(DrorchError):
    """The run cannot be taken in here."""

    code = "import-refused"


class Arrival(StrEnum):
    """What became of an import."""

    ENDED = "ended"
    """The run has ended: it is here to be read."""
    READABLE = "readable"
    """The run is open elsewhere: it is here to be read, and nobody drives it here."""
    CARRIED_ON = "carried-on"
    """The run is open here, and whoever drives runs here takes it up."""
    KNOWN = "known"
    """The very same journal was here already; nothing was changed."""


async def take_in(
    store: Store, file: RunFile, *, carry_on: bool, act: Act | None = None
) -> Arrival:
    """Store the run in *file* with its claims, all or none.

    An open run is driven from here only with *carry_on*. Repeating is harmless; a copy for
    reading is brought up to date, and may be carried on later. *act* is what the record says of
    it: a run that comes in this way was asked for, and approved, elsewhere.

    Raises `ImportRefusedError`, and `MachineClaimedError` when another open live run holds a
    machine of this one.
    """

    def work(connection: Connection) -> Arrival:
        return _take_in(store.backend, connection, file, carry_on=carry_on and file.ending is None)

    for _ in range(_AGAIN):
        try:
            return await store.writing(work, act)
        except JournalConflictError:  # somebody was quicker: look at what is there now
            continue
    return await store.writing(work, act)


def _take_in(backend: Backend, connection: Connection, file: RunFile, *, carry_on: bool) -> Arrival:
    row = connection.execute(select(runs_).where(runs_.c.id == file.run)).first()
    known = _known(connection, file.run)
    new = file.lines[len(known) :]
    if list(file.lines[: len(known)]) != known or (known and row is None):
        raise _other(file, known)
    if row is not None and row.status != IMPORTED:
        if new:
            raise _other(file, known)
        return Arrival.KNOWN
    if row is not None and not new and not carry_on:
        return Arrival.KNOWN
    if row is None:
        _list_run(connection, file)
    if carry_on:
        claims = _claims(connection, file.state)
        refuse_claimed(connection, claims)
        if claims:
            rows = [{"estate": e, "machine": m, "run": file.run} for e, m in claims]
            connection.execute(insert(claims_), rows)
    status = _settle(connection, file, carry_on=carry_on)
    append = Append(run=file.run, epoch=None, lines=new, answers=(), now="", ending=None)
    store_append(connection, append, backend.txn(connection))
    backend.notify(connection, f"new {file.run}")
    return status


def _known(connection: Connection, run: str) -> list[EventLine]:
    e = events_.c
    query = select(e.run, e.seq, e.type, e.version, e.data).where(e.run == run).order_by(e.seq)
    return [EventLine(*row) for row in connection.execute(query)]


def _other(file: RunFile, known: Sequence[EventLine]) -> ImportRefusedError:
    ahead = list(file.lines) == list(known[: len(file.lines)])
    why = "a newer journal" if ahead else "another journal"
    return ImportRefusedError(
        f"there is a run {file.run} here already, with {why} of {len(known)} events",
        hint=f"nothing was changed. Read the file in an empty place: DRORCH_DATA_DIR=FOLDER drorch "
        f"import FILE; what is here shows 'drorch status {file.run}'",
    )


def _list_run(connection: Connection, file: RunFile) -> None:
    row: dict[str, Any] = {
        "id": file.run,
        "number": number_of(file),
        "plan": file.state.plan.id,
        "mode": str(file.state.mode),
        "status": IMPORTED,
        "created_at": file.created_at,
        "summary": "{}",
    }
    connection.execute(insert(runs_), row)


def _settle(connection: Connection, file: RunFile, *, carry_on: bool) -> Arrival:
    """Write into the list of runs what the run is here."""
    here = update(runs_).where(runs_.c.id == file.run)
    if file.ending is not None:
        at, status = stamp(file.ending.at), str(file.ending.status)
        connection.execute(here.values(status=status, ended_at=at))
        return Arrival.ENDED
    connection.execute(here.values(status="running" if carry_on else IMPORTED))
    return Arrival.CARRIED_ON if carry_on else Arrival.READABLE


def _claims(connection: Connection, state: RunState) -> list[tuple[str, str]]:
    """Claim the machines of a live run by all that is known of them without any hypervisor.

    By the estate that last answered behind the connector here, and by the connector's name; by
    the machine's id and name as the plan has them, and the id that the run has seen.
    """
    if state.mode is not Mode.LIVE:
        return []
    estates = {r.connector: r.identity for r in connection.execute(select(estates_))}
    claims: set[tuple[str, str]] = set()
    for step, own in zip(state.plan.steps, state.steps, strict=True):
        if (ref := step.machine) is None:
            continue
        names = {ref.id or f"name:{ref.name}", *((own.machine,) if own.machine else ())}
        claims |= {(f"connector:{ref.connector}", name) for name in names}
        if ref.connector in estates:
            claims |= {(estates[ref.connector], name) for name in names}
    return sorted(claims)

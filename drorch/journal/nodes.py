"""Who is there: each orchestrator on a store says that it lives, and what it has to say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, delete, insert, select, update

from drorch.journal import codec
from drorch.journal.pages import open_runs
from drorch.journal.store import Store, events_
from drorch.journal.tables import LeaseRow, NodeRow
from drorch.run import events as ev

_nodes = NodeRow.__table__  # type: ignore[attr-defined]  # SQLModel adds it at run time
_leases = LeaseRow.__table__  # type: ignore[attr-defined]
_FORGOTTEN = 7 * 86400.0
"""Seconds after which a silent orchestrator is not listed any more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """One orchestrator: ``site`` stays over restarts; ``address`` is where its pages are."""

    site: str
    name: str
    version: str
    started_at: str
    address: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """``silent_s``: seconds since it was seen."""

    identity: Identity
    alive: bool
    silent_s: float
    note: str


class Nodes:
    """The orchestrators of one store. ``patience`` in seconds: how long one may be silent."""

    def __init__(self, store: Store, *, patience: float) -> None:
        self._store = store
        self._patience = patience

    async def appear(self, who: Identity, note: str = "") -> None:
        """Say that *who* lives; *note* is for people, empty when all is well."""
        values = {
            "name": who.name,
            "version": who.version,
            "address": who.address,
            "started_at": who.started_at,
            "patience": self._patience,
            "note": note,
        }

        def work(connection: Connection) -> None:
            now = self._store.backend.now(connection)
            mine = _nodes.c.site == who.site
            known = connection.execute(update(_nodes).where(mine).values(seen=now, **values))
            if known.rowcount == 0:
                connection.execute(insert(_nodes), {"site": who.site, "seen": now, **values})
            connection.execute(delete(_nodes).where(_nodes.c.seen < now - _FORGOTTEN))

        await self._store.writing(work)

    async def leave(self, who: Identity) -> None:
        """Take *who* off the list: an orderly end."""
        gone = delete(_nodes).where(_nodes.c.site == who.site)
        await self._store.writing(lambda connection: connection.execute(gone).close())

    async def prove_writable(self, site: str) -> None:
        """Write the row of *site* once more, as it is, and make that durable.

        Nothing less shows that a disk is neither full nor read-only: what is rolled back never
        reaches it. Raises `JournalError`. A site that never appeared has no row to write.
        """
        same = update(_nodes).where(_nodes.c.site == site).values(seen=_nodes.c.seen)
        await self._store.writing(lambda connection: connection.execute(same).close())

    async def all(self) -> Sequence[Node]:
        """Return the orchestrators that were seen within a week, those that live first."""

        def work(connection: Connection) -> list[Node]:
            now = self._store.backend.now(connection)
            rows = connection.execute(select(_nodes).order_by(_nodes.c.name)).all()
            return [
                Node(
                    identity=Identity(
                        site=row.site,
                        name=row.name,
                        version=row.version,
                        started_at=row.started_at,
                        address=row.address,
                    ),
                    alive=now - row.seen <= row.patience,
                    silent_s=round(max(0.0, now - row.seen), 1),
                    note=row.note,
                )
                for row in rows
            ]

        found = await self._store.reading(work)
        return sorted(found, key=lambda node: not node.alive)

    async def drivers(self) -> Mapping[str, str]:
        """Return who drives each open run, by the leases that still run."""
        live = {line.id for line in await open_runs(self._store)}

        def work(connection: Connection) -> dict[str, str]:
            now = self._store.backend.now(connection)
            leases = connection.execute(select(_leases).where(_leases.c.expires >= now)).all()
            return {row.run: row.holder.partition("#")[0] for row in leases if row.run in live}

        return await self._store.reading(work)


async def driver_of(store: Store, run: str) -> str:
    """Return who began or adopted *run* last, as it is recorded; empty when nobody has."""
    told = events_.c.type.in_([ev.RunStarted.type, ev.RunAdopted.type])
    query = (
        select(events_.c.type, events_.c.version, events_.c.data)
        .where(events_.c.run == run, told)
        .order_by(events_.c.seq.desc())
        .limit(1)
    )
    row = await store.reading(lambda connection: connection.execute(query).first())
    if row is None:
        return ""
    event = codec.decode(row.type, row.data, row.version)
    return event.driver if isinstance(event, ev.RunStarted | ev.RunAdopted) else ""

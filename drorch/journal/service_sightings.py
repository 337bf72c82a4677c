"""How services are found on an ordinary day: kept by the one orchestrator that looks at them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from sqlalchemy import Connection, delete, insert, select, update

from drorch.errors import JournalConflictError
from drorch.journal.store import Store
from drorch.journal.tables import LookoutRow, SightingRow

sightings_ = SightingRow.__table__  # type: ignore[attr-defined]  # SQLModel adds it at run time
lookouts_ = LookoutRow.__table__  # type: ignore[attr-defined]

_DUTY = "services"
_FORGOTTEN = 7 * 86400.0
"""Seconds after which nobody needs to know how a service was that is not looked at any more."""


class Key(NamedTuple):
    """A service of a plan."""

    plan: str
    service: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Sighting:
    """What was seen of a service. ``healthy`` None: its checks cannot be carried out here.

    ``since`` is the moment (RFC 3339) from which it was so; ``evidence`` stays inside.
    """

    healthy: bool | None
    evidence: str
    since: str


class Kept(NamedTuple):
    """A sighting as it stands in the journal; ``age_s``: seconds since the last look."""

    sighting: Sighting
    age_s: float


_STATES: Mapping[bool | None, str] = {True: "up", False: "down", None: "unknown"}
_HEALTHY = {state: healthy for healthy, state in _STATES.items()}


class ServiceSightings:
    """Reads and writes them. Of several orchestrators one at a time has the lookout.

    It is a row that is compared and set; whoever has it sets it anew with each note, and when
    that one dies it runs out.
    """

    def __init__(self, store: Store) -> None:
        self._store = store

    async def take(self, holder: str, ttl: float) -> bool:
        """Take the lookout for *ttl* seconds, or keep it; False while another has it.

        Whoever finds it taken has only read. Raises `JournalError`.
        """
        return not await self._store.reading(lambda c: self._is_taken(c, holder)) and (
            await self.note(holder, ttl)
        )

    async def note(
        self,
        holder: str,
        ttl: float,
        changed: Mapping[Key, Sighting] | None = None,
        looked: Collection[Key] = (),
    ) -> bool:
        """Keep what has *changed*, and that the others in *looked* are as they were.

        False, and nothing is kept, when another has the lookout by now. Raises `JournalError`.
        """

        def work(connection: Connection) -> bool:
            now = self._store.backend.now(connection)
            if not _set(connection, holder, now, ttl):
                return False
            for key, sighting in (changed or {}).items():
                _keep(connection, key, sighting, now)
            _touch(connection, [key for key in looked if key not in (changed or {})], now)
            connection.execute(delete(sightings_).where(sightings_.c.looked_at < now - _FORGOTTEN))
            return True

        try:
            return await self._store.writing(work)
        except JournalConflictError:  # two began at the same moment, and the other was first
            return False

    async def leave(self, holder: str) -> None:
        """Give the lookout up, so that another need not wait: an orderly end."""
        mine = (lookouts_.c.duty == _DUTY) & (lookouts_.c.holder == holder)
        gone = delete(lookouts_).where(mine)
        await self._store.writing(lambda connection: connection.execute(gone).close())

    async def all(self) -> Mapping[Key, Kept]:
        """Return what was seen last of every service, however long ago."""

        def work(connection: Connection) -> dict[Key, Kept]:
            now = self._store.backend.now(connection)
            rows = connection.execute(select(sightings_)).all()
            return {
                Key(row.plan, row.service): Kept(
                    Sighting(
                        healthy=_HEALTHY.get(row.state), evidence=row.evidence, since=row.since
                    ),
                    max(0.0, now - row.looked_at),
                )
                for row in rows
            }

        return await self._store.reading(work)

    def _is_taken(self, connection: Connection, holder: str) -> bool:
        now = self._store.backend.now(connection)
        others = (lookouts_.c.duty == _DUTY) & (lookouts_.c.holder != holder)
        query = select(lookouts_.c.holder).where(others, lookouts_.c.expires >= now)
        return connection.execute(query).first() is not None


def _set(connection: Connection, holder: str, now: float, ttl: float) -> bool:
    """Compare and set: it is ours, or it has run out. The row's key lets one begin it."""
    free = (lookouts_.c.holder == holder) | (lookouts_.c.expires < now)
    mine = update(lookouts_).where(lookouts_.c.duty == _DUTY, free)
    if connection.execute(mine.values(holder=holder, expires=now + ttl)).rowcount:
        return True
    if connection.execute(select(lookouts_.c.duty).where(lookouts_.c.duty == _DUTY)).first():
        return False
    row = {"duty": _DUTY, "holder": holder, "expires": now + ttl}
    connection.execute(insert(lookouts_), row)
    return True


def _keep(connection: Connection, key: Key, sighting: Sighting, now: float) -> None:
    values = {
        "state": _STATES[sighting.healthy],
        "evidence": sighting.evidence,
        "since": sighting.since,
        "looked_at": now,
    }
    here = (sightings_.c.plan == key.plan) & (sightings_.c.service == key.service)
    if not connection.execute(update(sightings_).where(here).values(**values)).rowcount:
        connection.execute(insert(sightings_), {**key._asdict(), **values})


def _touch(connection: Connection, keys: Sequence[Key], now: float) -> None:
    by_plan: dict[str, list[str]] = {}
    for key in keys:
        by_plan.setdefault(key.plan, []).append(key.service)
    for plan, services in by_plan.items():
        there = (sightings_.c.plan == plan) & sightings_.c.service.in_(services)
        connection.execute(update(sightings_).where(there).values(looked_at=now))

"""Beside the journals: stored plans, holds, and who answered last."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import Connection, func, insert, select

from drorch.errors import PlanNotFoundError
from drorch.journal.store import Store, holds_
from drorch.journal.tables import EstateRow, PlanRow
from drorch.model.moment import stamp

plans_ = PlanRow.__table__  # type: ignore[attr-defined]  # SQLModel adds it at run time
estates_ = EstateRow.__table__  # type: ignore[attr-defined]


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredPlan:
    plan: str
    revision: int
    digest: str
    source: str
    created_at: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    connector: str
    machine: str
    reason: str
    by: str
    at: str


class Shelf:
    """Reads and writes what is not a journal, through the same store and writer."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def save_plan(self, plan: str, source: str, digest: str, by: str) -> tuple[int, bool]:
        """Store a revision; return its number and whether it is new. Same content: the same."""

        def work(connection: Connection) -> tuple[int, bool]:
            query = select(plans_.c.revision, plans_.c.digest).where(plans_.c.plan == plan)
            last = connection.execute(query.order_by(plans_.c.revision.desc()).limit(1)).first()
            if last is not None and last.digest == digest:
                return last.revision, False
            revision = 1 if last is None else last.revision + 1
            row = {
                "plan": plan,
                "revision": revision,
                "digest": digest,
                "source": source,
                "created_at": stamp(datetime.now(UTC)),
                "created_by": by,
            }
            connection.execute(insert(plans_), row)
            return revision, True

        return await self._store.writing(work)

    async def plan(self, plan: str, revision: int | None = None) -> StoredPlan:
        """Return a stored revision, the newest by default. Raises `PlanNotFoundError`."""
        found = [p for p in await self.revisions(plan) if revision in (None, p.revision)]
        if not found:
            which = f" revision {revision}" if revision else ""
            raise PlanNotFoundError(
                f"there is no stored plan {plan!r}{which}, and no file of that name",
                hint="'drorch validate FILE' checks a file; the service lists stored plans",
            )
        return found[-1]

    async def revisions(self, plan: str) -> Sequence[StoredPlan]:
        query = select(plans_).where(plans_.c.plan == plan).order_by(plans_.c.revision)
        rows = await self._store.reading(lambda c: c.execute(query).all())
        return [_stored(row) for row in rows]

    async def plans(self) -> Sequence[StoredPlan]:
        """Return the newest revision of every stored plan."""
        newest = select(plans_.c.plan, func.max(plans_.c.revision).label("revision"))
        last = newest.group_by(plans_.c.plan).subquery()
        query = (
            select(plans_)
            .join(last, (plans_.c.plan == last.c.plan) & (plans_.c.revision == last.c.revision))
            .order_by(plans_.c.plan)
        )
        rows = await self._store.reading(lambda c: c.execute(query).all())
        return [_stored(row) for row in rows]

    async def hold(self, hold: Hold) -> None:
        """Forbid every start order for a machine; a second hold replaces the first."""

        def work(connection: Connection) -> None:
            where = (holds_.c.connector == hold.connector) & (holds_.c.machine == hold.machine)
            connection.execute(holds_.delete().where(where))
            connection.execute(
                insert(holds_),
                {
                    "connector": hold.connector,
                    "machine": hold.machine,
                    "reason": hold.reason,
                    "by": hold.by,
                    "at": hold.at,
                },
            )

        await self._store.writing(work)

    async def release(self, connector: str, machine: str) -> bool:
        """Lift a hold; tell whether there was one."""
        where = (holds_.c.connector == connector) & (holds_.c.machine == machine)
        done = await self._store.writing(lambda c: c.execute(holds_.delete().where(where)).rowcount)
        return done > 0

    async def holds(self) -> Sequence[Hold]:
        rows = await self._store.reading(lambda c: c.execute(select(holds_)).all())
        return [
            Hold(connector=r.connector, machine=r.machine, reason=r.reason, by=r.by, at=r.at)
            for r in rows
        ]

    async def remember_estate(self, connector: str, identity: str) -> None:
        """Keep who answers behind *connector*."""

        def work(connection: Connection) -> None:
            connection.execute(estates_.delete().where(estates_.c.connector == connector))
            connection.execute(insert(estates_), {"connector": connector, "identity": identity})

        await self._store.writing(work)

    async def known_estate(self, connector: str) -> str | None:
        query = select(estates_.c.identity).where(estates_.c.connector == connector)
        return await self._store.reading(lambda c: c.execute(query).scalar())


def _stored(row: object) -> StoredPlan:
    names = ("plan", "revision", "digest", "source", "created_at")
    return StoredPlan(**{name: getattr(row, name) for name in names})

"""Beside the journals: stored plans, holds, and who answered last."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, Row, func, insert, select

from drorch.access.principal import Act
from drorch.errors import DrorchError, PlanNotFoundError
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
    signature: str = ""
    signer: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    connector: str
    machine: str
    reason: str
    by: str
    at: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NewPlan:
    """A revision that may be new; *signer* is who signed it, as it was checked on arrival."""

    plan: str
    source: str
    digest: str
    by: str
    signature: str = ""
    signer: str = ""


HoldCheck = Callable[[Hold | None], None]
"""Looks at what is there in the transaction that would change it; raises to leave it so."""
PlanCheck = Callable[[StoredPlan | None], None]


class _NotHeldError(DrorchError):
    """Nothing was lifted: the transaction, with its record, is taken back."""


class Shelf:
    """Reads and writes what is not a journal, through the same store and writer."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def save_plan(
        self, plan: NewPlan, act: Act | None = None, check: PlanCheck | None = None
    ) -> tuple[int, bool]:
        """Store a revision; return its number and whether it is new. Same content: the same.

        A signature that is new for a content that is not is kept with it. *check* is asked about
        the newest revision before a new one is stored.
        """

        def work(connection: Connection) -> tuple[int, bool]:
            query = select(plans_).where(plans_.c.plan == plan.plan)
            last = connection.execute(query.order_by(plans_.c.revision.desc()).limit(1)).first()
            if last is not None and last.digest == plan.digest:
                _sign_anew(connection, plan, last)
                return last.revision, False
            if check is not None:
                check(None if last is None else _stored(last))
            revision = 1 if last is None else last.revision + 1
            row = {
                "plan": plan.plan,
                "revision": revision,
                "digest": plan.digest,
                "source": plan.source,
                "created_at": stamp(datetime.now(UTC)),
                "created_by": plan.by,
                "signature": plan.signature,
                "signer": plan.signer,
            }
            connection.execute(insert(plans_), row)
            return revision, True

        return await self._store.writing(work, act)

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

    async def hold(
        self, hold: Hold, act: Act | None = None, check: HoldCheck | None = None
    ) -> None:
        """Forbid every start order for a machine; a second hold replaces the first."""

        def work(connection: Connection) -> None:
            where = (holds_.c.connector == hold.connector) & (holds_.c.machine == hold.machine)
            if check is not None:
                check(_hold(connection, hold.connector, hold.machine))
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

        await self._store.writing(work, act)

    async def release(
        self,
        connector: str,
        machine: str,
        act: Act | None = None,
        check: HoldCheck | None = None,
    ) -> bool:
        """Lift a hold; tell whether there was one. What was not there is not recorded."""
        where = (holds_.c.connector == connector) & (holds_.c.machine == machine)

        def work(connection: Connection) -> None:
            if check is not None:
                check(_hold(connection, connector, machine))
            if not connection.execute(holds_.delete().where(where)).rowcount:
                raise _NotHeldError("")

        try:
            await self._store.writing(work, act)
        except _NotHeldError:
            return False
        return True

    async def holds(self) -> Sequence[Hold]:
        rows = await self._store.reading(lambda c: c.execute(select(holds_)).all())
        return [
            Hold(connector=r.connector, machine=r.machine, reason=r.reason, by=r.by, at=r.at)
            for r in rows
        ]

    async def held(self, connector: str, machine: str) -> Hold | None:
        """Return the hold that was placed under exactly this name, if there is one."""
        return await self._store.reading(lambda c: _hold(c, connector, machine))

    async def remember_estate(self, connector: str, identity: str) -> None:
        """Keep who answers behind *connector*."""

        def work(connection: Connection) -> None:
            connection.execute(estates_.delete().where(estates_.c.connector == connector))
            connection.execute(insert(estates_), {"connector": connector, "identity": identity})

        await self._store.writing(work)

    async def known_estate(self, connector: str) -> str | None:
        query = select(estates_.c.identity).where(estates_.c.connector == connector)
        return await self._store.reading(lambda c: c.execute(query).scalar())


def _sign_anew(connection: Connection, plan: NewPlan, last: Row[Any]) -> None:
    """Keep the signature that came with a content that was stored before, if it is for it."""
    if plan.signature and plan.signature != last.signature and plan.source == last.source:
        where = (plans_.c.plan == plan.plan) & (plans_.c.revision == last.revision)
        signed = {"signature": plan.signature, "signer": plan.signer}
        connection.execute(plans_.update().where(where).values(**signed))


def _hold(connection: Connection, connector: str, machine: str) -> Hold | None:
    where = (holds_.c.connector == connector) & (holds_.c.machine == machine)
    row = connection.execute(select(holds_).where(where)).mappings().first()
    if row is None:
        return None
    return Hold(**{name: row[name] for name in ("connector", "machine", "reason", "by", "at")})


def _stored(row: object) -> StoredPlan:
    names = ("plan", "revision", "digest", "source", "created_at", "signature", "signer")
    return StoredPlan(**{name: getattr(row, name) for name in names})

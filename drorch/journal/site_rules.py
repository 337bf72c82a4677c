"""What holds for the whole site: a halt, stop orders in the last hour, notices of services."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import Connection, RowMapping, delete, func, insert, select

from drorch.access.principal import Act
from drorch.errors import DrorchError
from drorch.journal.access_tables import HaltRow, NoticeRow, StopRow
from drorch.journal.ledger import alone
from drorch.journal.store import Store
from drorch.model.moment import stamp

halts_ = HaltRow.__table__  # type: ignore[attr-defined]  # SQLModel adds it at run time
stops_ = StopRow.__table__  # type: ignore[attr-defined]
notices_ = NoticeRow.__table__  # type: ignore[attr-defined]

_HOUR = 3600.0


class NotHaltedError(DrorchError):
    code = "not-halted"


class NoticeNotFoundError(DrorchError):
    code = "notice-not-found"


@dataclass(frozen=True, slots=True, kw_only=True)
class Halt:
    reason: str
    by: str
    at: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """What a person says of a service; shown as said by a person."""

    service: str
    state: str
    text: Mapping[str, str]
    expected_at: str | None
    by: str
    at: str


NoticeCheck = Callable[[Notice | None], None]
"""Looks at what is there in the transaction that would change it; raises to leave it so."""


class SiteRules:
    """Reads and writes them; every change names its act for the record."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def halt(self, reason: str, act: Act) -> Halt:
        """Let nothing new out anywhere. A second halt leaves the first as it is."""

        def work(connection: Connection) -> Halt:
            if (known := _halt(connection)) is not None:
                return known
            row = {"id": 1, "reason": reason, "by": act.by.name, "at": stamp(datetime.now(UTC))}
            connection.execute(insert(halts_), row)
            return Halt(reason=reason, by=row["by"], at=row["at"])  # type: ignore[arg-type]

        return await self._store.writing(work, act)

    async def lift(self, act: Act) -> Halt:
        """Let things out again; return the halt that was. Raises `NotHaltedError`."""

        def work(connection: Connection) -> Halt:
            known = _halt(connection)
            if known is None:
                raise NotHaltedError("drorch is not halted")
            connection.execute(delete(halts_))
            return known

        return await self._store.writing(work, act)

    async def halted(self) -> Halt | None:
        return await self._store.reading(_halt)

    async def may_stop(self, run: str, machine: str, ceiling: int) -> str:
        """Count a stop order that is about to leave; return why it may not, empty if it may."""

        def work(connection: Connection) -> str:
            alone(connection)  # other orchestrators count, too
            now = time.time()
            connection.execute(delete(stops_).where(stops_.c.at < now - 24 * _HOUR))
            recent = stops_.c.at > now - _HOUR
            query = select(func.count(), func.min(stops_.c.at)).where(recent)
            count, oldest = connection.execute(query).one()
            if not ceiling:
                return "no machine may be stopped: [policy] stops_per_hour is 0"
            if count >= ceiling:
                again = datetime.fromtimestamp(oldest + _HOUR, UTC)
                return (
                    f"{count} machines were stopped within the last hour, which is the ceiling; "
                    f"the next stop is allowed at {again:%H:%M} UTC"
                )
            connection.execute(insert(stops_), {"at": now, "run": run, "machine": machine})
            return ""

        return await self._store.writing(work)

    async def notices(self) -> Sequence[Notice]:
        query = select(notices_).order_by(notices_.c.service)
        rows = await self._store.reading(lambda c: c.execute(query).mappings().all())
        return [_notice(row) for row in rows]

    async def notice(self, service: str) -> Notice | None:
        """Return what a person says of a service, if anybody does."""
        return await self._store.reading(lambda c: _noticed(c, service))

    async def publish(self, notice: Notice, act: Act, check: NoticeCheck | None = None) -> None:
        """Say by hand how a service is; a second notice replaces the first."""

        def work(connection: Connection) -> None:
            if check is not None:
                check(_noticed(connection, notice.service))
            connection.execute(delete(notices_).where(notices_.c.service == notice.service))
            row = {
                "service": notice.service,
                "state": notice.state,
                "text": json.dumps(dict(notice.text)),
                "expected_at": notice.expected_at,
                "by": notice.by,
                "at": notice.at,
            }
            connection.execute(insert(notices_), row)

        await self._store.writing(work, act)

    async def withdraw(self, service: str, act: Act, check: NoticeCheck | None = None) -> None:
        """Take a notice back. Raises `NoticeNotFoundError`."""

        def work(connection: Connection) -> None:
            if check is not None:
                check(_noticed(connection, service))
            gone = delete(notices_).where(notices_.c.service == service)
            if not connection.execute(gone).rowcount:
                raise NoticeNotFoundError(f"there is no notice about {service}")

        await self._store.writing(work, act)


def _noticed(connection: Connection, service: str) -> Notice | None:
    query = select(notices_).where(notices_.c.service == service)
    row = connection.execute(query).mappings().first()
    return None if row is None else _notice(row)


def _notice(row: RowMapping) -> Notice:
    return Notice(**{**row, "text": json.loads(row["text"])})


def _halt(connection: Connection) -> Halt | None:
    row = connection.execute(select(halts_)).first()
    return None if row is None else Halt(reason=row.reason, by=row.by, at=row.at)

"""The outbox in the database: messages for web hooks, made with their cursor in one transaction."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import structlog
from sqlalchemy import Connection, Select, delete, func, insert, select, tuple_, update

from drorch.access.principal import Act
from drorch.errors import DrorchError, JournalConflictError
from drorch.journal import codec
from drorch.journal.access_tables import OutboxRow
from drorch.journal.following import Spot
from drorch.journal.hook_cursors import PLACE, hooks_, newest
from drorch.journal.store import Store, events_, runs_
from drorch.journal.tables import IMPORTED
from drorch.model.moment import stamp
from drorch.outbox.messages import Happened, payload, test_payload
from drorch.outbox.ports import Claimed
from drorch.outbox.rules import OLDEST

log = structlog.get_logger()

outbox_ = OutboxRow.__table__  # type: ignore[attr-defined]  # SQLModel adds it at run time

PENDING, SENT, FAILED = "pending", "sent", "failed"
_AT_ONCE = 200
"""Events that one pass makes messages of; the next pass follows at once."""
_SENT_KEPT = 7 * 86_400.0
_FAILED_KEPT = 30 * 86_400.0
_MOST_REASON = 500


class WebhookNotFoundError(DrorchError):
    code = "webhook-not-found"


class WebhookDisabledError(DrorchError):
    """Its target said that it wants nothing any more (410)."""

    code = "webhook-disabled"


@dataclass(frozen=True, slots=True, kw_only=True)
class HookState:
    """How a hook does. *disabled* says why nothing is sent; *last_error* is of what is not sent."""

    name: str
    pending: int = 0
    failed: int = 0
    last_error: str = ""
    last_sent_at: str | None = None
    disabled: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Pass:
    """What a hook has not been told yet: from its stored cursor to *reached*."""

    hook: str
    stored: Spot
    reached: Spot
    rows: Sequence[Mapping[str, Any]] = ()
    more: bool = False


class Outbox:
    """Implements `drorch.outbox.ports.Box`, and tells people how it goes."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._seen: dict[str, tuple[Spot, Spot]] = {}
        """By hook: its stored cursor, and how far behind that nothing concerns it."""

    async def fill(self, hooks: Mapping[str, frozenset[str]]) -> frozenset[str]:
        known, due = await self._store.reading(lambda c: self._known(c, hooks))
        for name in hooks.keys() - known:
            await self._begin(name)
        for name in known:
            while (found := await self._found(name, hooks[name])) is not None:
                if not await self._store_pass(found):
                    break
                due |= {name} if found.rows else set()
                if not found.more:
                    break
        return due & hooks.keys()

    def _known(
        self, connection: Connection, hooks: Iterable[str]
    ) -> tuple[frozenset[str], frozenset[str]]:
        names = connection.execute(select(hooks_.c.name)).scalars()
        ready = outbox_.c.due <= self._store.backend.now(connection)
        waiting = select(outbox_.c.hook).where(outbox_.c.status == PENDING, ready).distinct()
        return frozenset(names) & frozenset(hooks), frozenset(connection.execute(waiting).scalars())

    async def _begin(self, name: str) -> None:
        """Let a hook that is new begin with what happens from now on."""

        def work(connection: Connection) -> None:
            if connection.execute(select(hooks_).where(hooks_.c.name == name)).first() is None:
                spot = self._newest(connection)
                row = {"name": name, "disabled": "", **spot._asdict()}
                connection.execute(insert(hooks_), row)

        try:
            await self._store.writing(work)
        except JournalConflictError:
            return  # another orchestrator was quicker
        log.info("webhook.began", hook=name)

    def _newest(self, connection: Connection) -> Spot:
        return newest(connection, self._store.backend.settled(connection))

    async def _found(self, name: str, kinds: frozenset[str]) -> _Pass | None:
        """Return what *name* has not been told; None when there is nothing new, or it is disabled.

        What happened is read and decoded in a thread: the first event of a run holds its plan.
        """

        def work(connection: Connection) -> _Pass | None:
            hook = connection.execute(select(hooks_).where(hooks_.c.name == name)).first()
            if hook is None or hook.disabled:
                return None
            stored = Spot(hook.txn, hook.run, hook.seq)
            if stored.txn >= self._store.backend.settled(connection):
                # Numbers of another database: this one was put back by its own tools.
                return _Pass(hook=name, stored=stored, reached=self._newest(connection))
            seen = self._seen.get(name)
            begin = seen[1] if seen is not None and seen[0] == stored else stored
            last = self._newest(connection)
            if last == begin:
                return None
            lines = connection.execute(self._new(connection, begin, kinds)).all()
            more = len(lines) == _AT_ONCE
            reached = Spot(*lines[-1][:3]) if more else last
            now = self._store.backend.now(connection)
            rows = [row for line in lines if (row := _row(name, line, now)) is not None]
            return _Pass(hook=name, stored=stored, reached=reached, rows=rows, more=more)

        return await self._store.reading(work)

    def _new(self, connection: Connection, begin: Spot, kinds: frozenset[str]) -> Select[Any]:
        return (
            select(*PLACE, events_.c.type, events_.c.version, events_.c.data)
            .add_columns(runs_.c.plan, runs_.c.mode)
            .join(runs_, runs_.c.id == events_.c.run)
            .where(events_.c.txn >= begin.txn, tuple_(*PLACE) > tuple_(*begin))
            .where(events_.c.txn < self._store.backend.settled(connection))
            .where(events_.c.type.in_(sorted(kinds)), runs_.c.status != IMPORTED)
            .order_by(*PLACE)
            .limit(_AT_ONCE)
        )

    async def _store_pass(self, found: _Pass) -> bool:
        """Store messages and cursor, all or none; False when somebody else was quicker.

        Where nothing concerns the hook, nothing is written: the place is remembered here.
        """
        if not found.rows and found.reached.txn >= found.stored.txn:
            self._seen[found.hook] = (found.stored, found.reached)
            return True
        here = hooks_.c.name == found.hook
        for name, value in found.stored._asdict().items():
            here &= hooks_.c[name] == value

        def work(connection: Connection) -> bool:
            untouched = here & (hooks_.c.disabled == "")
            moved = update(hooks_).where(untouched).values(**found.reached._asdict())
            if not connection.execute(moved).rowcount:
                return False
            if found.rows:
                connection.execute(insert(outbox_), list(found.rows))
            return True

        return await self._store.writing(work)

    async def claim(self, hook: str, lease: float) -> Claimed | None:
        def work(connection: Connection) -> Claimed | None:
            now = self._store.backend.now(connection)
            due = select(outbox_).where(outbox_.c.hook == hook, outbox_.c.status == PENDING)
            due = due.where(outbox_.c.due <= now).order_by(outbox_.c.due, outbox_.c.id).limit(1)
            row = connection.execute(due.with_for_update(skip_locked=True)).first()
            if row is None:
                return None
            tries = row.attempts + 1
            taken = update(outbox_).where(outbox_.c.id == row.id)
            connection.execute(taken.values(due=now + lease, attempts=tries))
            return Claimed(
                id=row.id, hook=hook, message=row.message, payload=row.payload, tries=tries
            )

        return await self._store.writing(work)

    async def delivered(self, claimed: Claimed) -> None:
        told = {"status": SENT, "error": "", "sent_at": stamp(datetime.now(UTC))}
        done = update(outbox_).where(outbox_.c.id == claimed.id).values(**told)
        await self._store.writing(lambda c: c.execute(done).rowcount)

    async def put_back(self, claimed: Claimed, reason: str, wait: float) -> None:
        def work(connection: Connection) -> None:
            due = self._store.backend.now(connection) + wait
            told = {"due": due, "error": reason[:_MOST_REASON]}
            connection.execute(update(outbox_).where(_still(claimed)).values(**told))

        await self._store.writing(work)

    async def give_up(self, claimed: Claimed, reason: str) -> None:
        told = {"status": FAILED, "error": reason[:_MOST_REASON]}
        done = update(outbox_).where(_still(claimed)).values(**told)
        await self._store.writing(lambda c: c.execute(done).rowcount)

    async def disable(self, claimed: Claimed, reason: str) -> None:
        told = reason[:_MOST_REASON]
        waiting = (outbox_.c.hook == claimed.hook) & (outbox_.c.status == PENDING)

        def work(connection: Connection) -> None:
            off = update(hooks_).where(hooks_.c.name == claimed.hook).values(disabled=told)
            connection.execute(off)
            connection.execute(update(outbox_).where(waiting).values(status=FAILED, error=told))

        await self._store.writing(work)

    async def enable(self, name: str, act: Act) -> None:
        """Let *name* begin with what happens from now on; harmless where it is not disabled."""

        def work(connection: Connection) -> None:
            off = (hooks_.c.name == name) & (hooks_.c.disabled != "")
            begin = {"disabled": "", **self._newest(connection)._asdict()}
            connection.execute(update(hooks_).where(off).values(**begin))

        await self._store.writing(work, act)

    async def test(self, name: str, message: str, act: Act) -> None:
        """Put a test message for *name* into the outbox. Raises `WebhookDisabledError`."""
        now = datetime.now(UTC)

        def work(connection: Connection) -> None:
            hook = connection.execute(select(hooks_).where(hooks_.c.name == name)).first()
            if hook is not None and hook.disabled:
                raise WebhookDisabledError(
                    f"the web hook {name} is disabled: {hook.disabled}",
                    hint=f"POST /api/v1/webhooks/{name}/enable when its target is back",
                )
            told = test_payload(now, name, act.by.name)
            due = self._store.backend.now(connection)
            connection.execute(insert(outbox_), _fresh(name, told, due, message))

        await self._store.writing(work, act)

    async def clean(self) -> None:
        def work(connection: Connection) -> None:
            now = datetime.now(UTC).timestamp()
            for status, kept in ((SENT, _SENT_KEPT), (FAILED, _FAILED_KEPT)):
                before = stamp(datetime.fromtimestamp(now - kept, UTC))
                old = (outbox_.c.status == status) & (outbox_.c.created_at < before)
                connection.execute(delete(outbox_).where(old))

        await self._store.writing(work)

    async def states(self, names: Sequence[str]) -> Sequence[HookState]:
        """Return how each of *names* does, in this order."""

        def work(connection: Connection) -> Sequence[HookState]:
            counted = select(outbox_.c.hook, outbox_.c.status, func.count())
            tally = {
                (hook, status): count
                for hook, status, count in connection.execute(
                    counted.group_by(outbox_.c.hook, outbox_.c.status)
                )
            }
            disabled = {row.name: row.disabled for row in connection.execute(select(hooks_))}
            return [
                HookState(
                    name=name,
                    pending=tally.get((name, PENDING), 0),
                    failed=tally.get((name, FAILED), 0),
                    last_error=_last_error(connection, name),
                    last_sent_at=_last_sent(connection, name),
                    disabled=disabled.get(name, ""),
                )
                for name in names
            ]

        return await self._store.reading(work)


def new_message() -> str:
    """Return the id of a new message: never the same again, also after a backup was put back."""
    return f"msg_{uuid.uuid4().hex}"


def _row(hook: str, line: Any, now: float) -> Mapping[str, Any] | None:
    """Return the message about an event; None for what is old, or cannot be read."""
    try:
        event = codec.decode(line.type, line.data, line.version)
    except ValueError:
        log.warning("webhook.event-unreadable", hook=hook, run_id=line.run, seq=line.seq)
        return None
    if event.at.timestamp() < now - OLDEST:
        return None
    what = Happened(run=line.run, plan=line.plan, mode=line.mode, seq=line.seq, event=event)
    return _fresh(hook, payload(what), now, new_message())


def _fresh(hook: str, told: str, due: float, message: str) -> Mapping[str, Any]:
    return {
        "hook": hook,
        "message": message,
        "payload": told,
        "created_at": stamp(datetime.now(UTC)),
        "due": due,
        "attempts": 0,
        "status": PENDING,
        "error": "",
    }


def _still(claimed: Claimed) -> Any:
    """Tell that nobody else has taken the message since, and that it has not arrived."""
    mine = (outbox_.c.id == claimed.id) & (outbox_.c.attempts == claimed.tries)
    return mine & (outbox_.c.status == PENDING)


def _last_error(connection: Connection, name: str) -> str:
    """Return what is wrong now: of what still waits, or was given up since something arrived."""
    mine = outbox_.c.hook == name
    sent = select(func.max(outbox_.c.id)).where(mine, outbox_.c.status == SENT)
    newer = outbox_.c.id > func.coalesce(sent.scalar_subquery(), 0)
    told = select(outbox_.c.error).where(mine, outbox_.c.error != "")
    told = told.where((outbox_.c.status == PENDING) | newer)
    return connection.execute(told.order_by(outbox_.c.id.desc()).limit(1)).scalar() or ""


def _last_sent(connection: Connection, name: str) -> str | None:
    return connection.execute(
        select(func.max(outbox_.c.sent_at)).where(outbox_.c.hook == name)
    ).scalar()

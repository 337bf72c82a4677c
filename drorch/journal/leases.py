"""Ownership of runs among several orchestrators: leases with an epoch, in PostgreSQL.

A lease is renewed while this process lives and its event loop moves. Whoever takes a run over
waits until the lease has run out by the database's clock; whoever holds it stops believing in it
earlier, by a clock that runs on while the process is stopped. The file lock beside it tells a
restarted process at once that its predecessor on this data folder is dead.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import structlog
from sqlalchemy import Connection, insert

from drorch.failpoints import reach
from drorch.journal.listening import CHANNEL
from drorch.journal.locks import FileLease, FileLeases
from drorch.journal.postgres import PostgresBackend
from drorch.journal.tables import LeaseRow

log = structlog.get_logger()

_leases = LeaseRow.__table__  # type: ignore[attr-defined]  # SQLModel adds it at run time
_NOW = "extract(epoch FROM clock_timestamp())::float8"
_TAKE = f"""
INSERT INTO leases AS l (run, epoch, holder, site, expires)
VALUES (%(run)s, 1, %(holder)s, %(site)s, {_NOW} + %(ttl)s)
ON CONFLICT (run) DO UPDATE
SET epoch = l.epoch + 1, holder = excluded.holder, site = excluded.site, expires = excluded.expires
WHERE l.expires < {_NOW} OR l.site = excluded.site
RETURNING epoch
"""  # noqa: S608 (constants of this module)
_RENEW = f"""
WITH mine AS (
  SELECT leases.run
  FROM leases JOIN unnest(%(runs)s::text[], %(epochs)s::bigint[]) AS w(run, epoch)
    USING (run, epoch)
  WHERE holder = %(holder)s
  ORDER BY run FOR UPDATE OF leases)  -- in the order of the appends: nobody waits in a circle
UPDATE leases SET expires = {_NOW} + %(ttl)s FROM mine WHERE leases.run = mine.run
RETURNING leases.run
"""  # noqa: S608 (constants of this module)
_RELEASE = """
WITH given AS (
  UPDATE leases SET expires = 0, holder = ''
  WHERE run = %(run)s AND epoch = %(epoch)s AND holder = %(holder)s
  RETURNING run)
SELECT pg_notify(%(channel)s, 'free ' || run) FROM given
"""
_HELD = f"SELECT 1 FROM leases WHERE run = %(run)s AND expires >= {_NOW}"  # noqa: S608 (see above)
_TAKEN = f"""
SELECT run FROM leases WHERE run = ANY(%(runs)s) AND expires >= {_NOW} AND site <> %(site)s
"""  # noqa: S608 (constants of this module)
_SHARE = 5
"""How often a lease is renewed within its time."""


def boottime() -> float:
    """Return seconds that go on while this process is stopped, and while the machine sleeps."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class PostgresLease:
    """One run, one epoch. ``lost`` answers from memory."""

    def __init__(
        self, run: str, *, epoch: int, file: FileLease, keeper: PostgresLeases, sent: float
    ) -> None:
        self.run = run
        self.epoch: int | None = epoch
        self.file = file
        self._keeper = keeper
        self._good_until = sent + keeper.believed
        self._lost = ""

    def lost(self) -> str:
        if not self._lost and boottime() > self._good_until:
            self._lost = (
                f"the lease of {self.run} could not be renewed in time; "
                "another orchestrator may drive it"
            )
        return self._lost

    def renewed(self, sent: float) -> None:
        if not self.lost():
            self._good_until = sent + self._keeper.believed

    def overtaken(self) -> None:
        self._lost = self._lost or f"another orchestrator has taken {self.run} over"

    async def release(self) -> None:
        had = not self.lost()
        self._lost = self._lost or "this process has given the run up"
        await self._keeper.give_back(self, had=had)


class PostgresLeases:
    """Leases of ``ttl`` seconds.

    *holder* names this process and no other; *site* its data folder on this running machine:
    who gets the file lock there knows that an earlier holder of that site is dead.
    """

    def __init__(
        self, backend: PostgresBackend, files: FileLeases, *, ttl: float, holder: str, site: str
    ) -> None:
        self._backend = backend
        self._files = files
        self.ttl = ttl
        self.believed = ttl - min(1.0, ttl / 10)
        """An order that was just allowed still has this much less to arrive in."""
        self._holder, self._site = holder, site
        self._held: dict[str, PostgresLease] = {}
        self._guard = threading.Lock()
        self._beat = boottime()
        self._beating: asyncio.Task[None] | None = None
        self._stopped = threading.Event()
        self._renewer: threading.Thread | None = None

    async def acquire(self, run: str) -> PostgresLease | None:
        reach("lease.acquire.before")
        self.keep_renewing()
        lease = await asyncio.to_thread(self._acquire, run)
        reach("lease.acquire.after")
        return lease

    async def is_held(self, run: str) -> bool:
        if self._files.holds(run):
            return True
        return bool(await asyncio.to_thread(self._ask, _HELD, {"run": run}))

    async def free(self, runs: Sequence[str]) -> Sequence[str]:
        """Return those that nobody drives, and those of a dead predecessor on this data folder."""
        ours = [run for run in runs if not self._files.holds(run)]
        if not ours:
            return ()
        values = {"runs": ours, "site": self._site}
        taken = {row[0] for row in await asyncio.to_thread(self._ask, _TAKEN, values)}
        return [run for run in ours if run not in taken]

    def newborn(self, run: str, connection: Connection) -> PostgresLease | None:
        file = self._files.take(run)
        if file is None:
            return None
        sent, now = boottime(), self._backend.now(connection)
        row = {
            "run": run,
            "epoch": 1,
            "holder": self._holder,
            "site": self._site,
            "expires": now + self.ttl,
        }
        try:
            connection.execute(insert(_leases), row)
        except BaseException:
            file.let_go()
            raise
        return self._hold(PostgresLease(run, epoch=1, file=file, keeper=self, sent=sent))

    async def close(self) -> None:
        self._stopped.set()
        if self._beating is not None:
            self._beating.cancel()
        if self._renewer is not None:
            await asyncio.to_thread(self._renewer.join)

    async def give_back(self, lease: PostgresLease, *, had: bool) -> None:
        """Free the run for others at once; without the database it runs out by itself.

        What was not *had* any more is nothing to give: a database that does not answer would keep
        whoever lost it from saying so.
        """
        reach("lease.release.before")
        with self._guard:
            if self._held.get(lease.run) is lease:
                del self._held[lease.run]
        values = {
            "run": lease.run,
            "epoch": lease.epoch,
            "holder": self._holder,
            "channel": CHANNEL,
        }
        if had:
            with suppress(Exception):
                await asyncio.to_thread(self._ask, _RELEASE, values)
        lease.file.let_go()

    def _acquire(self, run: str) -> PostgresLease | None:
        file = self._files.take(run)
        if file is None:
            return None
        sent = boottime()
        values = {"run": run, "holder": self._holder, "site": self._site, "ttl": self.ttl}
        try:
            rows = self._ask(_TAKE, values)
        except BaseException:
            file.let_go()
            raise
        if not rows:
            file.let_go()
            return None
        return self._hold(PostgresLease(run, epoch=rows[0][0], file=file, keeper=self, sent=sent))

    def _hold(self, lease: PostgresLease) -> PostgresLease:
        with self._guard:
            self._held[lease.run] = lease
        return lease

    def _ask(self, statement: str, values: dict[str, Any]) -> Sequence[Any]:
        try:
            with self._backend.engine.connect() as connection:
                line = connection.execution_options(isolation_level="AUTOCOMMIT")
                return line.exec_driver_sql(statement, values).all()
        except Exception as error:
            raise self._backend.translate(error, doing="asked") from error

    def keep_renewing(self) -> None:
        """Begin with the first lease: the loop's pulse, and the thread that looks at it."""
        if self._beating is None or self._beating.done():
            self._beating = asyncio.create_task(self._pulse())
        if self._renewer is None:
            self._renewer = threading.Thread(target=self._renew, name="leases", daemon=True)
            self._renewer.start()

    async def _pulse(self) -> None:
        while True:
            self._beat = boottime()
            await asyncio.sleep(self.ttl / (2 * _SHARE))

    def _renew(self) -> None:
        line: Any = None
        while not self._stopped.wait(self.ttl / _SHARE):
            if boottime() - self._beat > self.ttl / 2:
                log.warning("lease.not-renewed", reason="the event loop of this process hangs")
                continue
            try:
                if line is None or line.closed:
                    line = self._backend.line()
                self._renew_all(line)
            except Exception as error:  # noqa: BLE001 (a thread's task boundary)
                told = self._backend.translate(error, doing="reached")
                log.warning("lease.not-renewed", reason=str(told))
                if line is not None:
                    line.close()
        if line is not None:
            line.close()

    def _renew_all(self, line: Any) -> None:
        with self._guard:
            held = list(self._held.values())
        if not held:
            return
        sent = boottime()
        values = {
            "runs": [lease.run for lease in held],
            "epochs": [lease.epoch for lease in held],
            "ttl": self.ttl,
            "holder": self._holder,
        }
        kept = {row[0] for row in line.execute(_RENEW, values).fetchall()}
        for lease in held:
            if lease.run in kept:
                lease.renewed(sent)
            else:
                lease.overtaken()

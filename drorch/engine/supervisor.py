"""Which process drives which run: new ones, interrupted ones, never one that somebody drives."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import replace
from typing import Any

import structlog

from drorch.engine.executor import Executor, Observer
from drorch.engine.gauging import StepGauge
from drorch.engine.rehearsal import Rehearsal
from drorch.engine.rehearsing import Rehearser
from drorch.engine.world import World
from drorch.errors import ConfigurationError, DrorchError, JournalConflictError
from drorch.journal.listening import ANY
from drorch.journal.ownership import Ownership
from drorch.journal.pages import open_runs
from drorch.journal.store import Store
from drorch.model.plan import Plan
from drorch.ports.clock import Clock
from drorch.ports.lease import Lease
from drorch.ports.meter import SILENT, Meter
from drorch.run import events as ev
from drorch.run.state import RunState
from drorch.run.status import Mode

log = structlog.get_logger()

LOOK_EVERY = 0.25
"""Seconds between looks for runs that nobody drives."""
_TRIED_EVERY = 2.5
"""Seconds until a run that could not be driven is tried again."""
_TOLD_EVERY = 10.0
"""Seconds between two lines of the log about the same obstacle."""
_OWNED_EVERY = 0.2
"""Seconds between looks whether the lease is still ours, while nothing is appended."""


class RunIsDrivenError(DrorchError):
    """Another living process drives this run."""

    code = "run-is-driven"


class Supervisor:
    """Drives runs in this process, one executor each."""

    def __init__(
        self,
        *,
        store: Store,
        leases: Ownership,
        world: Callable[[str, Plan], World],
        rehearsal: Rehearsal,
        clock: Clock,
        driver: str,
        meter: Meter = SILENT,
    ) -> None:
        self._store = store
        self._gauge = StepGauge(meter) if meter is not SILENT else None
        self._leases = leases
        self._world = world
        self._rehearser = Rehearser(journal=store, rehearsal=rehearsal, clock=clock, driver=driver)
        self._driver = driver
        self._driven: set[str] = set()
        self.lost: dict[str, str] = {}
        """Runs that another orchestrator took over from this process, and why."""

    async def drive(
        self, run: str, *, lease: Lease | None = None, observer: Observer | None = None
    ) -> RunState:
        """Carry *run* to its end, from wherever it stands.

        Raises `RunIsDrivenError` when another process does so, `RunNotFoundError`.
        """
        lease = lease or await self._leases.acquire(run)
        if lease is None:
            raise RunIsDrivenError(
                f"another process drives the run {run}",
                hint=f"watch it with 'drorch watch {run}'; decisions reach it from here",
            )
        try:
            return await _while_owned(lease, self._drive(run, lease, observer))
        finally:
            await lease.release()

    async def _drive(self, run: str, lease: Lease, observer: Observer | None) -> RunState:
        recorded = await self._store.read(run)
        first = recorded[0].event
        assert isinstance(first, ev.RunRequested)  # noqa: S101 (a journal begins with it)
        if first.mode in (Mode.DRY_RUN, Mode.SIMULATE):
            return await self._rehearser.drive(run, recorded, observer)
        if first.mode is not Mode.LIVE:
            # Of a newer drorch, by a shared database or an import: never taken for a recovery.
            raise ConfigurationError(
                f"this drorch cannot drive a run of the mode {first.mode}",
                hint="a newer drorch has begun it: use that one, or a newer one",
            )
        executor = Executor(
            run,
            journal=self._store,
            world=replace(self._world(run, first.plan), may_act=lease.lost),
            driver=self._driver,
            epoch=lease.epoch,
            observer=self._watched_by(observer),
        )
        return await executor.drive(recorded)

    def _watched_by(self, observer: Observer | None) -> Observer | None:
        if observer is None or self._gauge is None:
            return observer or self._gauge
        gauge, told = self._gauge, observer

        def both(state: RunState, events: Sequence[ev.Event]) -> None:
            gauge(state, events)
            told(state, events)

        return both

    async def adopt_for_ever(self) -> None:
        """Drive every open run that nobody drives, until cancelled."""
        told = _Told()
        async with asyncio.TaskGroup() as group:
            while True:
                try:
                    await self._adopt_free(group)
                except (DrorchError, OSError) as error:
                    # The runs that are driven wait for the disk themselves: leave them be.
                    told.waits(error)
                else:
                    told.goes_on()
                await self._store.hint(ANY, LOOK_EVERY)

    async def _adopt_free(self, group: asyncio.TaskGroup) -> None:
        candidates = [line.id for line in await open_runs(self._store)]
        for run in await self._leases.free([r for r in candidates if r not in self._driven]):
            lease = await self._leases.acquire(run)
            if lease is not None:
                self._driven.add(run)
                group.create_task(self._drive_adopted(run, lease))

    async def _drive_adopted(self, run: str, lease: Lease) -> None:
        structlog.contextvars.bind_contextvars(run=run)  # of this task: in all that it says
        self.lost.pop(run, None)
        log.info("run.driving", run=run, driver=self._driver)
        try:
            state = await self.drive(run, lease=lease)
            log.info("run.ended", run=run, status=state.ended)
        except JournalConflictError as error:
            self.lost[run] = error.message
            log.warning("run.lost", run=run, reason=error.message)
        except DrorchError as error:
            # Said by us on purpose: who reads the log needs the way out, not where it was raised.
            log.warning("run.cannot-go-on", run=run, reason=error.message, hint=error.hint)
            await asyncio.sleep(_TRIED_EVERY)
        except Exception:
            # One run that breaks must not stop the others; it stays open and is tried again.
            log.exception("run.broke", run=run)
            await asyncio.sleep(_TRIED_EVERY)
        finally:
            self._driven.discard(run)


class _Told:
    """Says in the log why nothing is taken up: at once, now and then, and when that is over."""

    def __init__(self) -> None:
        self._reason = ""
        self._again = 0.0

    def waits(self, error: Exception) -> None:
        now = asyncio.get_running_loop().time()
        if str(error) == self._reason and now < self._again:
            return
        self._reason, self._again = str(error), now + _TOLD_EVERY
        log.warning("adopter.waits", reason=str(error), hint=getattr(error, "hint", ""))

    def goes_on(self) -> None:
        if self._reason:
            log.info("adopter.goes-on", after=self._reason)
        self._reason = ""


async def _while_owned(lease: Lease, driving: Coroutine[Any, Any, RunState]) -> RunState:
    """Return what *driving* returns; stop it when the lease is lost.

    Raises `JournalConflictError` then: whoever took the run over must not be disturbed.
    """
    task = asyncio.create_task(driving)
    try:
        while not task.done():
            await asyncio.wait({task}, timeout=_OWNED_EVERY)
            if not task.done() and (why := lease.lost()):
                raise JournalConflictError(why)
        return task.result()
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

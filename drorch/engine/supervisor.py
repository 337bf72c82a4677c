"""Which process drives which run: new ones, interrupted ones, never one that somebody drives."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

import structlog

from drorch.engine.executor import Executor, Observer
from drorch.engine.rehearsal import Rehearsal
from drorch.engine.simulation import simulate
from drorch.engine.world import World
from drorch.errors import ConnectorError, DrorchError, JournalConflictError
from drorch.journal.shelf import Shelf
from drorch.journal.store import Store
from drorch.model.plan import Plan
from drorch.ports.clock import Clock
from drorch.ports.connector import Finding, Severity
from drorch.ports.journal import Recorded
from drorch.ports.lease import Lease, Leases
from drorch.run import events as ev
from drorch.run.evolve import fold
from drorch.run.state import RunState
from drorch.run.status import Mode, RunStatus

log = structlog.get_logger()

LOOK_EVERY = 0.5
"""Seconds between looks for runs that nobody drives."""


class RunIsDrivenError(DrorchError):
    """Another living process drives this run."""

    code = "run-is-driven"


class Supervisor:
    """Drives runs in this process, one executor each."""

    def __init__(
        self,
        *,
        store: Store,
        shelf: Shelf,
        leases: Leases,
        world: Callable[[Plan], World],
        rehearsal: Rehearsal,
        clock: Clock,
        driver: str,
    ) -> None:
        self._store = store
        self._shelf = shelf
        self._leases = leases
        self._world = world
        self._rehearsal = rehearsal
        self._clock = clock
        self._driver = driver
        self._driven: set[str] = set()

    async def drive(
        self, run: str, *, lease: Lease | None = None, observer: Observer | None = None
    ) -> RunState:
        """Carry *run* to its end, from wherever it stands.

        Raises `RunIsDrivenError` when another process does so, `RunNotFoundError`.
        """
        lease = lease or self._leases.acquire(run)
        if lease is None:
            raise RunIsDrivenError(
                f"another process drives the run {run}",
                hint=f"watch it with 'drorch watch {run}'; decisions reach it from here",
            )
        try:
            recorded = await self._store.read(run)
            first = recorded[0].event
            assert isinstance(first, ev.RunRequested)  # noqa: S101 (a journal begins with it)
            if first.mode is Mode.DRY_RUN:
                return await self._rehearse(run, recorded, first, observer)
            if first.mode is Mode.SIMULATE:
                return await self._simulate(run, recorded, first, observer)
            executor = Executor(
                run,
                journal=self._store,
                world=self._world(first.plan),
                driver=self._driver,
                observer=observer,
            )
            return await executor.drive(recorded)
        finally:
            lease.release()

    async def adopt_for_ever(self) -> None:
        """Drive every open run that nobody drives, until cancelled."""
        async with asyncio.TaskGroup() as group:
            while True:
                try:
                    for line in await self._shelf.runs(only_open=True):
                        self._adopt(group, line.id)
                except (DrorchError, OSError) as error:
                    # The runs that are driven wait for the disk themselves: leave them be.
                    log.warning("adopter.waits", reason=str(error))
                await asyncio.sleep(LOOK_EVERY)

    def _adopt(self, group: asyncio.TaskGroup, run: str) -> None:
        if run in self._driven:
            return
        lease = self._leases.acquire(run)
        if lease is not None:
            self._driven.add(run)
            group.create_task(self._drive_adopted(run, lease))

    async def _drive_adopted(self, run: str, lease: Lease) -> None:
        log.info("run.driving", run=run, driver=self._driver)
        try:
            state = await self.drive(run, lease=lease)
            log.info("run.ended", run=run, status=state.ended)
        except JournalConflictError:
            log.warning("run.lost", run=run, reason="another owner has appended")
        except Exception:
            # One run that breaks must not stop the others; it stays open and is tried again.
            log.exception("run.broke", run=run)
            await asyncio.sleep(LOOK_EVERY * 10)
        finally:
            self._driven.discard(run)

    async def _rehearse(
        self,
        run: str,
        recorded: Sequence[Recorded],
        request: ev.RunRequested,
        observer: Observer | None,
    ) -> RunState:
        began = self._clock.now()
        findings = await self._examine(request.plan)
        errors = {f.step: f.message for f in reversed(findings) if f.step and _is_error(f)}
        failed = any(_is_error(f) for f in findings)
        ended = self._clock.now()
        events: tuple[ev.Event, ...] = (
            ev.RunStarted(at=began, driver=self._driver),
            ev.FindingsReported(at=ended, findings=tuple(findings)),
            ev.StepsExamined(at=ended, errors=errors),
            ev.RunEnded(at=ended, status=RunStatus.FAILED if failed else RunStatus.SUCCEEDED),
        )
        return await self._finish(run, recorded, events, observer)

    async def _examine(self, plan: Plan) -> list[Finding]:
        try:
            return (await self._rehearsal.examine(plan)).findings
        except DrorchError as error:
            return [_refusal(error)]
        except Exception as error:
            log.exception("rehearsal.broke")
            return [_refusal(DrorchError(f"unexpected {type(error).__name__}: {error}"))]

    async def _simulate(
        self,
        run: str,
        recorded: Sequence[Recorded],
        request: ev.RunRequested,
        observer: Observer | None,
    ) -> RunState:
        events = await asyncio.to_thread(simulate, request)
        return await self._finish(run, recorded, events[1:], observer)

    async def _finish(
        self,
        run: str,
        recorded: Sequence[Recorded],
        events: Sequence[ev.Event],
        observer: Observer | None,
    ) -> RunState:
        state = fold(record.event for record in recorded)
        if state.is_over:
            return state
        await self._store.append(run, events, after=state.seq)
        state = fold((*(record.event for record in recorded), *events))
        if observer is not None:
            observer(state, events)
        return state


def _is_error(finding: Finding) -> bool:
    return finding.severity is Severity.ERROR


def _refusal(error: DrorchError) -> Finding:
    code = "connector-refused" if isinstance(error, ConnectorError) else "configuration"
    return Finding(severity=Severity.ERROR, code=code, message=error.message, hint=error.hint)

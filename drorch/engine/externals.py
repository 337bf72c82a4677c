"""Watches the services that run elsewhere: only told about, nothing of a run waits for them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import NamedTuple, TypeAlias

import structlog

from drorch.engine.world import World
from drorch.model.plan import CheckSpec, Service
from drorch.ports.check import CheckResult, Verdict
from drorch.run import commands as cmd
from drorch.run.state import RunState
from drorch.run.status import Mode

log = structlog.get_logger()

EVERY = 30.0
"""Seconds between two rounds of a service's checks."""
CONFIRM = 5.0
"""Seconds until an answer that differs from what is known is asked for again."""
_AT_ONCE = 16
_GRACE = 1.0
"""Seconds over a check's own timeout after which its prober is not waited for any more."""
_MOST = 500
"""Characters of evidence."""

Post: TypeAlias = Callable[[cmd.Command], None]


class Answer(NamedTuple):
    """What all checks of a service say together; None: they cannot be carried out here."""

    healthy: bool | None
    evidence: str


async def watch_externals(state: RunState, world: World, post: Post) -> None:
    """Probe each external service of a live run until cancelled; report what has changed."""
    if state.mode is not Mode.LIVE:
        return
    slots = asyncio.Semaphore(_AT_ONCE)
    async with asyncio.TaskGroup() as tasks:
        for service in state.plan.services:
            if service.external and service.verify:
                tasks.create_task(_Watch(service, state, world, post, slots).keep())


class _Watch:
    """One service. What the journal knows of it is known here, also after a restart."""

    def __init__(
        self,
        service: Service,
        state: RunState,
        world: World,
        post: Post,
        slots: asyncio.Semaphore,
    ) -> None:
        self._service = service
        self._world = world
        self._post = post
        self._slots = slots
        seen = state.externals.get(service.id)
        self._is_known = seen is not None
        self._known: bool | None = seen.healthy if seen is not None else None
        self._doubted: Answer | None = None

    async def keep(self) -> None:
        while True:
            self._hear(await self._ask())
            await self._world.clock.sleep(EVERY if self._doubted is None else CONFIRM)

    def _hear(self, answer: Answer) -> None:
        """Report the first answer; later only one that was given twice in a row."""
        if self._is_known and answer.healthy is self._known:
            self._doubted = None
        elif not self._is_known or (
            self._doubted is not None and self._doubted.healthy is answer.healthy
        ):
            self._is_known, self._known, self._doubted = True, answer.healthy, None
            self._post(
                cmd.ReportService(
                    service=self._service.id, healthy=answer.healthy, evidence=answer.evidence
                )
            )
        else:
            self._doubted = answer

    async def _ask(self) -> Answer:
        checks = self._service.verify
        results = await asyncio.gather(*(self._probe(check) for check in checks))
        return _together(
            [(check.name, result) for check, result in zip(checks, results, strict=True)]
        )

    async def _probe(self, check: CheckSpec) -> CheckResult:
        limit = check.timeout.total_seconds() + _GRACE
        async with self._slots:
            try:
                async with asyncio.timeout(limit):
                    return await self._world.prober.probe(check, None)
            except TimeoutError:
                told = f"no answer within {limit:g} s"
                return CheckResult(verdict=Verdict.UNREACHABLE, evidence=told)
            except Exception as error:
                # A defect in a check must not end a recovery that does not even need it.
                log.exception("external.broke", service=self._service.id, check=check.name)
                told = f"unexpected {type(error).__name__}: {str(error)[:300]}"
                return CheckResult(verdict=Verdict.BROKEN, evidence=told)


def _together(results: list[tuple[str, CheckResult]]) -> Answer:
    """One check that fails is enough; one that cannot be carried out leaves the rest unsure."""
    bad = [one for one in results if not one[1].healthy]
    failing = [one for one in bad if one[1].verdict is not Verdict.BROKEN]
    told = "; ".join(f"{name}: {result.evidence}" for name, result in failing or bad or results)
    return Answer(False if failing else None if bad else True, told[:_MOST])

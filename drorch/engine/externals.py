"""Watches the services that run elsewhere: only told about, nothing of a run waits for them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeAlias

from drorch.engine.asking import Answer, Belief, ask
from drorch.engine.world import World
from drorch.model.plan import Service
from drorch.run import commands as cmd
from drorch.run.state import RunState
from drorch.run.status import Mode

EVERY = 30.0
"""Seconds between two rounds of a service's checks."""
CONFIRM = 5.0
"""Seconds until an answer that differs from what is known is asked for again."""
_AT_ONCE = 16

Post: TypeAlias = Callable[[cmd.Command], None]


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
        self._belief = Belief(seen.healthy if seen else None, is_known=seen is not None)

    async def keep(self) -> None:
        while True:
            self._hear(await self._ask())
            await self._world.clock.sleep(CONFIRM if self._belief.is_doubted else EVERY)

    def _hear(self, answer: Answer) -> None:
        """Report the first answer; later only one that was given twice in a row."""
        if self._belief.hear(answer, at_once=True):
            report = cmd.ReportService(
                service=self._service.id, healthy=answer.healthy, evidence=answer.evidence
            )
            self._post(report)

    async def _ask(self) -> Answer:
        questions = [(check, None) for check in self._service.verify]
        return await ask(self._world.prober, questions, self._slots, service=self._service.id)

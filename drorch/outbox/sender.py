"""The loop that makes messages of events and sends them: at least once, and never in a hurry."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias, assert_never

import structlog

from drorch.errors import JournalError
from drorch.failpoints import reach
from drorch.outbox.ports import Box, Claimed, Deliverer
from drorch.outbox.rules import Outcome, Verdict, wait_after

log = structlog.get_logger()

Schedule: TypeAlias = Callable[[int, float, float], float | None]
"""As `drorch.outbox.rules.wait_after`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """Seconds: between two looks, until a message whose sender was lost is sent by another."""

    look: float = 1.0
    lease: float = 30.0
    """Longer than one delivery may take, with the commits around it."""
    clean: float = 3600.0
    at_once: int = 4


class Sender:
    """Sends to each hook one message after the other, and to several hooks at once.

    *hooks* gives the types of event that each wants; *on_failure* is told of each try that failed.
    """

    def __init__(
        self,
        box: Box,
        deliverer: Deliverer,
        hooks: Mapping[str, frozenset[str]],
        *,
        pace: Pace | None = None,
        on_failure: Callable[[str], None] = lambda _hook: None,
        schedule: Schedule = wait_after,
    ) -> None:
        self._box = box
        self._deliverer = deliverer
        self._hooks = hooks
        self._pace = pace or Pace()
        self._on_failure = on_failure
        self._schedule = schedule
        self._slots = asyncio.Semaphore(self._pace.at_once)
        self._due = {name: asyncio.Event() for name in hooks}

    async def run(self) -> None:
        """Send until cancelled. What was in hand then is sent again by the next one."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._fill_for_ever())
            group.create_task(self._clean_for_ever())
            for hook in self._hooks:
                group.create_task(self._send_for_ever(hook))

    async def _fill_for_ever(self) -> None:
        while True:
            try:
                for hook in await self._box.fill(self._hooks):
                    self._due[hook].set()
            except JournalError as error:
                log.warning("webhook.not-filled", reason=error.message, hint=error.hint)
            await asyncio.sleep(self._pace.look)

    async def _clean_for_ever(self) -> None:
        while True:
            try:
                await self._box.clean()
            except JournalError as error:
                log.warning("webhook.not-cleaned", reason=error.message, hint=error.hint)
            await asyncio.sleep(self._pace.clean)

    async def _send_for_ever(self, hook: str) -> None:
        while True:
            await self._due[hook].wait()
            self._due[hook].clear()
            try:
                while await self._send_next(hook):
                    pass
            except JournalError as error:
                log.warning("webhook.not-noted", hook=hook, reason=error.message, hint=error.hint)

    async def _send_next(self, hook: str) -> bool:
        """Send what is due longest; False when nothing is."""
        async with self._slots:  # before the claim: its lease runs while others are slow
            claimed = await self._box.claim(hook, self._pace.lease)
            if claimed is None:
                return False
            reach("outbox.send.before")
            outcome = await self._deliverer.deliver(hook, claimed.message, claimed.payload)
            reach("outbox.send.after")
        await self._settle(claimed, outcome)
        return True

    async def _settle(self, claimed: Claimed, outcome: Outcome) -> None:
        match outcome.verdict:
            case Verdict.DELIVERED:
                await self._box.delivered(claimed)
                log.debug("webhook.delivered", hook=claimed.hook, message=claimed.message)
            case Verdict.GONE:
                self._on_failure(claimed.hook)
                log.warning("webhook.disabled", hook=claimed.hook, reason=outcome.reason)
                await self._box.disable(claimed, outcome.reason)
            case Verdict.AGAIN:
                await self._try_later(claimed, outcome)
            case _:
                assert_never(outcome.verdict)

    async def _try_later(self, claimed: Claimed, outcome: Outcome) -> None:
        self._on_failure(claimed.hook)
        chance = random.random()  # noqa: S311 (spreads load, guards nothing)
        wait = self._schedule(claimed.tries, chance, outcome.wait)
        log.warning(
            "webhook.failed" if wait is None else "webhook.delayed",
            hook=claimed.hook,
            message=claimed.message,
            tries=claimed.tries,
            reason=outcome.reason,
            again_in=wait,
        )
        if wait is None:
            await self._box.give_up(claimed, outcome.reason)
        else:
            await self._box.put_back(claimed, outcome.reason, wait)

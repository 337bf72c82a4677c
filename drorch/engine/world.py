"""What an executor needs of the outside, gathered: estates, checks, callouts, holds."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass

import structlog

from drorch.engine.watch import EstateWatch
from drorch.errors import JournalUnavailableError
from drorch.ports.callout import Callouts
from drorch.ports.check import Prober
from drorch.ports.clock import Clock
from drorch.ports.journal import Journal

log = structlog.get_logger()

_AGAIN = 1.0


class HoldGuard:
    """Asks for holds just before each order; orders that wait at the same time share a read."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._asking: list[tuple[tuple[str, str], asyncio.Future[str]]] = []
        self._task: asyncio.Task[None] | None = None

    async def reason(self, connector: str, machine: str) -> str:
        """Return why *machine* must not be started, empty if nothing forbids it now.

        The read begins after this call: a hold that was placed before it is seen.
        """
        answer: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._asking.append(((connector, machine), answer))
        if self._task is None:
            self._task = asyncio.create_task(self._read())
        return await answer

    async def _read(self) -> None:
        try:
            while self._asking:
                asking, self._asking = self._asking, []
                try:
                    held = await self._journal.held([key for key, _ in asking])
                except JournalUnavailableError as error:
                    log.warning("holds.unavailable", reason=error.message)
                    await asyncio.sleep(_AGAIN)  # what is not known may forbid the order
                    self._asking += [ask for ask in asking if not ask[1].done()]
                except Exception as error:  # noqa: BLE001 (told to everyone who asked)
                    _tell(asking, error)
                else:
                    for key, answer in asking:
                        if not answer.done():
                            answer.set_result(held.get(key, ""))
        finally:
            self._task = None


def _tell(asking: list[tuple[tuple[str, str], asyncio.Future[str]]], error: Exception) -> None:
    for _, answer in asking:
        if not answer.done():
            answer.set_exception(error)


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """``estates`` by connector name."""

    estates: Mapping[str, EstateWatch]
    prober: Prober
    callouts: Callouts
    holds: HoldGuard
    clock: Clock

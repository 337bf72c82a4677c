"""What an executor needs of the outside, gathered: estates, checks, callouts, holds."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

import structlog

from drorch.engine.watch import EstateWatch
from drorch.errors import JournalUnavailableError
from drorch.ports.callout import Callouts
from drorch.ports.check import Prober
from drorch.ports.clock import Clock
from drorch.ports.journal import Journal

log = structlog.get_logger()

_AGAIN = 1.0


_Question: TypeAlias = tuple[tuple[tuple[str, str], ...], asyncio.Future[str]]
"""The names of one machine, each with its connector, and where the answer goes."""


class HoldGuard:
    """Asks for holds just before each order; orders that wait at the same time share a read."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._asking: list[_Question] = []
        self._task: asyncio.Task[None] | None = None

    async def reason(self, connector: str, *machine: str) -> str:
        """Return why a machine must not be started, empty if nothing forbids it now.

        *machine* is its id and whatever else a person may have called it when holding it.

        The read begins after this call: a hold that was placed before it is seen.
        """
        answer: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._asking.append((tuple((connector, name) for name in machine), answer))
        if self._task is None:
            self._task = asyncio.create_task(self._read())
        return await answer

    async def _read(self) -> None:
        try:
            while self._asking:
                asking, self._asking = self._asking, []
                try:
                    held = await self._journal.held([key for keys, _ in asking for key in keys])
                except JournalUnavailableError as error:
                    log.warning("holds.unavailable", reason=error.message)
                    await asyncio.sleep(_AGAIN)  # what is not known may forbid the order
                    self._asking += [ask for ask in asking if not ask[1].done()]
                except Exception as error:  # noqa: BLE001 (told to everyone who asked)
                    _tell(asking, error)
                else:
                    for keys, answer in asking:
                        if not answer.done():
                            answer.set_result(next((held[k] for k in keys if k in held), ""))
        finally:
            self._task = None


def _tell(asking: list[_Question], error: Exception) -> None:
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

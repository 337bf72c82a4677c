"""Keeps the last board, so that the public page answers also when the database does not."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import structlog

from api.status.board import Board
from drorch.errors import DrorchError

log = structlog.get_logger()

RENEWED = 5.0
"""Seconds for which a board is shown to everybody before the journal is read again."""
PATIENCE = 1.5
"""Seconds that the journal may take while an older board is there; then nobody waits for it."""
FIRST_PATIENCE = 10.0
STALE_AFTER = 60.0
"""Seconds after which a board that could not be renewed says so."""
_AGAIN = 2.0
_EVERY = 30.0

Make = Callable[[], Awaitable[Board]]


class Bulletin:
    """One for the whole process: however many read, the journal is read once in a while."""

    def __init__(self, make: Make) -> None:
        self._make = make
        self._last: Board | None = None
        self._made = float("-inf")
        self._tried = self._began = float("-inf")
        self._making: asyncio.Task[None] | None = None
        self._trouble = ""

    async def board(self) -> Board | None:
        """Return how things stand, or stood; None when nothing was ever learned."""
        now = asyncio.get_running_loop().time()
        if self._is_due() and self._making is None:
            self._making, self._began = asyncio.create_task(self._renew()), now
        if self._making is not None:
            limit = PATIENCE if self._last is not None else FIRST_PATIENCE
            await asyncio.wait({self._making}, timeout=max(0.0, self._began + limit - now))
        return self._shown()

    async def keep(self) -> None:
        """Renew it also while nobody reads, until cancelled: the last good one is then recent."""
        while True:
            await self.board()
            await asyncio.sleep(_EVERY)

    def _is_due(self) -> bool:
        now = asyncio.get_running_loop().time()
        return now - self._made >= RENEWED and now - self._tried >= _AGAIN

    def _shown(self) -> Board | None:
        old = asyncio.get_running_loop().time() - self._made > STALE_AFTER
        return self._last.grown_stale() if self._last is not None and old else self._last

    async def _renew(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            self._last = await self._make()
            self._made = loop.time()
            self._tell("")
        except (DrorchError, OSError) as error:
            self._tell(str(error))
        except Exception:  # a task boundary: the public page shows what it had
            log.exception("status.broke")
        finally:
            self._tried = loop.time()  # also when the loop has gone before this was done
            self._making = None

    def _tell(self, trouble: str) -> None:
        if trouble and trouble != self._trouble:
            log.warning("status.stale", reason=trouble)
        elif self._trouble and not trouble:
            log.info("status.fresh", after=self._trouble)
        self._trouble = trouble

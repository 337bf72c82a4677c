"""Ownership by a line in a table that ends by itself, as the shared journal keeps it."""

from __future__ import annotations

import asyncio
import random

from drorch import failpoints
from drorch.errors import JournalUnavailableError
from tests.simulation.journal import Disk
from tests.simulation.processes import Process

_MARGIN = 0.9
"""The share of its time after which a holder that was not confirmed stops to act."""


class TimedLease:
    """Held until ``ttl`` seconds after the last renewal that was confirmed began."""

    def __init__(self, disk: Disk, process: Process, epoch: int, began: float, ttl: float) -> None:
        self.epoch: int | None = epoch
        self._disk = disk
        self._process = process
        self._began = began
        self._ttl = ttl
        self._over = ""

    def lost(self) -> str:
        if not self._over and _now() - self._began > self._ttl * _MARGIN:
            self._over = "the lease was not renewed in time"
        return self._over

    async def keep(self) -> None:
        """Renew until cancelled or overtaken."""
        while not self._over:
            await asyncio.sleep(self._ttl / 4)
            began = _now()
            if self._process.journal_cut or self._disk.full:
                continue
            if await self._process.across(self._renew, there=0.01, back=0.01):
                self._began = began
            else:
                self._over = "another process owns the run"

    def _renew(self) -> bool:
        owner = self._disk.owner
        if owner.epoch != self.epoch or owner.holder is not self._process:
            return False
        owner.until = _now() + self._ttl
        return True

    async def release(self) -> None:
        failpoints.reach("lease.release.before")
        if not self._process.journal_cut:
            await self._process.across(self._free, there=0.01, back=0.01)
        self._over = self._over or "released"

    def _free(self) -> None:
        owner = self._disk.owner
        if owner.epoch == self.epoch and owner.holder is self._process:
            owner.until = 0.0


class TimedLeases:
    """Takes ownership for one process; a successor on the same machine need not wait."""

    def __init__(self, disk: Disk, process: Process, ttl: float, chance: random.Random) -> None:
        self._disk = disk
        self._process = process
        self._ttl = ttl
        self._chance = chance

    async def acquire(self, run: str) -> TimedLease | None:
        failpoints.reach("lease.acquire.before")
        if self._process.journal_cut or self._disk.full:
            raise JournalUnavailableError("the leases do not answer")
        began = _now()
        hop = self._chance.random() * 0.05
        epoch = await self._process.across(self._take, there=hop, back=hop)
        if epoch is None:
            return None
        failpoints.reach("lease.acquire.after")
        return TimedLease(self._disk, self._process, epoch, began, self._ttl)

    async def is_held(self, run: str) -> bool:
        return self._disk.owner.until > _now()

    def _take(self) -> int | None:
        owner, process = self._disk.owner, self._process
        dead = owner.holder is not None and not owner.holder.alive
        beside = dead and owner.holder is not None and owner.holder.site == process.site
        if owner.until > _now() and not beside:
            return None
        owner.epoch += 1
        owner.holder, owner.until = process, _now() + self._ttl
        self._disk.owners.append((_now(), owner.epoch, process.name))
        return owner.epoch


def _now() -> float:
    return asyncio.get_running_loop().time()

"""Machines that boot on one host at once and slow each other down."""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Callable

from connectors.simulated.machine import Machine

_INSTANT = 1e-6
"""Seconds below which a boot has ended: less may be too little to move a clock at all."""


class BootQueue:
    """Shares a host's ``slots`` evenly among the machines that boot on it.

    While k machines boot, each advances at ``min(1, slots / k)`` of its full speed. ``_done``
    is how far every one of them has come since the host was made: a boot of w seconds that
    begins at d ends when ``_done`` reaches d + w, whatever joins or leaves meanwhile. So an
    event costs O(log n), and nothing ticks.
    """

    def __init__(
        self,
        slots: int | None,
        speed: float,
        clock: Callable[[], float],
        booted: Callable[[Machine], None],
    ) -> None:
        self._slots = slots
        self._speed = speed
        self._clock = clock
        self._booted = booted
        self._done = 0.0
        self._at = clock()
        self._ends: list[tuple[float, int, Machine]] = []
        self._booting: dict[Machine, int] = {}
        self._serial = 0
        self._timer: asyncio.Handle | None = None
        self._pending = False

    def add(self, machine: Machine, work: float) -> None:
        """Begin to boot *machine*, which alone would take *work* simulated seconds."""
        self._advance()
        self._serial += 1
        self._booting[machine] = self._serial
        heapq.heappush(self._ends, (self._done + work, self._serial, machine))
        self._plan()

    def remove(self, machine: Machine) -> None:
        """Forget *machine*, if it boots; the others go on faster."""
        if machine in self._booting:
            self._advance()
            del self._booting[machine]
            self._plan()

    def close(self) -> None:
        self._booting.clear()
        self._ends.clear()
        self._cancel()

    def _advance(self) -> None:
        now = self._clock()
        self._done += (now - self._at) * self._rate()
        self._at = now

    def _rate(self) -> float:
        booting = len(self._booting)
        share = 1.0 if self._slots is None else min(1.0, self._slots / max(booting, 1))
        return self._speed * share

    def _plan(self) -> None:
        """Compute the next end once for all changes of this turn of the loop."""
        if not self._pending:
            self._pending = True
            self._cancel()
            self._timer = asyncio.get_running_loop().call_soon(self._settle)

    def _settle(self) -> None:
        self._pending = False
        self._timer = None
        self._advance()
        while self._ends:
            end, serial, machine = self._ends[0]
            if self._booting.get(machine) == serial:
                left = (end - self._done) / self._rate()
                if left > _INSTANT:
                    loop = asyncio.get_running_loop()
                    self._timer = loop.call_later(left, self._settle)
                    return
                del self._booting[machine]
                heapq.heappop(self._ends)
                self._booted(machine)
            else:
                heapq.heappop(self._ends)

    def _cancel(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

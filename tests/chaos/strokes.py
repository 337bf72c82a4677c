"""What is done to the owner of a run, and how it comes back."""

from __future__ import annotations

import asyncio
import signal

from tests.chaos.seat import Seat

KINDS = ("kill", "stop", "cut", "stall")
"""Dead; frozen; its database refuses; its database is silent and gets everything later."""


async def strike(seat: Seat, kind: str) -> None:
    match kind:
        case "kill":
            seat.signal(signal.SIGKILL)
        case "stop":
            seat.signal(signal.SIGSTOP)
        case "cut":
            assert seat.line is not None
            await asyncio.to_thread(seat.line.cut)
        case "stall":
            assert seat.line is not None
            seat.line.stall()


async def mend(seat: Seat, kind: str, *, served: bool = False) -> None:
    """Let the struck one come back: as what it was, or, if it died, as a new process."""
    match kind:
        case "kill":
            await seat.ended()
            await (seat.serve() if served else seat.sit_down())
        case "stop":
            seat.signal(signal.SIGCONT)
        case _:
            assert seat.line is not None
            await asyncio.to_thread(seat.line.heal)

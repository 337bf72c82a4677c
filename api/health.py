"""Whether this service can do its work now: checks that each say what is wrong and what to do."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TypeAlias

from api.bootstrap import ENGINE
from api.metrics.collectors import clock_offset
from api.routes.desk import Desk
from api.sharing import Shared
from drorch.errors import DrorchError
from drorch.journal.leases import boottime
from drorch.journal.nodes import Node
from drorch.journal.site import site_id

RELEASED = datetime(2026, 11, 1, tzinfo=UTC)
"""No clock that is right shows an earlier time than this version's own."""
WRITE_EVERY = 5.0
"""Seconds for which one write to the database proves that it can be written."""
JUMP = 5.0
"""Seconds: what a clock that is only adjusted never moves by between two looks."""
SETTLED_AFTER = 60.0
FAR_OFF = 5.0
"""Seconds between our clock and the database's from which on records and leases mislead."""
_PATIENCE = 3.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What a check found; ``hint`` says what a person does when it is not ``ok``."""

    check: str
    ok: bool
    detail: str
    hint: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Readiness:
    """All verdicts; where none is bad, also what is worth saying while the service is ready."""

    verdicts: Sequence[Verdict]
    notes: Sequence[str]

    @property
    def failing(self) -> Sequence[Verdict]:
        return [verdict for verdict in self.verdicts if not verdict.ok]


Note: TypeAlias = Callable[[Desk], Awaitable[Sequence[str]]]
"""Says what is not wrong but worth saying. May raise `DrorchError`: then it says nothing."""


class Health:
    """Looks when it is asked; those who ask at the same time share one look."""

    def __init__(self, desk: Desk, notes: Sequence[Note] | None = None) -> None:
        self._desk = desk
        self._notes = NOTES if notes is None else notes
        self._clock = ClockWatch()
        self._written = Shared(self._write, keep=WRITE_EVERY)
        self._looked = Shared(self._look, keep=0.0)

    async def readiness(self) -> Readiness:
        return await self._looked.get()

    async def _look(self) -> Readiness:
        checks = {"database": self._database, "engine": self._engine, "clock": self._clocks}
        verdicts = await asyncio.gather(*(_tried(name, do) for name, do in checks.items()))
        well = all(verdict.ok for verdict in verdicts)
        return Readiness(verdicts=verdicts, notes=await self._noted() if well else ())

    async def _noted(self) -> Sequence[str]:
        told = await asyncio.gather(*(self._note(note) for note in self._notes))
        return [one for said in told for one in said]

    async def _note(self, note: Note) -> Sequence[str]:
        try:
            async with asyncio.timeout(_PATIENCE):
                return await note(self._desk)
        except (DrorchError, TimeoutError):
            return ()

    async def _database(self) -> Verdict:
        await self._written.get()
        return Verdict(check="database", ok=True, detail="it can be written")

    async def _write(self) -> None:
        await self._desk.app.nodes.prove_writable(self._site())

    async def _engine(self) -> Verdict:
        if not self._desk.app.locks.holds(ENGINE):
            return Verdict(
                check="engine",
                ok=False,
                detail="no engine process drives runs here",
                hint="'drorch serve' starts it again by itself within seconds; if this stays, "
                "look at the service's log",
            )
        mine = [n for n in await self._desk.app.nodes.all() if n.identity.site == self._site()]
        return _moving(mine[0] if mine else None)

    async def _clocks(self) -> Verdict:
        wrong = self._clock.wrong()
        offset = await clock_offset(self._desk.app.store)
        if not wrong and abs(offset) > FAR_OFF:
            wrong = f"the database's clock is {offset:+.0f} s from this machine's"
        if not wrong:
            return Verdict(check="clock", ok=True, detail="it is sane")
        return Verdict(
            check="clock",
            ok=False,
            detail=wrong,
            hint="compare 'date -u' with a watch on this machine and on the database's, and look "
            "at its time service ('timedatectl', 'chronyc tracking'). Runs go on: they measure "
            "by a clock that does not jump; the times in records and log-ins may be wrong",
        )

    def _site(self) -> str:
        return site_id(self._desk.app.settings.data_dir)


async def _tried(name: str, check: Callable[[], Awaitable[Verdict]]) -> Verdict:
    try:
        async with asyncio.timeout(_PATIENCE):
            return await check()
    except DrorchError as error:
        return Verdict(check=name, ok=False, detail=error.message, hint=error.hint)
    except TimeoutError:
        return Verdict(
            check=name,
            ok=False,
            detail=f"no answer within {_PATIENCE:g} s",
            hint="is the database there, and its disk? Is this machine overloaded? Nothing new "
            "is started while the journal cannot be written; drorch goes on by itself",
        )


def _moving(node: Node | None) -> Verdict:
    """Judge by the engine's own row, which it writes every few seconds."""
    if node is not None and node.alive:
        detail = f"it drives runs, and wrote {node.silent_s:g} s ago"
        return Verdict(check="engine", ok=True, detail=detail)
    if node is None:
        detail, hint = "the engine has just begun", "ask again in a second"
    else:
        detail = f"the engine's process lives, but wrote nothing for {node.silent_s:g} s"
        hint = (
            "it hangs, or it cannot write to the journal: look at the service's log. Restarting "
            "drorch is safe: runs are carried on from the journal"
        )
    return Verdict(check="engine", ok=False, detail=detail, hint=hint)


class ClockWatch:
    """Compares the wall clock with one that never jumps, from one look to the next."""

    def __init__(
        self, wall: Callable[[], float] = time.time, steady: Callable[[], float] = boottime
    ) -> None:
        self._wall, self._steady = wall, steady
        self._offset = wall() - steady()
        self._jumped: tuple[float, float] | None = None

    def wrong(self) -> str:
        """Return what is wrong with this machine's clock; empty when nothing is.

        A jump counts for a minute: a clock that was put right is right afterwards.
        """
        now, wall = self._steady(), self._wall()
        jump = wall - now - self._offset
        if abs(jump) > JUMP:
            self._jumped = now, jump
        self._offset = wall - now
        if wall < RELEASED.timestamp():
            shown = datetime.fromtimestamp(wall, UTC)
            return f"this machine's clock shows {shown:%Y-%m-%d}, before drorch was released"
        if self._jumped is not None and now - self._jumped[0] < SETTLED_AFTER:
            return f"this machine's clock jumped by {self._jumped[1]:+.0f} s a moment ago"
        return ""


async def lost_runs(desk: Desk) -> Sequence[str]:
    """Say what this orchestrator has to say of itself, such as a run that it lost."""
    here = site_id(desk.app.settings.data_dir)
    return [n.note for n in await desk.app.nodes.all() if n.identity.site == here and n.note]


async def halted(desk: Desk) -> Sequence[str]:
    if await desk.app.site.halted() is None:
        return ()
    told = "drorch is halted: nothing new goes out until an admin lifts it"
    return [f"{told} ('drorch halt' tells who and why)"]


def runs_open(is_open: Callable[[], Awaitable[bool]]) -> Note:
    """Return the note that anybody on this machine may do anything, for as long as that is so."""

    async def note(_: Desk) -> Sequence[str]:
        if not await is_open():
            return ()
        told = (
            "the service runs open, without authentication: whoever can reach it on this machine "
            "may do anything; 'drorch token create' ends that"
        )
        return [told]

    return note


NOTES: tuple[Note, ...] = (lost_runs, halted)
"""Asked in this order at each look; add yours here."""

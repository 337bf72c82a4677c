"""Drives one run: decide, record, evolve, make the tasks equal to what is wanted, wait."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import TypeAlias

import structlog

from drorch.engine.actions import Performer
from drorch.engine.externals import watch_externals
from drorch.engine.late import refuse_late
from drorch.engine.sentry import Sentry
from drorch.engine.world import World
from drorch.errors import (
    CommandRejectedError,
    JournalConflictError,
    JournalError,
    JournalUnavailableError,
)
from drorch.failpoints import reach
from drorch.model.collector import collect_rarely, collector_paused, keep
from drorch.ports.journal import Answer, Asked, Journal, Recorded
from drorch.run import commands as cmd
from drorch.run.decide import decide
from drorch.run.effects import Effect, EffectKind, effect_of, next_due
from drorch.run.events import Event
from drorch.run.evolve import evolve, fold
from drorch.run.state import RunState

log = structlog.get_logger()

INBOX_EVERY = 0.25
"""Seconds between looks into the inbox, as another process has no way to wake this one."""
_JOURNAL_AGAIN = 1.0
_TURNS = 2
"""Of the event loop, from an order's answer to what a hypervisor in this process pushes then."""
_LONG = 5000
"""Events and steps: what fewer build is not worth hiding from the garbage collector."""

_POWER_ON = EffectKind.POWER_ON
_ADVANCE = cmd.Advance()
_Change: TypeAlias = tuple[int, Effect | None]
"""A step, and what is wanted of it from now on."""

Observer: TypeAlias = Callable[[RunState, Sequence[Event]], None]
"""Told after events are durable; must be quick."""


class Executor:
    """One run, one executor, for as long as its process holds the run's lease."""

    def __init__(
        self,
        run: str,
        *,
        journal: Journal,
        world: World,
        driver: str,
        epoch: int | None = None,
        observer: Observer | None = None,
        polls_inbox: bool = True,
    ) -> None:
        self._run = run
        self._epoch = epoch
        self._journal = journal
        self._world = world
        self._driver = driver
        self._observer = observer
        self._polls_inbox = polls_inbox
        self._inbox: deque[tuple[cmd.Command, int | None]] = deque()
        self._wake = asyncio.Event()
        self._running: dict[int, tuple[Effect, asyncio.Task[None]]] = {}
        self._leaving: set[asyncio.Task[None]] = set()
        """Told to stop, and not at their end yet."""
        self._asked: set[int] = set()
        self._alarm: asyncio.TimerHandle | None = None
        self._foreseen = 0.0
        """By the loop's clock: when the holds were asked for, for the orders of this turn."""

    async def drive(self, recorded: Sequence[Recorded] | None = None) -> RunState:
        """Carry the run on from wherever its journal stops; return at its end.

        Raises `JournalConflictError` when another owner has appended: then nothing more may be
        done here. Cancelling leaves the run open for the next owner.
        """
        self._world = replace(self._world, driven_since=asyncio.get_running_loop().time())
        state = await self._resume(recorded)
        if state.is_over:
            await refuse_late(self._journal, self._run, state)
            return state
        # What people decided while nobody drove the run counts before anything is ordered.
        for entry in await self._journal.inbox(self._run):
            self._take(entry)
        self._inbox.appendleft((self._first_command(state), None))
        try:
            await self._drive(state)
        except* JournalError as lost:  # a task group wraps what is raised inside it
            raise lost.exceptions[0] from None
        finally:
            if self._alarm is not None:
                self._alarm.cancel()
        await refuse_late(self._journal, self._run, state)
        return state

    async def _resume(self, recorded: Sequence[Recorded] | None) -> RunState:
        """Fold the journal; a long one keeps the garbage collector from what it has built."""
        collect_rarely()
        with collector_paused():
            if recorded is None:
                recorded = await self._journal.read(self._run)
            reach("resume.read.after")
            state = fold(record.event for record in recorded)
            if len(recorded) + len(state.steps) > _LONG:
                keep()
        return state

    async def _drive(self, state: RunState) -> None:
        sentry = Sentry(state, self._world, self.post)
        broke: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        try:
            async with asyncio.TaskGroup() as tasks:
                externals = watch_externals(state, self._world, self.post)
                work = [sentry.stand(), externals, _raise_from(broke)]
                if self._polls_inbox:
                    work.append(self._poll_inbox())
                helpers = [tasks.create_task(one) for one in work]
                performer = Performer(state, self._world, self.post, broke)
                try:
                    await self._loop(state, sentry, performer)
                finally:
                    self._call_off()  # at once: a helper may take its time to stop
                for helper in helpers:
                    helper.cancel()
        finally:
            await self._leave()

    def _call_off(self) -> None:
        """Stop all that is in flight; what was told so before is left to its own end."""
        for _, task in self._running.values():
            if not task.done():
                task.cancel()
                self._leaving.add(task)

    async def _leave(self) -> None:
        """Wait until all that was in flight has stopped; raise what is no error of an adapter."""
        flying = set(self._leaving)
        if flying:
            await asyncio.wait(flying)
        for task in flying:
            if not task.cancelled() and (error := task.exception()) is not None:
                raise error

    def post(self, command: cmd.Command) -> None:
        """Take a report from inside the process."""
        self._inbox.append((command, None))
        self._wake.set()

    def _first_command(self, state: RunState) -> cmd.Command:
        if state.started_at is None:
            return cmd.Start(driver=self._driver)
        return cmd.Adopt(driver=self._driver)

    async def _loop(self, state: RunState, sentry: Sentry, performer: Performer) -> None:
        while True:
            await self._gather()
            self._wake.clear()
            changes = await self._turn(state)
            if state.is_over:
                return
            self._reconcile(changes, sentry, performer)
            await self._wait(state)

    async def _gather(self) -> None:
        """Let those report whose turn it is at this very moment: they share the commit."""
        for _ in range(_TURNS):
            await asyncio.sleep(0)

    async def _turn(self, state: RunState) -> Sequence[_Change]:
        """Decide everything that has come in, and make it durable in one piece.

        Return what is wanted from now on of each step that has changed.
        """
        after = state.seq
        events, answers = self._decide(state)
        dirty, state.dirty = state.dirty, set()
        changes = [(number, effect_of(state, number)) for number in dirty]
        if not events and not answers:
            return changes
        self._foresee(changes, state)
        await self._record(events, after, answers)
        if self._observer is not None:
            self._observer(state, events)
            reach("observer.after")
        return changes

    def _foresee(self, changes: Sequence[_Change], state: RunState) -> None:
        """Have the holds read for the orders that are being recorded: right behind the commit."""
        self._foreseen = asyncio.get_running_loop().time()
        names: list[tuple[str, str]] = []
        machines, estates = state.machines, self._world.estates
        for number, want in changes:
            if want is None or want.kind is not _POWER_ON or (ref := machines[number]) is None:
                continue
            if (seen := estates[ref.connector].find(ref)) is not None:
                names += ((ref.connector, seen.machine), (ref.connector, seen.name))
        if names:
            self._world.holds.foresee(names)

    def _decide(self, state: RunState) -> tuple[list[Event], list[Answer]]:
        """Decide what has come in, as of one moment: what is decided at once happens at once."""
        events: list[Event] = []
        answers: list[Answer] = []
        now = self._world.clock.now()
        while self._inbox:
            command, entry = self._inbox.popleft()
            refused = self._apply(state, command, events, now, asked=entry is not None)
            if entry is not None:
                answers.append(Answer(id=entry, refused=refused))
        while self._advance(state, events, now):
            pass
        if state.started_at is None and state.approval is not None and not state.is_over:
            self._apply(state, cmd.Start(driver=self._driver), events, now)
            while self._advance(state, events, now):
                pass
        return events, answers

    def _apply(
        self,
        state: RunState,
        command: cmd.Command,
        events: list[Event],
        now: datetime,
        *,
        asked: bool = False,
    ) -> str:
        """Decide one command; return why it was refused, empty if it was not.

        One that was *asked* for stays in the inbox until it is answered: a defect in deciding it
        would end every drive of the run.
        """
        try:
            decided = decide(state, command, now)
        except CommandRejectedError as refused:
            return refused.message
        except Exception as error:
            if not asked:
                raise
            log.exception("decision.broke", run=self._run, decision=type(command).__name__)
            return f"unexpected {type(error).__name__}: {str(error)[:300]}"
        for event in decided:
            evolve(state, event)
        events += decided
        return ""

    def _advance(self, state: RunState, events: list[Event], now: datetime) -> bool:
        before = len(events)
        self._apply(state, _ADVANCE, events, now)
        return len(events) > before

    async def _record(self, events: Sequence[Event], after: int, answers: Sequence[Answer]) -> None:
        """Append until it is durable. Meanwhile nothing new starts: effects come after."""
        unknown = False
        while True:
            try:
                reach("append.before")
                await self._journal.append(
                    self._run, events, after=after, answers=answers, epoch=self._epoch
                )
                reach("append.after")
            except JournalUnavailableError as error:
                unknown = True  # it may have been stored, and only the answer was lost
                await self._wait_for_journal(error)
            except JournalConflictError:
                if unknown and await self._is_ours(events, after):
                    return
                raise
            else:
                return

    async def _wait_for_journal(self, error: JournalUnavailableError) -> None:
        told = {"reason": error.message, "hint": error.hint}
        log.warning("journal.unavailable", run=self._run, **told)
        await asyncio.sleep(_JOURNAL_AGAIN)

    async def _is_ours(self, events: Sequence[Event], after: int) -> bool:
        """Tell whether what stands behind *after* is what an append of ours left there."""
        while True:
            try:
                found = await self._journal.read(self._run, after)
            except JournalUnavailableError as error:
                await self._wait_for_journal(error)
            else:
                return bool(found) and [record.event for record in found] == list(events)

    def _reconcile(self, changes: Sequence[_Change], sentry: Sentry, performer: Performer) -> None:
        """Make the running tasks of changed steps equal to what is wanted for them.

        They are no children of a task group, whose bookkeeping costs each as much as the step.
        """
        running, perform, foreseen = self._running, performer.perform, self._foreseen
        start = asyncio.get_running_loop().create_task
        for number, want in changes:
            have = running.get(number)
            if have is not None:
                if not have[1].done():
                    if have[0] == want:
                        continue
                    self._dismiss(have[1])
                del running[number]
            if want is not None:
                running[number] = (want, start(perform(want, foreseen)))
            sentry.attend(number, want)

    def _dismiss(self, task: asyncio.Task[None]) -> None:
        task.cancel()
        self._leaving.add(task)
        task.add_done_callback(self._leaving.discard)

    async def _wait(self, state: RunState) -> None:
        """Sleep until something is reported or time makes something due."""
        if self._inbox:
            return  # no pause: what is decided next yields while it is made durable
        loop = asyncio.get_running_loop()
        if (due := next_due(state)) is not None:
            left = (due - self._world.clock.now()).total_seconds()
            self._ring_at(loop.time() + max(0.0, left))
        await self._wake.wait()

    def _ring_at(self, moment: float) -> None:
        """Wake up at *moment* of the loop's clock, or earlier: for nothing, at most once.

        Deadlines move away with nearly every turn. A timer that is left where it is costs less
        than one cancelled and made anew each time, for those stay in the loop's queue.
        """
        if self._alarm is not None:
            if self._alarm.when() <= moment:
                return
            self._alarm.cancel()
        self._alarm = asyncio.get_running_loop().call_at(moment, self._ring)

    def _ring(self) -> None:
        self._alarm = None
        self._wake.set()

    async def _poll_inbox(self) -> None:
        while True:
            try:
                asked = await self._journal.inbox(self._run)
            except JournalUnavailableError as error:
                log.warning("inbox.unavailable", run=self._run, reason=error.message)
                asked = ()
            for entry in asked:
                self._take(entry)
            await self._journal.hint(self._run, INBOX_EVERY)

    def _take(self, entry: Asked) -> None:
        if entry.id not in self._asked:
            self._asked.add(entry.id)
            self._inbox.append((entry.decision, entry.id))
            self._wake.set()


async def _raise_from(broke: asyncio.Future[None]) -> None:
    """Bring what no effect may catch (the end of the process) to whoever drives the run."""
    await broke

"""Carries dry runs and simulations to their end: a person may abort them, and nothing else."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import TypeAlias

import structlog

from drorch.engine.executor import INBOX_EVERY, Observer
from drorch.engine.late import refuse_late
from drorch.engine.preflight import Look
from drorch.engine.rehearsal import Rehearsal, unexamined
from drorch.engine.simulation import simulate
from drorch.errors import ConnectorError, DrorchError, JournalUnavailableError
from drorch.model.plan import Plan
from drorch.ports.clock import Clock
from drorch.ports.connector import Finding, Severity
from drorch.ports.journal import Answer, Asked, Journal, Recorded
from drorch.run import commands as cmd
from drorch.run import events as ev
from drorch.run.decide import decide
from drorch.run.evolve import evolve, fold
from drorch.run.seen import Seen
from drorch.run.state import RunState
from drorch.run.status import Mode, RunStatus, Scope

log = structlog.get_logger()

Events: TypeAlias = tuple[ev.Event, ...]

CALLED_OFF_WITHIN = 5.0
"""Seconds that an examination gets to end once it is called off; then it is left behind."""
_WORDS = {Mode.DRY_RUN: "a dry run", Mode.SIMULATE: "a simulation"}


def refusal_of(mode: Mode, decision: cmd.Decision) -> str:
    """Return why a run of *mode* can't take *decision* at any time; empty when it may."""
    if mode not in _WORDS or isinstance(decision, cmd.Abort):
        return ""
    return f"{_WORDS[mode]} asks nobody: it can only be aborted"


class Rehearser:
    """Drives runs that touch nothing. Their journal gets its events at the end, all or none."""

    def __init__(
        self, *, journal: Journal, rehearsal: Rehearsal, clock: Clock, driver: str
    ) -> None:
        self._journal = journal
        self._rehearsal = rehearsal
        self._clock = clock
        self._driver = driver

    async def drive(
        self, run: str, recorded: Sequence[Recorded], observer: Observer | None = None
    ) -> RunState:
        """Carry *run* to its end, or to the end that somebody's abort gives it."""
        history = tuple(record.event for record in recorded)
        state = fold(history)
        if not state.is_over:
            events, answers = await self._outcome(run, history)
            await self._journal.append(run, events, after=state.seq, answers=answers)
            state = fold((*history, *events))
            if observer is not None:
                observer(state, events)
        await refuse_late(self._journal, run, state)
        return state

    async def _outcome(self, run: str, history: Events) -> tuple[Events, tuple[Answer, ...]]:
        """Return what happened; the inbox is looked at before anything is asked, and all along."""
        began = ev.RunStarted(at=self._clock.now(), driver=self._driver)
        work: asyncio.Task[Events] | None = None
        try:
            while work is None or not work.done():
                abort = await self._listen(run, history)
                if abort is not None:
                    return self._aborted((*history, began), abort), (Answer(id=abort.id),)
                work = work or asyncio.create_task(self._work(began, history))
                await asyncio.wait({work}, timeout=INBOX_EVERY)
            return work.result(), ()
        finally:
            if work is not None:
                await _called_off(run, work)

    def _aborted(self, history: Events, abort: Asked) -> Events:
        """Return the events that end a run whose last event is that it has begun."""
        state, now = fold(history), self._clock.now()
        events = [history[-1]]
        decision: cmd.Command = abort.decision
        while not state.is_over:
            decided = decide(state, decision, now)
            for event in decided:
                evolve(state, event)
            events += decided
            decision = cmd.Advance()
        return tuple(events)

    async def _work(self, began: ev.RunStarted, history: Events) -> Events:
        request = history[0]
        assert isinstance(request, ev.RunRequested)  # noqa: S101 (a journal begins with it)
        if request.mode is Mode.SIMULATE:
            return await _simulated(request)
        look, unseen = await self._examined(request.plan)
        return (began, *_verdict(request.plan, look, unseen, self._clock.now()))

    async def _examined(self, plan: Plan) -> tuple[Look, dict[str, str]]:
        """Return what was seen, and of each step that was not why."""
        try:
            look = await self._rehearsal.examine(plan)
        except DrorchError as error:
            return _nothing(plan, error)
        except Exception as error:
            log.exception("rehearsal.broke")
            return _nothing(plan, DrorchError(f"unexpected {type(error).__name__}: {error}"))
        return look, unexamined(plan, look)

    async def _listen(self, run: str, history: Events) -> Asked | None:
        """Return the abort that somebody asks for; tell everybody else why not."""
        request = history[0]
        assert isinstance(request, ev.RunRequested)  # noqa: S101 (a journal begins with it)
        try:
            asked = await self._journal.inbox(run)
            why = [(entry.id, refusal_of(request.mode, entry.decision)) for entry in asked]
            answers = [Answer(id=entry, refused=refused) for entry, refused in why if refused]
            if answers:
                await self._journal.append(run, (), after=len(history), answers=answers)
        except JournalUnavailableError as error:
            log.warning("inbox.unavailable", run=run, reason=error.message)
            return None
        return next((entry for entry in asked if isinstance(entry.decision, cmd.Abort)), None)


async def _simulated(request: ev.RunRequested) -> Events:
    """Return what a simulation records behind *request*; its thread ends when this is cancelled."""
    stop = threading.Event()
    try:
        return (await asyncio.to_thread(simulate, request, stop))[1:]
    finally:
        stop.set()


async def _called_off(run: str, work: asyncio.Task[Events]) -> None:
    work.cancel()
    await asyncio.wait({work}, timeout=CALLED_OFF_WITHIN)
    if not work.done():
        log.warning("rehearsal.lingers", run=run, seconds=CALLED_OFF_WITHIN)


def _verdict(
    plan: Plan, look: Look, unseen: Mapping[str, str], now: datetime
) -> Iterator[ev.Event]:
    """Yield what a dry run records: what was seen, what was found, what follows from it."""
    for name in look.estates:
        seen = {
            step.id: Seen(power=found.power, host=found.host, machine=found.machine)
            for step in plan.steps
            if step.machine and step.machine.connector == name
            if (found := look.machines.get(step.id)) is not None
        }
        yield ev.MachinesObserved(at=now, connector=name, machines=seen)
    for name, away in look.away.items():
        yield ev.ObstacleFound(
            at=now, scope=Scope.CONNECTOR, key=name, reason=away.message, hint=away.hint
        )
    for held in (f for f in look.findings if f.code == "held" and f.step):
        yield ev.ObstacleFound(
            at=now, scope=Scope.MACHINE, key=held.step or "", reason=held.message, hint=held.hint
        )
    yield ev.FindingsReported(at=now, findings=tuple(look.findings))
    errors = {f.step: f.message for f in reversed(look.findings) if f.step and _is_error(f)}
    yield ev.StepsExamined(at=now, errors=errors, unexamined=unseen)
    failed = unseen or any(_is_error(f) for f in look.findings)
    yield ev.RunEnded(at=now, status=RunStatus.FAILED if failed else RunStatus.SUCCEEDED)


def _nothing(plan: Plan, error: DrorchError) -> tuple[Look, dict[str, str]]:
    """Return the look that was refused before it began."""
    why = dict.fromkeys((step.id for step in plan.steps), error.message)
    return Look(findings=[_refusal(error)]), why


def _is_error(finding: Finding) -> bool:
    return finding.severity is Severity.ERROR


def _refusal(error: DrorchError) -> Finding:
    code = "connector-refused" if isinstance(error, ConnectorError) else "configuration"
    return Finding(severity=Severity.ERROR, code=code, message=error.message, hint=error.hint)

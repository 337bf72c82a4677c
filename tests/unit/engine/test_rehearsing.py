"""Dry runs and simulations can be aborted while they are under way, and refuse all else."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine, Sequence
from typing import Any, TypeVar

import pytest
from typing_extensions import override

from drorch.engine.preflight import Look, Preflight
from drorch.engine.rehearsal import Rehearsal
from drorch.engine.rehearsing import Rehearser, refusal_of
from drorch.engine.simulation import ImaginedCallouts, ImaginedEstate, simulate
from drorch.engine.virtual import VirtualClock, run_virtually
from drorch.errors import JournalUnavailableError
from drorch.journal.memory import MemoryJournal
from drorch.model.plan import CheckSpec, MachineRef, Plan
from drorch.ports.check import CheckResult, Verdict
from drorch.ports.connector import Survey
from drorch.ports.journal import Asked
from drorch.run import commands as cmd
from drorch.run import events as ev
from drorch.run.evolve import fold
from drorch.run.state import RunState
from drorch.run.status import Mode, RunStatus, StepStatus
from tests.fakes.plans import gate, plan, vm
from tests.fakes.script import T0, requested

T = TypeVar("T")
RUN = "test-1"
ABORT = cmd.Abort(by="anna", comment="false alarm")


class SilentProber:
    """Never answers; counts who asked and who was let go."""

    def __init__(self) -> None:
        self.asked = 0
        self.released = 0

    async def probe(self, check: CheckSpec, machine: MachineRef | None) -> CheckResult:
        del check, machine
        self.asked += 1
        try:
            await asyncio.sleep(1e9)
        finally:
            self.released += 1
        return CheckResult(verdict=Verdict.HEALTHY, evidence="")


class SilentEstate(ImaginedEstate):
    @override
    async def survey(self) -> Survey:
        await asyncio.sleep(1e9)
        return await super().survey()


class ShakyJournal(MemoryJournal):
    """Its inbox cannot be read the first times."""

    def __init__(self, failures: int) -> None:
        super().__init__()
        self.failures = failures

    @override
    async def inbox(self, run: str) -> Sequence[Asked]:
        if self.failures:
            self.failures -= 1
            raise JournalUnavailableError("the disk is full")
        return await super().inbox(run)


class QuickRehearsal(Rehearsal):
    """Finds nothing, at once."""

    @override
    async def examine(self, plan: Plan) -> Look:
        del plan
        await asyncio.sleep(0)
        return Look()


class Rehearsed:
    """A rehearsal of *plan* in virtual time, and the people around it."""

    def __init__(
        self, whole: Plan, mode: Mode = Mode.DRY_RUN, *, journal: MemoryJournal | None = None
    ) -> None:
        self.journal = journal or MemoryJournal()
        self.journal.create(RUN, (requested(whole, mode),))
        self.prober = SilentProber()
        self.estate: ImaginedEstate = ImaginedEstate("pve", {"db": 1.0})
        self.told: list[tuple[RunState, Sequence[ev.Event]]] = []

    def driver(self, kind: type[Rehearsal] = Rehearsal) -> Rehearser:
        async def nobody(*machine: str) -> str:
            del machine
            return ""

        preflight = Preflight({"pve": self.estate}, ImaginedCallouts(), lambda _check: "", nobody)
        return Rehearser(
            journal=self.journal,
            rehearsal=kind(preflight, self.prober),
            clock=VirtualClock(T0),
            driver="here",
        )

    async def drive(self, kind: type[Rehearsal] = Rehearsal) -> RunState:
        recorded = await self.journal.read(RUN)
        return await self.driver(kind).drive(RUN, recorded, lambda s, e: self.told.append((s, e)))

    def types(self) -> list[str]:
        return [event.type for event in self.journal.events[RUN]]


def play(story: Coroutine[Any, Any, T]) -> T:
    async def within() -> T:
        async with asyncio.timeout(3600):
            return await story

    return run_virtually(within())


ENDED = ["run.requested", "run.started", "run.abort-requested", "steps.cancelled", "run.ended"]


@pytest.mark.parametrize("silent", ["prober", "estate"])
def test_what_never_answers_is_called_off(silent: str) -> None:
    run = Rehearsed(plan(vm("db"), gate("net")))
    if silent == "estate":
        run.estate = SilentEstate("pve", {"db": 1.0})

    async def story() -> tuple[RunState, float]:
        driving = asyncio.create_task(run.drive())
        await asyncio.sleep(10)
        assert not driving.done()
        began = asyncio.get_running_loop().time()
        run.journal.ask(RUN, ABORT)
        return await driving, asyncio.get_running_loop().time() - began

    state, took = play(story())
    assert took <= 0.5
    assert state.status is RunStatus.ABORTED
    assert run.types() == ENDED
    assert {own.status for own in state.steps} == {StepStatus.CANCELLED}
    asked = run.journal.events[RUN][2]
    assert isinstance(asked, ev.RunAbortRequested)
    assert (asked.by, asked.comment) == ("anna", "false alarm")
    assert (state.driver, state.started_at) == ("here", T0)
    assert run.journal.answers[1].refused == ""
    assert run.prober.asked == run.prober.released == (0 if silent == "estate" else 2)
    assert [events for _, events in run.told] == [tuple(run.journal.events[RUN][1:])]


def test_an_abort_that_lies_there_already_is_taken_before_anything_is_asked() -> None:
    run = Rehearsed(plan(gate("net")))
    run.journal.ask(RUN, ABORT)
    assert play(run.drive()).status is RunStatus.ABORTED
    assert run.prober.asked == 0


def test_every_other_decision_is_refused_with_the_reason_at_once() -> None:
    run = Rehearsed(plan(gate("net")))
    others = (cmd.Pause(by="anna"), cmd.Skip(by="anna", step="net"))

    async def story() -> RunState:
        driving = asyncio.create_task(run.drive())
        await asyncio.sleep(1)
        for decision in others:
            run.journal.ask(RUN, decision)
        await asyncio.sleep(1)
        assert not driving.done()
        assert [a.refused for a in run.journal.answers.values()] == [
            "a dry run asks nobody: it can only be aborted"
        ] * 2
        run.journal.ask(RUN, ABORT)
        return await driving

    assert play(story()).status is RunStatus.ABORTED
    assert refusal_of(Mode.SIMULATE, others[0]).startswith("a simulation asks nobody")
    assert refusal_of(Mode.SIMULATE, ABORT) == refusal_of(Mode.LIVE, others[0]) == ""


def test_what_comes_too_late_is_answered_at_the_end() -> None:
    run = Rehearsed(plan(gate("net")))

    class Late(QuickRehearsal):
        @override
        async def examine(self, plan: Plan) -> Look:
            run.journal.ask(RUN, ABORT)
            run.journal.ask(RUN, cmd.Pause(by="anna"))
            return await super().examine(plan)

    assert play(run.drive(Late)).status is RunStatus.SUCCEEDED
    assert [a.refused for a in run.journal.answers.values()] == [
        "the run has ended (succeeded)"
    ] * 2
    run.journal.ask(RUN, ABORT)
    assert play(run.drive()).status is RunStatus.SUCCEEDED  # driven again: it stays as it ended
    assert "has ended" in run.journal.answers[3].refused
    assert run.types()[-1] == "run.ended"
    assert run.types().count("run.ended") == 1


def test_an_inbox_that_cannot_be_read_is_tried_again() -> None:
    run = Rehearsed(plan(gate("net")), journal=ShakyJournal(3))
    run.journal.ask(RUN, ABORT)
    assert play(run.drive()).status is RunStatus.ABORTED
    quick = Rehearsed(plan(gate("net")), journal=ShakyJournal(99))
    assert play(quick.drive(QuickRehearsal)).status is RunStatus.SUCCEEDED


def test_cancelling_leaves_the_run_open_and_nobody_asking() -> None:
    run = Rehearsed(plan(gate("net")))

    async def story() -> None:
        driving = asyncio.create_task(run.drive())
        await asyncio.sleep(1)
        driving.cancel()
        await asyncio.wait({driving})
        assert driving.cancelled()

    play(story())
    assert run.types() == ["run.requested"]
    assert run.prober.asked == run.prober.released == 1


def test_a_simulation_ends_when_it_is_aborted_and_so_does_its_thread() -> None:
    """In real time: a simulation computes in a thread of its own."""
    whole = plan(*(vm(f"m{n}") for n in range(3000)))
    run = Rehearsed(whole, Mode.SIMULATE)

    async def story() -> RunState:
        driving = asyncio.create_task(run.drive())
        async with asyncio.timeout(30):
            while not any("asyncio_" in t.name for t in threading.enumerate()):
                await asyncio.sleep(0.001)
        run.journal.ask(RUN, ABORT)
        async with asyncio.timeout(30):
            return await driving

    state = asyncio.run(story())  # waits for its threads
    assert state.status is RunStatus.ABORTED
    assert run.types() == ENDED


def test_a_simulation_that_nobody_wants_breaks_off() -> None:
    stop = threading.Event()
    stop.set()
    with pytest.raises(ExceptionGroup) as broken:
        simulate(requested(plan(vm("db")), Mode.SIMULATE), stop)
    assert broken.group_contains(Exception, match="test-1")


def test_without_an_abort_it_ends_as_ever() -> None:
    simulated = Rehearsed(plan(vm("db")), Mode.SIMULATE)
    assert asyncio.run(simulated.drive()).status is RunStatus.SUCCEEDED
    assert fold(simulated.journal.events[RUN]).status is RunStatus.SUCCEEDED

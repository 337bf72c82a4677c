"""The executor against a simulated estate: journals that fail, defects, what people ask."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import replace
from typing import Any

import pytest
from typing_extensions import override

from drorch.engine.virtual import run_virtually
from drorch.engine.world import HOLDS_UNKNOWN
from drorch.errors import JournalConflictError, JournalUnavailableError
from drorch.journal.memory import MemoryJournal
from drorch.model.plan import CheckSpec, MachineRef
from drorch.ports.check import CheckResult, Verdict
from drorch.ports.connector import Order, Permit, Survey
from drorch.ports.journal import Answer, Asked
from drorch.run import commands as cmd
from drorch.run import events as ev
from drorch.run.state import Obstacle
from drorch.run.status import RunStatus
from tests.fakes.plans import ONCE, plan, vm
from tests.fakes.script import T0
from tests.fakes.stage import RUN, Stage, StageConnector

FLEET: dict[str, Any] = {
    "hosts": {"h1": {}},
    "machines": [{"id": 1, "boot": "10s", "app": "2s"}, {"id": 2, "boot": "10s", "app": "2s"}],
}
TWO = plan(vm("1", retry=ONCE), vm("2", "1", retry=ONCE))


class SickJournal(MemoryJournal):
    """Cannot be written, or read, between two moments of the loop's time."""

    def __init__(self) -> None:
        super().__init__()
        self.unwritable = (0.0, 0.0)
        self.unreadable = (0.0, 0.0)

    @override
    async def append(
        self,
        run: str,
        events: Sequence[ev.Event],
        *,
        after: int,
        answers: Sequence[Answer] = (),
        epoch: int | None = None,
    ) -> None:
        _fail(self.unwritable)
        await super().append(run, events, after=after, answers=answers, epoch=epoch)

    @override
    async def inbox(self, run: str) -> Sequence[Asked]:
        _fail(self.unreadable)
        return await super().inbox(run)

    @override
    async def held(self, machines: Sequence[tuple[str, str]]) -> dict[tuple[str, str], str]:
        _fail(self.unreadable)
        return await super().held(machines)


def _fail(during: tuple[float, float]) -> None:
    if during[0] <= asyncio.get_running_loop().time() < during[1]:
        raise JournalUnavailableError("the journal cannot be written: disk full")


def played(
    prepare: Callable[[Stage], object] = lambda _: None, journal: MemoryJournal | None = None
) -> Stage:
    async def play() -> Stage:
        stage = Stage(TWO, FLEET, journal=journal)
        story = prepare(stage)
        telling = asyncio.create_task(story) if isinstance(story, Coroutine) else None
        await stage.recover()
        if telling is not None:
            telling.cancel()
        return stage

    return run_virtually(play())


def test_somebody_else_at_the_journal_ends_the_drive_with_a_plain_error() -> None:
    async def intrude(stage: Stage) -> None:
        await asyncio.sleep(5)
        stage.journal.events[RUN].append(ev.RunPaused(at=stage.events[-1].at, by="another"))

    with pytest.raises(JournalConflictError):
        played(intrude)


def test_while_the_journal_cannot_be_written_nothing_new_is_started() -> None:
    journal = SickJournal()
    journal.unwritable = (5.0, 300.0)
    stage = played(journal=journal)
    assert stage.state.status is RunStatus.SUCCEEDED
    first, second = (entry.at - stage.starts()[0].at for entry in stage.starts())
    assert first == 0
    assert 300 <= second < 310, "it goes on by itself when the disk is well"


def test_an_inbox_and_holds_that_cannot_be_read_stop_no_run_and_let_no_order_through() -> None:
    journal = SickJournal()
    journal.unreadable = (5.0, 120.0)
    stage = played(journal=journal)
    assert stage.state.status is RunStatus.SUCCEEDED
    second = stage.starts()[1].at - stage.starts()[0].at
    assert 120 <= second < 125
    assert not [event for event in stage.events if isinstance(event, ev.OrderInDoubt)]


def test_a_cluster_without_quorum_at_the_first_look_gets_no_order() -> None:
    class Unquorate(StageConnector):
        @override
        async def survey(self) -> Survey:
            seen = await super().survey()
            quorate = asyncio.get_running_loop().time() > 100
            return replace(seen, quorate=quorate, reason="1 of 3 nodes votes")

        @override
        async def start(self, machine: str, *, permit: Permit) -> Order:
            assert asyncio.get_running_loop().time() > 100, "the order left all the same"
            return await super().start(machine, permit=permit)

    def prepare(stage: Stage) -> None:
        stage.connector = Unquorate("pve", stage.world)

    stage = played(prepare)
    assert stage.state.status is RunStatus.SUCCEEDED
    found = [event for event in stage.events if isinstance(event, ev.ObstacleFound)]
    assert [event.reason for event in found] == ["1 of 3 nodes votes"]
    assert not [event for event in stage.events if isinstance(event, ev.StepPutBack)]


class PacedConnector(StageConnector):
    """Keeps each order waiting for its turn, five seconds."""

    @override
    async def start(self, machine: str, *, permit: Permit) -> Order:
        await asyncio.sleep(5)
        return await super().start(machine, permit=permit)


def test_a_hold_that_is_placed_while_the_order_waits_for_its_turn_stops_it() -> None:
    seen: dict[str, object] = {}

    async def hold(stage: Stage) -> None:
        await asyncio.sleep(3)
        stage.journal.holds["pve", "1"] = "held by rita: encrypted?"
        await asyncio.sleep(30)
        seen["starts"] = len(stage.starts())
        seen["status"] = stage.state.status
        seen["obstacle"] = stage.state.obstacle(0)
        await asyncio.sleep(30)
        del stage.journal.holds["pve", "1"]

    def prepare(stage: Stage) -> object:
        stage.connector = PacedConnector("pve", stage.world)
        return hold(stage)

    stage = played(prepare)
    assert (seen["starts"], seen["status"]) == (0, RunStatus.WAITING)
    assert isinstance(seen["obstacle"], Obstacle)
    assert seen["obstacle"].reason == "held by rita: encrypted?"
    assert stage.state.status is RunStatus.SUCCEEDED, "of one attempt each, none was spent on it"
    assert [entry.at - T0.timestamp() >= 63 for entry in stage.starts()] == [True, True]
    assert not [event for event in stage.events if isinstance(event, ev.OrderInDoubt)]


def test_holds_that_cannot_be_read_while_the_order_waits_stop_it_for_so_long() -> None:
    journal = SickJournal()
    journal.unreadable = (2.0, 60.0)

    def prepare(stage: Stage) -> None:
        stage.connector = PacedConnector("pve", stage.world)

    stage = played(prepare, journal)
    assert stage.state.status is RunStatus.SUCCEEDED
    put_back = [event.reason for event in stage.events if isinstance(event, ev.StepPutBack)]
    assert put_back == [HOLDS_UNKNOWN]
    assert stage.starts()[0].at - T0.timestamp() >= 60


def test_a_check_that_cannot_be_carried_out_asks_at_once_and_says_why() -> None:
    class Driverless:
        async def probe(self, check: CheckSpec, machine: MachineRef | None) -> CheckResult:
            return CheckResult(verdict=Verdict.BROKEN, evidence="pip install drorch[postgres]")

    async def abort(stage: Stage) -> None:
        await asyncio.sleep(60)
        stage.journal.ask(RUN, cmd.Abort(by="anna"))

    def prepare(stage: Stage) -> object:
        stage.prober = Driverless()  # type: ignore[assignment]
        return abort(stage)

    stage = played(prepare)
    failed = [event for event in stage.events if isinstance(event, ev.AttemptFailed)]
    assert [event.kind for event in failed] == ["unknown"], "no reason to restart a machine"
    assert "a check cannot be carried out: tcp: pip install" in failed[0].detail
    assert "accept" in failed[0].hint


def test_a_defect_of_a_connector_concerns_one_step_and_is_looked_up() -> None:
    class Defective(StageConnector):
        @override
        async def start(self, machine: str, *, permit: Permit) -> Order:
            order = await super().start(machine, permit=permit)
            if machine == "1":
                raise LookupError("the answer had no 'data'")
            return order

    def prepare(stage: Stage) -> None:
        stage.connector = Defective("pve", stage.world)

    stage = played(prepare)
    assert stage.state.status is RunStatus.SUCCEEDED
    doubts = [event for event in stage.events if isinstance(event, ev.OrderInDoubt)]
    assert [event.reason for event in doubts] == [
        "unexpected LookupError: the answer had no 'data'"
    ]
    assert len(stage.starts()) == 2


def test_decisions_are_taken_once_and_refusals_are_told() -> None:
    async def prepare(stage: Stage) -> None:
        await asyncio.sleep(3)
        for decision in (cmd.Resume(by="a"), cmd.Pause(by="b"), cmd.Pause(by="c")):
            stage.journal.ask(RUN, decision)
        await asyncio.sleep(30)
        stage.journal.ask(RUN, cmd.Resume(by="d"))

    stage = played(prepare)
    answers = [stage.journal.answers[entry].refused for entry in (1, 2, 3, 4)]
    assert answers == ["the run is not paused", "", "the run is paused already", ""]
    assert sum(isinstance(event, ev.RunPaused) for event in stage.events) == 1
    assert stage.state.status is RunStatus.SUCCEEDED

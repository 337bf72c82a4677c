"""How an executor ends: nothing leaves any more, nothing vanishes; and what must not end it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from typing_extensions import override

from drorch.engine.virtual import run_virtually
from drorch.errors import JournalConflictError
from drorch.journal.memory import MemoryJournal
from drorch.model.plan import CheckSpec, MachineRef, OnFailure, OnUnhealthy, Plan, Service
from drorch.ports.check import CheckResult
from drorch.ports.connector import Order, Permit, Survey
from drorch.ports.journal import Answer
from drorch.run import commands as cmd
from drorch.run import events as ev
from drorch.run.status import PaperResult, RunStatus
from tests.fakes.plans import ONCE, check, plan, vm
from tests.fakes.script import T0
from tests.fakes.stage import RUN, Stage, StageConnector, StageProber

FLEET: dict[str, Any] = {
    "hosts": {"h1": {}},
    "machines": [{"id": 1, "boot": "10s", "app": "2s"}],
}
TAX = Service(id="tax", title={"en": "Taxes"}, external=True, verify=(check("tax"),))
ALONE = plan(vm("1", retry=ONCE))
WATCHED = plan(vm("1", retry=ONCE), services=(TAX,))


class Reluctant(StageProber):
    """Takes long to stop asking how an external service is."""

    @override
    async def probe(self, check: CheckSpec, machine: MachineRef | None) -> CheckResult:
        if check.name != "tax":
            return await super().probe(check, machine)
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(30)
        raise AssertionError


class Paced(StageConnector):
    """Keeps an order waiting for its turn, five seconds."""

    @override
    async def start(self, machine: str, *, permit: Permit) -> Order:
        await asyncio.sleep(5)
        return await super().start(machine, permit=permit)


def staged(of: Plan, connector: type[StageConnector] = StageConnector) -> Stage:
    stage = Stage(of, FLEET)
    stage.connector = connector("pve", stage.world)
    return stage


def test_no_order_leaves_while_an_executor_that_lost_its_run_ends() -> None:
    async def play() -> tuple[Stage, float]:
        stage = staged(WATCHED, Paced)
        stage.prober = Reluctant(stage.world)
        driving = asyncio.create_task(stage.recover())
        await asyncio.sleep(3)
        stage.journal.events[RUN].append(ev.RunAdopted(at=T0, driver="another"))
        stage.journal.ask(RUN, cmd.Pause(by="anna"))  # now it has something to write, and finds out
        with pytest.raises(JournalConflictError):
            await driving
        return stage, asyncio.get_running_loop().time()

    stage, ended = run_virtually(play())
    assert ended > 5, "it was kept from ending until the order's turn had come"
    assert stage.starts() == []


class EndOfProcessError(BaseException):
    """No error of an adapter: it concerns whoever runs the process."""


def test_the_end_of_the_process_is_not_swallowed_by_an_effect_that_is_stopped() -> None:
    class Last(StageConnector):
        @override
        async def start(self, machine: str, *, permit: Permit) -> Order:
            try:
                await asyncio.Event().wait()
            finally:
                raise EndOfProcessError
            raise AssertionError

    async def play() -> None:
        stage = staged(ALONE, Last)
        driving = asyncio.create_task(stage.recover())
        await asyncio.sleep(3)
        stage.journal.events[RUN].append(ev.RunAdopted(at=T0, driver="another"))
        stage.journal.ask(RUN, cmd.Pause(by="anna"))
        await driving

    with pytest.raises(EndOfProcessError):
        run_virtually(play())


def test_an_adapter_that_cancels_itself_is_a_defect_and_no_silence() -> None:
    class Torn(StageConnector):
        torn = False

        @override
        async def start(self, machine: str, *, permit: Permit) -> Order:
            order = await super().start(machine, permit=permit)
            if not self.torn:
                self.torn = True
                raise asyncio.CancelledError  # of a connection pool of its own
            return order

    async def play() -> Stage:
        stage = staged(ALONE, Torn)
        await stage.recover()
        return stage

    stage = run_virtually(play())
    doubts = [event for event in stage.events if isinstance(event, ev.OrderInDoubt)]
    assert [(event.at - T0).total_seconds() < 1 for event in doubts] == [True]
    assert len(stage.starts()) == 1
    assert stage.state.status is RunStatus.SUCCEEDED


def test_a_check_that_cancels_itself_restarts_no_machine() -> None:
    class Torn(StageProber):
        @override
        async def probe(self, check: CheckSpec, machine: MachineRef | None) -> CheckResult:
            await super().probe(check, machine)
            raise asyncio.CancelledError

    async def play() -> Stage:
        restarted = vm("1", on_unhealthy=OnUnhealthy.RESTART, on_failure=OnFailure.CONTINUE)
        stage = staged(plan(restarted))
        stage.prober = Torn(stage.world)
        await stage.recover()
        return stage

    stage = run_virtually(play())
    failed = [event for event in stage.events if isinstance(event, ev.AttemptFailed)]
    assert ["unexpected CancelledError" in event.detail for event in failed] == [True]
    assert (failed[0].at - T0).total_seconds() < 60, "nobody waited for its time to run out"
    assert len(stage.starts()) == 1


def test_a_decision_that_nobody_can_decide_is_refused_and_ends_no_run() -> None:
    """As another version of drorch may have written it: a time without a zone."""
    naive = T0.replace(tzinfo=None)
    tick = cmd.Paper(by="a", step="1", done_at=naive, done_by="M", result=PaperResult.DONE)

    async def play() -> Stage:
        stage = staged(ALONE)
        stage.journal.ask(RUN, tick)
        await stage.recover()
        return stage

    stage = run_virtually(play())
    assert "TypeError" in stage.journal.answers[1].refused
    assert stage.state.status is RunStatus.SUCCEEDED


def test_a_cluster_without_quorum_can_be_looked_at_before_a_paper_ends_the_run() -> None:
    class Unquorate(StageConnector):
        @override
        async def survey(self) -> Survey:
            return replace(await super().survey(), quorate=False, reason="1 of 3 nodes votes")

    async def play() -> Stage:
        stage = staged(ALONE, Unquorate)
        driving = asyncio.create_task(stage.recover())
        await asyncio.sleep(60)
        at = T0.replace(second=30)
        stage.journal.ask(
            RUN, cmd.Paper(by="a", step="1", done_at=at, done_by="M", result=PaperResult.DONE)
        )
        await asyncio.sleep(60)
        assert not driving.done(), "the machine is off, as every reading says"
        assert stage.state.status is RunStatus.WAITING
        stage.journal.ask(RUN, cmd.Abort(by="a"))
        await driving
        return stage

    stage = run_virtually(play())
    assert [event.step for event in stage.events if isinstance(event, ev.MachineLost)] == ["1"]


class LastMoment(MemoryJournal):
    """Somebody decides at the very moment at which the end of the run is being recorded."""

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
        if any(isinstance(event, ev.RunEnded) for event in events):
            self.ask(run, cmd.Pause(by="anna"))
        await super().append(run, events, after=after, answers=answers, epoch=epoch)


def test_a_decision_behind_the_last_turn_is_refused_by_who_leaves() -> None:
    async def play() -> Stage:
        stage = Stage(ALONE, FLEET, journal=LastMoment())
        await stage.recover()
        assert await stage.journal.inbox(RUN) == [], "none waits for ever"
        entry = stage.journal.ask(RUN, cmd.Pause(by="anna"))
        await stage.recover()  # by who had begun to resume it while it ended
        assert "has ended" in stage.journal.answers[entry].refused
        return stage

    stage = run_virtually(play())
    assert [a.refused for a in stage.journal.answers.values()] == [
        "the run has ended (succeeded)"
    ] * 2
    assert isinstance(stage.events[-1], ev.RunEnded)

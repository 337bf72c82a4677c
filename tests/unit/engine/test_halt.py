"""A halt lets nothing new out, in any run, until it is lifted; stop orders have a ceiling."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace

from typing_extensions import override

from drorch.access.policy import APPROVAL_WITHIN
from drorch.engine.actions import Performer
from drorch.engine.clock import SystemClock
from drorch.engine.virtual import run_virtually
from drorch.engine.world import HoldGuard, World
from drorch.journal.memory import MemoryJournal
from drorch.ports.journal import EVERYTHING
from drorch.run import commands as cmd
from drorch.run import events as ev
from drorch.run.decisions import approval_digest
from drorch.run.effects import Effect, EffectKind
from drorch.run.state import HALT
from drorch.run.status import RunStatus
from tests.fakes.plans import callout, plan, vm
from tests.fakes.stage import RUN, Stage

FLEET = {
    "hosts": {"h1": {}},
    "machines": [{"id": n, "boot": "10s", "app": "1s"} for n in range(1, 6)],
}
CHAIN = plan(vm("1"), vm("2", "1"), vm("3", "2"), callout("call", "3"), vm("4", "call"))


def test_a_halt_holds_up_every_order_and_lifting_it_lets_the_run_go_on() -> None:
    seen: dict[str, object] = {}

    async def play() -> Stage:
        journal = MemoryJournal()
        stage = Stage(CHAIN, FLEET, journal=journal)
        recovering = asyncio.create_task(stage.recover())
        await asyncio.sleep(5)
        journal.holds[EVERYTHING] = "halted by anna: what is encrypted?"
        await asyncio.sleep(600)
        seen["orders"] = len(stage.starts())
        seen["status"] = stage.state.status
        seen["obstacle"] = stage.state.obstacles[HALT].reason
        del journal.holds[EVERYTHING]
        await recovering
        return stage

    stage = run_virtually(play())
    assert seen == {
        "orders": 1,
        "status": RunStatus.WAITING,
        "obstacle": "halted by anna: what is encrypted?",
    }
    assert stage.state.status is RunStatus.SUCCEEDED
    assert not [event for event in stage.events if isinstance(event, ev.AttemptFailed)]


def test_within_a_second_no_order_leaves_even_of_a_hundred_that_are_due() -> None:
    many = plan(*(vm(str(n)) for n in range(1, 6)))

    async def play() -> list[float]:
        journal = MemoryJournal()
        stage = Stage(many, FLEET, journal=journal)
        journal.holds[EVERYTHING] = "halted by anna: stop"
        recovering = asyncio.create_task(stage.recover())
        await asyncio.sleep(120)
        before = len(stage.starts())
        del journal.holds[EVERYTHING]
        await recovering
        return [before, len(stage.starts())]

    assert run_virtually(play()) == [0, 5]


def test_a_callout_does_not_leave_during_a_halt_either() -> None:
    alone = plan(callout("call"))

    async def play() -> tuple[list[str], list[str]]:
        journal = MemoryJournal()
        stage = Stage(alone, FLEET, journal=journal)
        journal.holds[EVERYTHING] = "halted by anna: stop"
        recovering = asyncio.create_task(stage.recover())
        await asyncio.sleep(60)
        before = list(stage.callouts.called)
        del journal.holds[EVERYTHING]
        await recovering
        return before, stage.callouts.called

    before, after = run_virtually(play())
    assert before == []
    assert len(after) == 1


def test_an_approved_run_begins_and_one_that_nobody_approves_ends() -> None:
    async def play(*, approve: bool) -> Stage:
        stage = Stage(plan(vm("1")), FLEET)
        asked = stage.journal.events[RUN][0]
        assert isinstance(asked, ev.RunRequested)
        waits = replace(asked, approve_by=asked.at + APPROVAL_WITHIN, identity="person:anna")
        stage.journal.events[RUN][0] = waits
        recovering = asyncio.create_task(stage.recover())
        await asyncio.sleep(300)
        assert stage.state.status is RunStatus.AWAITING_APPROVAL
        assert not stage.starts()
        if approve:
            digest = approval_digest(stage.state)
            yes = cmd.ApproveRun(by="bruno", identity="person:bruno", digest=digest)
            stage.journal.ask(RUN, yes)
        await recovering
        return stage

    approved = run_virtually(play(approve=True))
    assert approved.state.status is RunStatus.SUCCEEDED
    left = run_virtually(play(approve=False))
    assert left.state.status is RunStatus.ABORTED
    assert not left.starts()
    ended = left.events[-1].at - left.events[0].at
    assert APPROVAL_WITHIN <= ended < APPROVAL_WITHIN * 1.01


class LosingJournal(MemoryJournal):
    """Somebody else takes the run over while the halt is asked for."""

    lost = False

    @override
    async def held(self, machines: Sequence[tuple[str, str]]) -> dict[tuple[str, str], str]:
        self.lost = True
        return await super().held(machines)


def test_who_loses_the_run_while_the_halt_is_asked_for_calls_nobody() -> None:
    async def play() -> list[str]:
        journal = LosingJournal()
        stage = Stage(plan(callout("call")), FLEET, journal=journal)
        world = World(
            estates={},
            prober=stage.prober,
            callouts=stage.callouts,
            holds=HoldGuard(journal),
            clock=SystemClock(),
            may_act=lambda: "the lease is lost" if journal.lost else "",
        )
        effect = Effect(EffectKind.CALL_OUT, 0, 1)
        broke: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        performer = Performer(stage.state, world, lambda _: None, broke)
        calling = asyncio.create_task(performer.perform(effect))
        await asyncio.sleep(30)
        calling.cancel()
        return stage.callouts.called

    assert run_virtually(play()) == []

"""Answers that were long on their way, and processes that have lost the run meanwhile.

Each of these was found by a seed of `make simulate`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

from typing_extensions import override

from drorch.engine import actions, orders
from drorch.engine.virtual import VirtualClock, run_virtually
from drorch.engine.watch import EstateWatch
from drorch.engine.world import HOLDS_UNKNOWN, HoldGuard, World
from drorch.journal.memory import MemoryJournal
from drorch.model.plan import MachineRef
from drorch.ports.callout import CalloutResult
from drorch.ports.connector import Power
from drorch.run import commands as cmd
from drorch.run.effects import Effect, EffectKind
from tests.fakes.estate import CountedEstate
from tests.fakes.plans import callout
from tests.fakes.script import T0
from tests.fakes.stage import StageCallouts

KEY = ("pve", "m0")


class LateJournal(MemoryJournal):
    """Reads the holds at once; its answer is ``late`` seconds on its way."""

    def __init__(self, late: float) -> None:
        super().__init__()
        self.late = late

    @override
    async def held(self, machines: Sequence[tuple[str, str]]) -> dict[tuple[str, str], str]:
        found = await super().held(machines)
        await asyncio.sleep(self.late)
        return found


def world_of(watch: EstateWatch, journal: MemoryJournal, callouts: StageCallouts) -> World:
    return World(
        estates={"pve": watch},
        prober=None,  # type: ignore[arg-type]  # nothing here is verified
        callouts=callouts,
        holds=HoldGuard(journal),
        clock=VirtualClock(T0),
    )


def test_a_reading_of_the_holds_is_as_old_as_its_question() -> None:
    journal = LateJournal(2.5)

    async def play() -> tuple[str, str]:
        guard = HoldGuard(journal)
        with guard.pending(*KEY):
            asking = asyncio.create_task(guard.reason(*KEY))
            await asyncio.sleep(1)
            journal.holds[KEY] = "encrypted?"
            told = await asking, guard.forbids(*KEY)
        await asyncio.sleep(5)
        return told

    assert run_virtually(play()) == ("", HOLDS_UNKNOWN)


def test_a_machine_that_began_to_start_while_holds_were_read_gets_no_order() -> None:
    async def play() -> cmd.Report:
        estate = CountedEstate(events=True)
        watch = EstateWatch(estate)
        reading = asyncio.create_task(watch.run())
        errand = orders.Errand(
            step="s",
            attempt=1,
            ref=MachineRef(connector="pve", id="m0"),
            watch=watch,
            world=world_of(watch, LateJournal(0.8), StageCallouts()),
            since=T0,
        )
        ordering = asyncio.create_task(orders.power_on(errand))
        await asyncio.sleep(0.4)
        estate.becomes("m0", Power.STARTING)
        report = await ordering
        reading.cancel()
        await asyncio.sleep(2)
        return report

    assert run_virtually(play()) == cmd.ReportAccepted(step="s", attempt=1, already=True)


class CountedCallouts(StageCallouts):
    @override
    async def call(self, name: str, arguments: Mapping[str, str]) -> CalloutResult:
        self.called.append(name)
        return CalloutResult(ok=True, evidence="done")


def test_who_has_lost_the_run_carries_out_no_callout() -> None:
    """Its new owner finds the intent and resolves the doubt: nothing is done twice."""
    callouts = CountedCallouts()
    why = "another process owns the run"

    async def play() -> list[str]:
        watch = EstateWatch(CountedEstate())
        base = world_of(watch, MemoryJournal(), callouts)
        world = World(
            estates=base.estates,
            prober=base.prober,
            callouts=callouts,
            holds=base.holds,
            clock=base.clock,
            may_act=lambda: why,
        )
        effect = Effect(EffectKind.CALL_OUT, 0, 1)
        calling = asyncio.create_task(actions._call_out(effect, callout("dns"), world))
        await asyncio.sleep(60)
        assert not calling.done()
        calling.cancel()
        return list(callouts.called)

    assert run_virtually(play()) == []

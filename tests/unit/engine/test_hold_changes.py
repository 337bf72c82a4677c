"""A second hold on a machine, under another name, is what people see once the first is released."""

from __future__ import annotations

import asyncio

from drorch.engine.virtual import run_virtually
from drorch.run import events as ev
from drorch.run.status import RunStatus
from tests.fakes.plans import ONCE, plan, vm
from tests.fakes.stage import Stage

FLEET = {"machines": [{"id": 1, "name": "db01", "boot": "5s"}]}


def test_the_reason_of_a_hold_is_refreshed_when_another_one_remains() -> None:
    seen: list[str] = []

    async def story(stage: Stage) -> None:
        stage.journal.holds["pve", "1"] = "held by rita: encrypted?"
        stage.journal.holds["pve", "db01"] = "held by bruno: being scanned"
        await asyncio.sleep(10)
        seen.append(stage.state.steps[0].error)
        del stage.journal.holds["pve", "1"]
        await asyncio.sleep(10)
        seen.append(stage.state.steps[0].error)
        assert stage.state.status is RunStatus.WAITING
        del stage.journal.holds["pve", "db01"]

    async def play() -> Stage:
        stage = Stage(plan(vm("1", retry=ONCE)), FLEET)
        telling = asyncio.create_task(story(stage))
        await stage.recover()
        await telling
        return stage

    stage = run_virtually(play())
    assert seen == ["held by rita: encrypted?", "held by bruno: being scanned"]
    assert stage.state.status is RunStatus.SUCCEEDED
    found = [event.reason for event in stage.events if isinstance(event, ev.ObstacleFound)]
    assert found == seen

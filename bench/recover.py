"""Run one live plan to its end, answering its questions at once: ``recover.py CONFIG PLAN``."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence
from pathlib import Path

from api.bootstrap import Application
from api.callers import system_caller
from api.operations import Wish, choose_plan, start_run
from api.settings import load_settings
from drorch.run import commands as cmd
from drorch.run import events as ev
from drorch.run.state import RunState
from drorch.run.status import Ask, Mode


async def main(config: str, plan: str) -> str:
    async with Application(load_settings(Path(config))) as app:
        chosen = await choose_plan(app, plan, caller=system_caller("bench"))
        wish = Wish(chosen=chosen, mode=Mode.LIVE, caller=system_caller("bench"))
        run, lease = await start_run(app, wish, keep_lease=True)
        answers: set[asyncio.Task[int]] = set()

        def answer(state: RunState, events: Sequence[ev.Event]) -> None:
            del state
            for event in events:
                if isinstance(event, ev.StepAsked) and event.ask is Ask.MANUAL:
                    yes = cmd.Approve(step=event.step, by="bench")
                    answers.add(asyncio.create_task(app.store.submit(run, yes)))

        await app.supervisor.drive(run, lease=lease, observer=answer)
        return run


if __name__ == "__main__":
    print(asyncio.run(main(*sys.argv[1:])))

"""The reader of earlier runs: the newest ended ones that touched something, each read once."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from datetime import timedelta
from pathlib import Path

import pytest

from drorch.forecast.lessons import EARLIER_RUNS
from drorch.journal.lessons import EarlierRuns
from drorch.journal.store import Store
from drorch.run import events as ev
from drorch.run.status import Mode, OrderKind, RunStatus
from tests.fakes.plans import plan, vm
from tests.fakes.script import T0

PLAN = plan(vm("db"))


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    opened = Store(tmp_path / "drorch.db")
    yield opened
    opened.close()


async def create(
    store: Store, took: float, mode: Mode = Mode.LIVE, *, ended: bool = True, name: str = "town"
) -> str:
    """Record a run whose machine was healthy after *took* seconds."""
    boot = T0 + timedelta(seconds=took / 2)
    end = T0 + timedelta(seconds=took)

    def build(run: str) -> Sequence[ev.Event]:
        events = (
            ev.RunRequested(at=T0, run=run, plan=PLAN, mode=mode, by="anna"),
            ev.StepStarted(at=T0, step="db", attempt=1, order=OrderKind.START, until=end),
            ev.MachineRunning(at=boot, step="db", attempt=1, until=end),
            ev.StepHealthy(at=end, step="db", attempt=1),
        )
        return (*events, ev.RunEnded(at=end, status=RunStatus.FAILED)) if ended else events

    return await store.create_run(name, mode, build)


async def wholes(reader: EarlierRuns, plan: str = "town") -> list[float]:
    found = await reader.lessons(plan)
    return sorted(took.whole for took in found.steps.get("db", ()))


async def test_only_ended_runs_that_touched_something_teach(store: Store) -> None:
    await create(store, 60)
    await create(store, 70, Mode.DRILL)
    await create(store, 1, Mode.SIMULATE)
    await create(store, 2, Mode.DRY_RUN)
    await create(store, 3, ended=False)
    await create(store, 4, name="city")
    assert await wholes(EarlierRuns(store)) == [60, 70]
    assert (await EarlierRuns(store).lessons("nowhere")).runs == 0


async def test_only_the_newest_teach_and_each_is_read_once(store: Store) -> None:
    reader = EarlierRuns(store)
    for number in range(EARLIER_RUNS + 2):
        await create(store, 100 + number)
    assert len(await wholes(reader)) == EARLIER_RUNS
    assert min(await wholes(reader)) == 102
    read = dict(reader._taken)
    await create(store, 500)
    assert max(await wholes(reader)) == 500
    again = {run: reader._taken[run] for run in read}
    assert all(again[run] is taken for run, taken in read.items())

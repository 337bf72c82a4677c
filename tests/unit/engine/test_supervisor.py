"""What the supervisor says of a run that it cannot drive."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from pathlib import Path

import pytest
from sqlalchemy import text
from structlog.testing import capture_logs

from drorch.engine.clock import SystemClock
from drorch.engine.preflight import Preflight
from drorch.engine.rehearsal import Rehearsal
from drorch.engine.simulation import ImaginedCallouts, ImaginedProber
from drorch.engine.supervisor import Supervisor
from drorch.engine.world import HoldGuard, World
from drorch.errors import ConfigurationError
from drorch.journal.locks import FileLeases
from drorch.journal.store import Store
from drorch.model.plan import Plan
from drorch.run import events as ev
from drorch.run.status import Mode
from tests.fakes.plans import plan, vm
from tests.fakes.script import T0
from tests.unit.journal.test_store import create, paused


def no_world(run: str, plan: Plan) -> World:
    raise AssertionError(f"the world of {run}, {plan.id}, was asked for")


def supervisor_of(store: Store, folder: Path) -> Supervisor:
    callouts = ImaginedCallouts()
    return Supervisor(
        store=store,
        leases=FileLeases(folder / "leases"),
        world=no_world,
        rehearsal=Rehearsal(
            Preflight({}, callouts, lambda _: "", HoldGuard(store).reason), ImaginedProber()
        ),
        clock=SystemClock(),
        driver="test",
    )


@pytest.mark.parametrize("mode", [Mode.SHUTDOWN, Mode.DRILL])
async def test_what_a_newer_drorch_began_is_not_taken_for_a_recovery(
    tmp_path: Path, mode: Mode
) -> None:
    def asked(run: str) -> Sequence[ev.Event]:
        return [ev.RunRequested(at=T0, run=run, plan=plan(vm("db")), mode=mode, by="ops")]

    store = Store(tmp_path / "drorch.db")
    run = await store.create_run("test", mode, asked)
    with pytest.raises(ConfigurationError, match=f"the mode {mode}"):
        await supervisor_of(store, tmp_path).drive(run)
    assert len(await store.read(run)) == 1
    store.close()


async def test_a_damaged_run_is_told_with_what_to_do_and_is_not_begun_anew(tmp_path: Path) -> None:
    store = Store(tmp_path / "drorch.db")
    supervisor = supervisor_of(store, tmp_path)
    run = await create(store)
    await store.append(run, [paused("a"), paused("b")], after=1)
    await store.writing(lambda c: c.execute(text("DELETE FROM events WHERE seq = 2")).close())
    with capture_logs() as logs:
        adopting = asyncio.create_task(supervisor.adopt_for_ever())
        deadline = time.monotonic() + 20
        while not (told := [e for e in logs if e["event"] == "run.cannot-go-on"]):
            assert time.monotonic() < deadline
            await asyncio.sleep(0.02)
        adopting.cancel()
        await asyncio.gather(adopting, return_exceptions=True)
    assert told[0]["run"] == run
    assert "event 2 is missing" in told[0]["reason"]
    assert "backup" in told[0]["hint"]
    assert [e for e in logs if e["event"] == "run.broke"] == []
    left = await store.reading(lambda c: c.execute(text("SELECT count(*) FROM events")).scalar())
    assert left == 2, "nothing was added"
    store.close()

"""What the chaos suite counts by, as a suite that finds nothing may have looked at nothing."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import httpx2
import pytest

from drorch.ports.journal import Recorded
from drorch.run import events as ev
from drorch.run.status import OrderKind
from tests.chaos import fleet, tally, verdict
from tests.chaos.processor import waited
from tests.chaos.scene import scene, until
from tests.chaos.trials import Trial, all_in_doubt, percentile, summary, without_lease

NOW = datetime(2026, 11, 30, tzinfo=UTC)


async def test_what_is_doubled_and_what_is_lost_is_counted_by_the_hypervisors_log(
    tmp_path: Path,
) -> None:
    plan = fleet.plan(3, callouts=1)
    async with (
        scene(tmp_path, fleet.fleet(3, boot="10ms")) as stage,
        httpx2.AsyncClient(base_url=stage.simulator.url) as client,
    ):
        await stage.begin(plan)
        tally.TALLY.clear()
        machines = stage.simulator.world.machines.values()
        for order in ("1000/start", "1000/stop", "1000/start", "1001/start"):
            (await client.post(f"/machines/{order}")).raise_for_status()
            await until(lambda: all(m.task is None for m in machines), "carried out")
        with pytest.raises(AssertionError, match="1002"):
            verdict.check(stage, await stage.journal(), plan)
    counted = dict(tally.TALLY)
    assert counted["SQLite", tally.DOUBLED] == 1
    assert counted["SQLite", tally.LOST] == 2, "a machine and the callout"
    assert counted["SQLite", tally.MACHINES] == 3


def test_the_counts_of_all_workers_are_told_by_database() -> None:
    tally.TALLY.clear()
    tally.killed("SQLite", "append.after:9")
    tally.killed("SQLite")
    one = tally.lines()
    tally.killed("PostgreSQL")
    tally.count("PostgreSQL", tally.DOUBLED, 2)
    told = list(tally.summary(tally.total([*one, *tally.lines()])))
    assert told[0] == "SQLite: 2 kills at random moments, 2 at 1 of 19 named points"
    assert told[2] == "PostgreSQL: 1 kills at random moments, 0 at 0 of 19 named points"
    assert " 2 doubled, 0 lost" in told[3]


def test_orders_behind_a_failed_check_are_found_until_the_run_is_owned_again() -> None:
    orders = [(1.0, "a"), (2.5, "b"), (4.5, "c")]
    assert without_lease(orders, failed=[2.0], owned=[0.5, 4.0]) == [(2.5, "b")]
    assert without_lease(orders, failed=[2.0], owned=[0.5]) == [(2.5, "b"), (4.5, "c")]
    assert without_lease(orders, failed=[], owned=[0.5]) == []


def _trial(ordered: float | None, *, waited: float = 0.0, doubted: bool = False) -> Trial:
    return Trial(kind="kill", owned=1.0, ordered=ordered, waited=waited, doubted=doubted)


def test_a_take_over_is_late_by_itself_only() -> None:
    late = _trial(1.6, waited=0.05)
    others = [_trial(1.4), _trial(1.6, waited=0.2), _trial(3.2, doubted=True), _trial(None)]
    assert [trial.is_late for trial in (late, *others)] == [True, False, False, False, False]
    assert "over 1.5 s: 3, of these by themselves 1" in summary([late, *others])


def test_percentiles_are_figures_that_were_measured() -> None:
    figures = [float(n) for n in range(200, 0, -1)]
    assert [percentile(figures, share) for share in (0.5, 0.95, 1.0)] == [100.0, 190.0, 200.0]


def test_every_slot_is_in_doubt_while_no_order_was_answered() -> None:
    started = [
        ev.StepStarted(at=NOW, step=s, attempt=1, order=OrderKind.START, until=NOW) for s in "ab"
    ]
    accepted = ev.OrderAccepted(at=NOW, step="a", attempt=1, handle="1", already=False)
    adopted = ev.RunAdopted(at=NOW, driver="vm:1")

    def journal(*events: ev.Event) -> list[Recorded]:
        return [Recorded(seq=n, at=NOW, event=event) for n, event in enumerate(events, 1)]

    assert all_in_doubt(journal(*started, adopted), slots=2)
    assert not all_in_doubt(journal(*started, accepted, adopted), slots=2)
    assert not all_in_doubt(journal(*started, adopted), slots=3)


async def test_waiting_for_a_processor_is_counted() -> None:
    """Of two who want the same processor all the time, one always waits."""
    cpu = min(os.sched_getaffinity(0))
    program = f"import os\nos.sched_setaffinity(0, [{cpu}])\nwhile True: pass"
    both = [subprocess.Popen([sys.executable, "-c", program]) for _ in range(2)]
    try:
        await until(lambda: waited(process.pid for process in both) > 0.2, "waits")
    finally:
        for process in both:
            process.kill()
            process.wait()
    assert waited(process.pid for process in both) == 0.0

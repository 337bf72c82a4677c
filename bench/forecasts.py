"""What a forecast costs: ``python -m bench.forecasts`` prints processor time by size, as JSON.

Plans of random dependencies, all of them still to do, 20 at once and 12 of one hypervisor: the
worst moment of a run. *draft* is what happens on the event loop, the rest is in a thread.
"""

from __future__ import annotations

import asyncio
import json
import random
import tempfile
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from drorch.forecast.draft import drafted
from drorch.forecast.forecast import MOST_SAMPLES, foretold, samples_for
from drorch.forecast.lengths import Known
from drorch.forecast.lessons import NOTHING
from drorch.journal.lessons import EarlierRuns
from drorch.journal.store import Store
from drorch.model.collector import collector_paused
from drorch.model.plan import Dependency, Limits, MachineRef, Plan, PowerOn, Service, Step
from drorch.run import events as ev
from drorch.run.evolve import fold
from drorch.run.status import Mode, OrderKind, RunStatus

T0 = datetime(2030, 1, 1, tzinfo=UTC)


def town(size: int) -> Plan:
    chance = random.Random(1)
    steps = []
    for number in range(size):
        many = min(number, chance.randint(1, 4)) if number > 10 else 0
        needs = [Dependency(target=f"s{n}") for n in chance.sample(range(number), k=many)]
        ref = MachineRef(connector=chance.choice("ab"), id=str(number))
        length = timedelta(seconds=chance.randint(30, 200))
        action = PowerOn(machine=ref)
        steps.append(Step(id=f"s{number}", action=action, depends_on=tuple(needs), expect=length))
    services = [
        Service(id=f"v{n}", title={}, tier=1 + n % 3, steps=(f"s{n * 7}",)) for n in range(10)
    ]
    limits = Limits(parallel=20, per_connector={"a": 12})
    return Plan(id="b", title="", steps=tuple(steps), services=tuple(services), limits=limits)


def cost(size: int) -> dict[str, Any]:
    plan = town(size)
    asked = ev.RunRequested(at=T0, run="b-1", plan=plan, mode=Mode.LIVE, by="bench")
    state = fold([asked, ev.RunStarted(at=T0)])
    known, known_s = timed(lambda: Known(plan, NOTHING))
    with collector_paused():
        draft, draft_s = timed(lambda: drafted(state, T0, known))
    _, full_s = timed(lambda: foretold(draft, samples=MOST_SAMPLES))
    _, usual_s = timed(lambda: foretold(draft))
    return {
        "steps": size,
        "known_ms": round(1000 * known_s, 1),
        "draft_ms": round(1000 * draft_s, 1),
        "200_samples_s": round(full_s, 3),
        "samples": samples_for(size),
        "usual_s": round(usual_s, 3),
    }


def lessons_cost(size: int, runs: int) -> dict[str, Any]:
    """Return what it takes to read earlier runs for the first time."""

    async def read(store: Store) -> int:
        for _ in range(runs):
            await store.create_run("b", "live", lambda run: journal(plan, run))
        began = time.process_time()
        await EarlierRuns(store).lessons("b")
        return round(1000 * (time.process_time() - began))

    plan = town(size)
    with tempfile.TemporaryDirectory() as folder:
        store = Store(Path(folder) / "drorch.db")
        took = asyncio.run(read(store))
        store.close()
    return {"steps": size, "earlier_runs": runs, "read_ms": took}


def journal(plan: Plan, run: str) -> Sequence[ev.Event]:
    end = T0 + timedelta(minutes=2)
    events: list[ev.Event] = [
        ev.RunRequested(at=T0, run=run, plan=plan, mode=Mode.LIVE, by="bench")
    ]
    for step in plan.steps:
        events += [
            ev.StepStarted(at=T0, step=step.id, attempt=1, order=OrderKind.START, until=end),
            ev.OrderAccepted(at=T0, step=step.id, attempt=1, handle="task"),
            ev.MachineRunning(at=T0 + timedelta(minutes=1), step=step.id, attempt=1, until=end),
            ev.StepHealthy(at=end, step=step.id, attempt=1),
        ]
    return [*events, ev.RunEnded(at=end, status=RunStatus.SUCCEEDED)]


def timed(work: Callable[[], Any]) -> tuple[Any, float]:
    began = time.process_time()
    return work(), time.process_time() - began


def main() -> None:
    for size in (140, 500, 2_000, 10_000):
        print(json.dumps(cost(size)))
    for size in (140, 10_000):
        print(json.dumps(lessons_cost(size, 10)))


if __name__ == "__main__":
    main()

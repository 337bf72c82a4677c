"""Thousands of machines that boot in no time: what the engine and its journal cost.

``python -m bench.thousands N FOLDER`` recovers N machines in this process, with every intent and
result durable; ``... resume FOLDER`` opens what a killed one has left and goes on.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import resource
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from typing_extensions import override

from connectors.simulated import fleet as fleets
from connectors.simulated.inprocess import InProcessConnector
from connectors.simulated.machine import Action
from connectors.simulated.world import World as SimulatedWorld
from drorch.engine.clock import SystemClock
from drorch.engine.executor import Executor
from drorch.engine.simulation import ImaginedCallouts, ImaginedProber
from drorch.engine.watch import EstateWatch
from drorch.engine.world import HoldGuard, World
from drorch.journal.store import Store
from drorch.model.plan import Dependency, Limits, MachineRef, Plan, PowerOn, Step
from drorch.ports.connector import Order, Permit
from drorch.run import events as ev
from drorch.run.state import RunState
from drorch.run.status import Mode

PARALLEL = 256


def dag(count: int) -> Plan:
    """Return a seeded layered plan: about two parents a machine, some twenty layers."""
    chance = random.Random(1)
    layer = max(1, count // 20)
    steps = []
    for number in range(count):
        low = max(0, (number // layer - 1) * layer)
        high = (number // layer) * layer
        parents = {chance.randrange(low, high) for _ in range(2)} if high else set()
        steps.append(
            Step(
                id=f"m{number}",
                action=PowerOn(machine=MachineRef(connector="sim", id=str(number))),
                depends_on=tuple(Dependency(target=f"m{parent}") for parent in sorted(parents)),
            )
        )
    limits = Limits(parallel=PARALLEL)
    return Plan(id=f"dag-{count}", title="DAG", steps=tuple(steps), limits=limits)


def fleet(count: int) -> fleets.Fleet:
    generated = {"count": count, "first_id": 0, "hosts": 20, "boot": "0s", "app": "0s", "seed": 1}
    return fleets.build({"generate": generated})


async def recover(count: int, folder: Path, *, die_at: int | None = None) -> dict[str, Any]:
    """Run the DAG; with *die_at*, kill this process at that many events, as a power cut would."""
    store = Store(folder / "drorch.db")
    plan = dag(count)

    def build(run: str) -> Sequence[ev.Event]:
        now = SystemClock().now()
        return (ev.RunRequested(at=now, run=run, plan=plan, mode=Mode.LIVE, by="bench"),)

    run = await store.create_run(plan.id, "live", build)
    began, cpu = time.perf_counter(), time.process_time()

    def observe(state: RunState, events: Sequence[ev.Event]) -> None:
        del events
        if die_at is not None and state.seq >= die_at:
            os.kill(os.getpid(), 9)

    state = await _drive(store, run, SimulatedWorld(fleet(count)), observe)
    wall = time.perf_counter() - began
    store.close()
    return {
        "machines": count,
        "status": str(state.status),
        "events_per_machine": round(state.seq / count, 2),
        "wall_ms_per_machine": round(wall / count * 1000, 4),
        "cpu_ms_per_machine": round((time.process_time() - cpu) / count * 1000, 4),
        "peak_memory_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
    }


async def resume(folder: Path) -> dict[str, Any]:
    """Open the journal that a kill has left; return when the first new order went out.

    The fleet is made first, with the machines running that the journal says were ordered:
    it is the hypervisor's, and outlives the orchestrator.
    """
    before = Store(folder / "drorch.db")
    run = (await _open_run(before))[0]
    recorded = await before.read(run)
    before.close()
    ordered = [r.event.step for r in recorded if isinstance(r.event, ev.StepStarted)]
    first = recorded[0].event
    assert isinstance(first, ev.RunRequested)
    count = len(first.plan.steps)
    del recorded, first
    world = SimulatedWorld(fleet(count))
    for step in ordered:
        world.order(step.removeprefix("m"), Action.START)
    times: list[float] = []
    began = time.perf_counter()
    store = Store(folder / "drorch.db")

    def acted() -> None:
        times.append(time.perf_counter() - began)

    state = await _drive(store, run, world, None, acted)
    store.close()
    return {
        "machines": count,
        "orders_before": len(ordered),
        "status": str(state.status),
        "first_action_s": round(times[0], 3),
    }


async def _open_run(store: Store) -> list[str]:
    from sqlalchemy import text

    return await store.reading(
        lambda c: [row[0] for row in c.execute(text("SELECT id FROM runs WHERE ended_at IS NULL"))]
    )


class _Counting(InProcessConnector):
    def __init__(self, world: SimulatedWorld, ordered: Any) -> None:
        super().__init__("sim", world)
        self._ordered = ordered

    @override
    async def start(self, machine: str, *, permit: Permit) -> Order:
        self._ordered()
        return await super().start(machine, permit=permit)


async def _drive(
    store: Store,
    run: str,
    world: SimulatedWorld,
    observe: Any,
    ordered: Any = lambda: None,
) -> RunState:
    connector = _Counting(world, ordered)
    await connector.open()
    watch = EstateWatch(connector)
    watching = asyncio.create_task(watch.run())
    outside = World(
        estates={"sim": watch},
        prober=ImaginedProber(),
        callouts=ImaginedCallouts(),
        holds=HoldGuard(store),
        clock=SystemClock(),
    )
    executor = Executor(run, journal=store, world=outside, driver="bench", observer=observe)
    state = await executor.drive()
    watching.cancel()
    await asyncio.gather(watching, return_exceptions=True)
    await connector.close()
    world.close()
    return state


if __name__ == "__main__":
    if sys.argv[1] == "resume":
        print(json.dumps(asyncio.run(resume(Path(sys.argv[2])))))
    else:
        DIE = int(sys.argv[3]) if len(sys.argv) > 3 else None
        print(json.dumps(asyncio.run(recover(int(sys.argv[1]), Path(sys.argv[2]), die_at=DIE))))

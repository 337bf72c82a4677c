"""drorch: its real executor and store, and a hypervisor in this process."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

from bench.peers.dag import SLOTS, Dag
from bench.peers.estate import CONNECTOR, ThinEstate
from bench.peers.work import Task, Watch, from_arguments
from drorch.engine.clock import SystemClock
from drorch.engine.executor import Executor
from drorch.engine.simulation import ImaginedCallouts, ImaginedProber
from drorch.engine.watch import EstateWatch
from drorch.engine.world import HoldGuard, World
from drorch.journal.store import Store
from drorch.journal.url import place_of
from drorch.model.plan import Dependency, Limits, MachineRef, Plan, PowerOn, Step
from drorch.run import events as ev
from drorch.run.status import Mode


def plan_of(dag: Dag, name: str, first: int = 0) -> Plan:
    """Return the graph as a plan; ``expect`` is what drorch would have learned by now.

    Machines have the numbers from *first* on, steps those of their nodes.
    """
    steps = tuple(
        Step(
            id=str(node),
            action=PowerOn(machine=MachineRef(connector=CONNECTOR, id=str(first + node))),
            depends_on=tuple(Dependency(target=str(parent)) for parent in parents),
            expect=timedelta(seconds=dag.boots[node]),
        )
        for node, parents in enumerate(dag.parents)
    )
    return Plan(id=name, title=name, steps=steps, limits=Limits(parallel=SLOTS))


def open_store(folder: Path, url: str) -> Store:
    """Open the store: a PostgreSQL *url*, or SQLite with ``synchronous=FULL`` in *folder*."""
    return Store(place_of(url or "sqlite", folder))


async def request(store: Store, plan: Plan) -> str:
    """Record a live run of *plan*; return its id."""

    def build(run: str) -> Sequence[ev.Event]:
        now = SystemClock().now()
        return (ev.RunRequested(at=now, run=run, plan=plan, mode=Mode.LIVE, by="bench"),)

    return await store.create_run(plan.id, "live", build)


@asynccontextmanager
async def world(estate: ThinEstate, store: Store) -> AsyncIterator[World]:
    """Give what executors need of the outside, with the estate read once."""
    watch = EstateWatch(estate)
    watching = asyncio.create_task(watch.run())
    yield World(
        estates={CONNECTOR: watch},
        prober=ImaginedProber(),
        callouts=ImaginedCallouts(),
        holds=HoldGuard(store),
        clock=SystemClock(),
    )
    watching.cancel()
    await asyncio.gather(watching, return_exceptions=True)


async def main(task: Task) -> None:
    plan = plan_of(task.dag, f"dag-{task.dag.size}")
    estate = ThinEstate(
        {str(node): task.seconds(node) for node in range(task.dag.size)},
        lambda machine: task.begin(int(machine)),
        lambda machine: task.end(int(machine)),
    )
    store = open_store(task.folder, task.url)
    watch = Watch()
    run = await request(store, plan)
    asked = watch.seconds()
    async with world(estate, store) as outside:
        executor = Executor(run, journal=store, world=outside, driver="bench")
        state = await executor.drive()
    watch.tell(task, status=str(state.status), events=state.seq, requested_s=round(asked, 4))
    store.close()


if __name__ == "__main__":
    asyncio.run(main(from_arguments()))

"""Fifty runs of 200 machines at the same time in one process: how long steps wait for the engine.

A step's wait is the time from when it could go to when its order reaches the hypervisor. It
could go as soon as the last machine that it needs was running there (for a step without needs:
its run had been handed to its executor) and one of its run's slots was free, which for the n-th
order of a run is when all but 31 of the n machines before it were running. Everything between
counts as waiting for the engine: noticing, deciding, journaling, looking, asking for holds.

Runs are requested one after the other, as fast as the journal takes them, and each is driven at
once, while those before it are under way. With ``--at-once`` all have been requested before, and
are handed over in one instant, as to an orchestrator that starts and finds them open.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from bench.peers.dag import SLOTS, Dag, layered
from bench.peers.estate import ThinEstate
from bench.peers.ours import open_store, plan_of, request, world
from bench.peers.work import peak
from drorch.engine.executor import Executor

RUNS = 50
MACHINES = 200


@dataclass
class Timed:
    """One run: when it began, and when each machine was ordered and ran, as they came."""

    dag: Dag
    began: float = 0.0
    orders: list[tuple[int, float]] = field(default_factory=list)
    ran: dict[int, float] = field(default_factory=dict)

    def waits(self, *, later: bool = False) -> list[float]:
        """Return the seconds that each step waited for the engine, in the order of the orders.

        With *later* without those that could go at once when their run began.
        """
        ends = sorted(self.ran.values())
        out = []
        for place, (node, at) in enumerate(self.orders):
            needed = [self.ran[parent] for parent in self.dag.parents[node]]
            slot = [ends[place - SLOTS]] if place >= SLOTS else []
            if needed or slot or not later:
                out.append(at - max([self.began, *needed, *slot]))
        return out


async def measure(
    runs: int, median: float, folder: Path, url: str, *, at_once: bool
) -> dict[str, float | str]:
    """Recover them all at once; return the waits in milliseconds."""
    timed = [Timed(layered(MACHINES, median=median, seed=seed)) for seed in range(runs)]
    boots = {
        str(run * MACHINES + node): seconds
        for run, one in enumerate(timed)
        for node, seconds in enumerate(one.dag.boots)
    }

    def ordered(machine: str) -> None:
        run, node = divmod(int(machine), MACHINES)
        timed[run].orders.append((node, time.perf_counter()))

    def runs_now(machine: str) -> None:
        run, node = divmod(int(machine), MACHINES)
        timed[run].ran[node] = time.perf_counter()

    store = open_store(folder, url)
    plans = [plan_of(one.dag, f"run-{n}", n * MACHINES) for n, one in enumerate(timed)]
    ids = [await request(store, plan) for plan in plans] if at_once else []
    began, cpu = time.perf_counter(), time.process_time()
    async with world(ThinEstate(boots, ordered, runs_now), store) as outside:

        async def drive(run: str, one: Timed) -> None:
            one.began = time.perf_counter()
            executor = Executor(run, journal=store, world=outside, driver="bench")
            if (state := await executor.drive()).status != "succeeded":
                raise SystemExit(f"{run} is {state.status}")

        async with asyncio.TaskGroup() as driving:
            for n, one in enumerate(timed):
                run = ids[n] if at_once else await request(store, plans[n])
                driving.create_task(drive(run, one))
    wall = time.perf_counter() - began
    used = time.process_time() - cpu
    store.close()
    bound = max(one.dag.lower_bound() for one in timed)
    return {
        "median_s": median,
        "requested": "in one instant" if at_once else "one after the other",
        "wall_s": round(wall, 3),
        "over_bound": round(wall / bound, 3),
        "cpu_share": round(used / wall, 2),
        "peak_mb": peak(),
        **quantiles([wait for one in timed for wait in one.waits()]),
        "later_p99_ms": quantiles([w for one in timed for w in one.waits(later=True)])["p99_ms"],
    }


def quantiles(waits: Sequence[float]) -> dict[str, float]:
    """Return the middle, the 99th of a hundred and the worst, in milliseconds."""
    ordered = sorted(waits)
    places = {"p50_ms": len(ordered) // 2, "p99_ms": len(ordered) * 99 // 100, "max_ms": -1}
    return {name: round(ordered[place] * 1000, 2) for name, place in places.items()}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--runs", type=int, default=RUNS)
    parser.add_argument("--median", type=float, default=2.0)
    parser.add_argument("--folder", type=Path, default=Path())
    parser.add_argument("--url", default="")
    parser.add_argument("--at-once", action="store_true")
    given = parser.parse_args()
    measuring = measure(given.runs, given.median, given.folder, given.url, at_once=given.at_once)
    print(json.dumps(asyncio.run(measuring)))


if __name__ == "__main__":
    main()

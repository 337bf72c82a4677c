"""Plain asyncio, longest chain first, nothing durable: the limit of what Python can do here."""

from __future__ import annotations

import asyncio
import heapq

from bench.peers.dag import SLOTS
from bench.peers.work import STEPS, Task, Watch, from_arguments


async def run(task: Task) -> None:
    """Do all nodes, the ready one with the longest chain first."""
    dag = task.dag
    missing = [len(parents) for parents in dag.parents]
    ready = [(-dag.chains[node], node) for node in range(dag.size) if not missing[node]]
    heapq.heapify(ready)
    at_work: set[asyncio.Task[None]] = set()
    over = asyncio.Event()

    def pump() -> None:
        while ready and len(at_work) < SLOTS:
            at_work.add(asyncio.create_task(work(heapq.heappop(ready)[1])))
        if not at_work:
            over.set()

    async def work(node: int) -> None:
        for step in range(STEPS):
            await act(task, node, step)
        for child in dag.children[node]:
            missing[child] -= 1
            if not missing[child]:
                heapq.heappush(ready, (-dag.chains[child], child))
        own = asyncio.current_task()
        if own is not None:
            at_work.discard(own)
        pump()

    pump()
    await over.wait()


async def act(task: Task, node: int, step: int) -> None:
    """Do one sub-step."""
    if seconds := task.seconds(node, step):
        await asyncio.sleep(seconds)
    task.note(node, step)


async def main(task: Task) -> None:
    task.dag.chains  # noqa: B018 (part of the graph, not of the run)
    watch = Watch()
    await run(task)
    watch.tell(task)


if __name__ == "__main__":
    asyncio.run(main(from_arguments()))

"""DBOS in its reactive form: one workflow that starts steps and waits for whichever ends first.

What it does next depends on recorded results alone, so a replay after a crash does the same; the
obvious tasks in one workflow do not. A workflow for each node took four times as long.
"""

from __future__ import annotations

import asyncio
import heapq
import sqlite3
from typing import Any

from dbos import DBOS  # type: ignore[import-not-found]

from bench.peers.dag import SLOTS
from bench.peers.work import STEPS, Task, Watch, from_arguments

TASK = from_arguments()


async def _act(node: int, step: int) -> None:
    if seconds := TASK.seconds(node, step):
        await asyncio.sleep(seconds)
    TASK.note(node, step)


async def _work(node: int, reserved: list[Any]) -> None:
    for step, place in enumerate(reserved):
        await place.run_async(None, _act, node, step)


async def _recover() -> None:
    dag = TASK.dag
    missing = [len(parents) for parents in dag.parents]
    ready = [(-dag.chains[node], node) for node in range(dag.size) if not missing[node]]
    heapq.heapify(ready)
    at_work: dict[asyncio.Task[None], int] = {}
    while ready or at_work:
        while ready and len(at_work) < SLOTS:
            node = heapq.heappop(ready)[1]
            # Their numbers are drawn here, in recorded order: a replay draws the same ones.
            reserved = [DBOS.reserve_step() for _ in range(STEPS)]
            at_work[asyncio.create_task(_work(node, reserved))] = node
        ended, _ = await DBOS.asyncio_wait(list(at_work), return_when=asyncio.FIRST_COMPLETED)
        for node in sorted(at_work.pop(one) for one in ended):
            for child in dag.children[node]:
                missing[child] -= 1
                if not missing[child]:
                    heapq.heappush(ready, (-dag.chains[child], child))


recover = DBOS.workflow()(_recover)


def database(task: Task) -> str:
    """Return where DBOS is to write; SQLite as drorch has it: WAL, and every commit on disk."""
    if task.url:
        return task.url
    path = task.folder / "dbos.db"
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.close()
    return f"sqlite:///{path}"


async def run() -> None:
    watch = Watch()
    handle: Any = await DBOS.start_workflow_async(recover)
    await handle.get_result(polling_interval_sec=0.01)
    watch.tell(TASK)


def main() -> None:
    DBOS(
        config={
            "name": "bench",
            "system_database_url": database(TASK),
            "log_level": "ERROR",
            "console_log_level": "ERROR",
        }
    )
    DBOS.launch()
    asyncio.run(run())
    DBOS.destroy()


if __name__ == "__main__":
    main()

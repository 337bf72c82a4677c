"""doit: a task a node with three actions, 32 threads; it writes what was done when it ends."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

from doit.cmd_base import ModuleTaskLoader  # type: ignore[import-not-found]
from doit.doit_cmd import DoitMain  # type: ignore[import-not-found]

from bench.peers.dag import SLOTS
from bench.peers.work import STEPS, Task, Watch, from_arguments


def act(task: Task, node: int, step: int) -> None:
    """Do one sub-step, in a thread of doit's."""
    if seconds := task.seconds(node, step):
        threading.Event().wait(seconds)
    task.note(node, step)


def tasks(task: Task) -> Iterator[dict[str, Any]]:
    """Yield the graph as doit wants it."""
    for node, parents in enumerate(task.dag.parents):
        yield {
            "name": str(node),
            "actions": [(act, [task, node, step]) for step in range(STEPS)],
            "task_dep": [f"n:{parent}" for parent in parents],
            "verbosity": 0,
        }


def main(task: Task) -> None:
    loader = ModuleTaskLoader(
        {
            "task_n": lambda: tasks(task),
            "DOIT_CONFIG": {
                "dep_file": str(task.folder / "doit.db"),
                "backend": "sqlite3",
                "num_process": SLOTS,
                "par_type": "thread",
                "reporter": "zero",
            },
        }
    )
    watch = Watch()
    if code := DoitMain(loader).run(["run"]):
        raise SystemExit(code)
    watch.tell(task)


if __name__ == "__main__":
    main(from_arguments())

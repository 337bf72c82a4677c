"""What every contestant does with a node, how that is checked, and what it prints at its end."""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path
from typing import Any

from bench.peers.dag import Dag, layered

STEPS = 3
"""Sub-steps of a node; the second one takes the boot time, where there are boot times."""
_BOOTS_IN = 1


class Task:
    """One measurement: which graph, with or without boot times, and where files may go."""

    def __init__(self, dag: Dag, *, boots: bool, folder: Path, url: str, tasks: int) -> None:
        self.dag = dag
        self.boots = boots
        self.folder = folder
        self.url = url
        self.tasks = tasks
        self.begun = bytearray(dag.size)
        self.ended = bytearray(dag.size)

    def seconds(self, node: int, step: int = _BOOTS_IN) -> float:
        """Return how long this sub-step takes; 0 means that nothing has to be waited for."""
        return self.dag.boots[node] if self.boots and step == _BOOTS_IN else 0.0

    def begin(self, node: int) -> None:
        """Note that work on *node* begins; a dependency that was not honoured ends everything."""
        for parent in self.dag.parents[node]:
            if not self.ended[parent]:
                raise SystemExit(f"node {node} began before {parent} had ended")
        self.begun[node] += 1

    def end(self, node: int) -> None:
        self.ended[node] += 1

    def note(self, node: int, step: int) -> None:
        """Note a sub-step of *node*: the first begins it, the last ends it."""
        if step == 0:
            self.begin(node)
        elif step == STEPS - 1:
            self.end(node)


class Watch:
    """Measures from its making until `tell`."""

    def __init__(self) -> None:
        self._wall = time.perf_counter()
        self._cpu = time.process_time()

    def seconds(self) -> float:
        return time.perf_counter() - self._wall

    def tell(self, task: Task, **more: Any) -> None:
        """Print the one line of JSON; not every node done exactly once is a failure."""
        wall = self.seconds()
        cpu = time.process_time() - self._cpu
        once = bytes([1]) * task.dag.size
        if task.begun != once or task.ended != once:
            raise SystemExit("a node was not done exactly once")
        out = {"wall_s": round(wall, 4), "cpu_s": round(cpu, 4), "peak_mb": peak(), **more}
        # The first one: doit's threads put each other's stand-ins into its place.
        print(json.dumps(out), file=sys.__stdout__, flush=True)


def peak(process: str = "self") -> float:
    """Return the most memory that a process has held, in MB.

    Not `getrusage`: its figure outlives ``exec`` and would be that of whoever started us.
    """
    for line in Path(f"/proc/{process}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return round(int(line.split()[1]) / 1024, 1)
    raise SystemExit("this system does not tell how much memory a process has used")


def from_arguments() -> Task:
    """Return what the command line asks for."""
    parser = argparse.ArgumentParser()
    parser.add_argument("count", type=int)
    parser.add_argument("--boots", action="store_true")
    parser.add_argument("--folder", type=Path, default=Path())
    parser.add_argument("--url", default="")
    parser.add_argument("--tasks", type=int, default=STEPS)
    given = parser.parse_args()
    return Task(
        layered(given.count),
        boots=given.boots,
        folder=given.folder,
        url=given.url,
        tasks=given.tasks,
    )

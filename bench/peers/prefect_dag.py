"""Prefect: a flow whose tasks wait for each other, on a server of its own in a temporary folder."""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import Any

from prefect import flow  # type: ignore[import-not-found]
from prefect import task as a_task
from prefect.task_runners import ThreadPoolTaskRunner  # type: ignore[import-not-found]

from bench.peers.dag import SLOTS
from bench.peers.work import STEPS, Watch, from_arguments, peak

TASK = from_arguments()


def _act(node: int, step: int) -> None:
    if seconds := TASK.seconds(node, step):
        threading.Event().wait(seconds)
    TASK.note(node, step)


def _work(node: int) -> None:
    for step in range(STEPS):
        _act(node, step)


act = a_task(_act)
work = a_task(_work)


def _recover() -> None:
    ends: list[Any] = []
    for node, parents in enumerate(TASK.dag.parents):
        before = [ends[parent] for parent in parents]
        if TASK.tasks == 1:
            ends.append(work.submit(node, wait_for=before))
            continue
        for step in range(STEPS):
            before = [act.submit(node, step, wait_for=before)]
        ends.extend(before)
    for end in ends:
        end.result()


recover = flow(task_runner=ThreadPoolTaskRunner(max_workers=SLOTS))(_recover)


def _nothing() -> None:
    """Have the server up before anything is measured."""


def _server() -> float:
    children = Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
    return sum(peak(child) for child in children)


def main() -> None:
    flow(_nothing)()
    watch = Watch()
    recover()
    watch.tell(TASK, server_mb=round(_server(), 1))


if __name__ == "__main__":
    main()

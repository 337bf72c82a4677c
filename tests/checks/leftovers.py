"""What a probe may leave behind: nothing."""

from __future__ import annotations

import asyncio
import gc
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

LeftOver = tuple[int, int, int]


@contextmanager
def only_what_is_new() -> Iterator[None]:
    """Let `left_over` search what is made from now on: it is asked twice for each of many tests."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()
    gc.collect()
    gc.freeze()


def left_over() -> LeftOver:
    """Return how many descriptors, threads and tasks there are."""
    gc.collect()
    descriptors = len(list(Path("/proc/self/fd").iterdir()))
    return descriptors, threading.active_count(), len(asyncio.all_tasks())


async def settled(before: LeftOver) -> None:
    """Wait until no more is open than *before*: threads end a moment after their sockets."""
    deadline = time.monotonic() + 10
    while any(now > then for now, then in zip(left_over(), before, strict=True)):
        names = [thread.name for thread in threading.enumerate()]
        assert time.monotonic() < deadline, f"{before} became {left_over()}: {names}"
        await asyncio.sleep(0.02)

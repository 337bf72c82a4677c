"""What one case costs: its own work, the time on the wall, and the peak of this process's memory."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

MOST_SECONDS = 1.0
MOST_MB = 200.0
_OWN = Path("/proc/self")


@dataclass(slots=True)
class Cost:
    """``cpu`` is judged: the wall's clock also counts what else the machine does."""

    cpu: float = 0.0
    wall: float = 0.0
    peak_mb: float = 0.0

    @property
    def is_too_much(self) -> bool:
        return self.cpu > MOST_SECONDS or self.peak_mb > MOST_MB

    def most(self, other: Cost) -> None:
        self.cpu = max(self.cpu, other.cpu)
        self.wall = max(self.wall, other.wall)
        self.peak_mb = max(self.peak_mb, other.peak_mb)


@contextmanager
def measured() -> Iterator[Cost]:
    """Give a cost that is known when the block has ended; the peak begins anew for it."""
    cost = Cost()
    (_OWN / "clear_refs").write_text("5")
    wall, cpu = time.perf_counter(), time.process_time()
    try:
        yield cost
    finally:
        cost.cpu, cost.wall = time.process_time() - cpu, time.perf_counter() - wall
        cost.peak_mb = _peak_mb()


def _peak_mb() -> float:
    lines = (_OWN / "status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM"))

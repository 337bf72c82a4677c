"""What was measured, and the figures that follow from it."""

from __future__ import annotations

import statistics
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from bench.peers.contestants import (
    BOOTS,
    DBOS,
    FIFTY,
    LARGE,
    NOOP,
    OURS,
    OURS_POSTGRES,
    PLAIN,
    Contestant,
)

COUNT = {NOOP: 1000, LARGE: 10_000, BOOTS: 1000}
_LIBRARIES_MB = 60


@dataclass
class Results:
    """Measurements by discipline and contestant; ``about`` is the machine and the versions."""

    runs: dict[str, dict[str, list[dict[str, Any]]]] = field(default_factory=dict)
    failures: dict[str, dict[str, str]] = field(default_factory=dict)
    bound_s: float = 0.0
    about: dict[str, str] = field(default_factory=dict)

    def add(self, discipline: str, contestant: str, measured: dict[str, Any]) -> None:
        self.runs.setdefault(discipline, {}).setdefault(contestant, []).append(measured)

    def fail(self, discipline: str, contestant: str, why: str) -> None:
        self.failures.setdefault(discipline, {})[contestant] = why

    def values(self, discipline: str, contestant: str, key: str) -> list[float]:
        return [run[key] for run in self.runs.get(discipline, {}).get(contestant, [])]

    def median(self, discipline: str, contestant: Contestant, key: str = "wall_s") -> float | None:
        """Return the middle of what was measured, None if nothing was."""
        values = self.values(discipline, contestant.key, key)
        return statistics.median(values) if values else None

    def overhead_ms(self, discipline: str, contestant: Contestant) -> float | None:
        """Return the milliseconds a node above plain asyncio."""
        wall, plain = self.median(discipline, contestant), self.median(discipline, PLAIN)
        if wall is None or plain is None:
            return None
        return (wall - plain) / COUNT[discipline] * 1000

    def over_plain(
        self, discipline: str, contestant: Contestant, key: str = "wall_s"
    ) -> float | None:
        """Return how many times plain asyncio's figure."""
        return ratio(self.median(discipline, contestant, key), self.median(discipline, PLAIN, key))


@dataclass(frozen=True)
class Figure:
    """One promise: ``measured`` against ``wanted``, at most or (``least``) at least."""

    what: str
    measured: float | None
    wanted: float
    unit: str = "times"
    least: bool = False
    digits: int = 1

    @property
    def verdict(self) -> str:
        if self.measured is None:
            return "not measured"
        met = self.measured >= self.wanted if self.least else self.measured <= self.wanted
        return "met" if met else "**missed**"


def ratio(over: float | None, under: float | None) -> float | None:
    """Return the quotient, None unless both are known."""
    return over / under if over is not None and under else None


def figures(results: Results) -> Iterable[Figure]:
    """Yield every figure that drorch promises in this benchmark."""
    yield Figure(
        "no-op graph of 10,000, SQLite FULL, wall time over plain asyncio",
        results.over_plain(LARGE, OURS),
        15,
    )
    yield Figure("the same on PostgreSQL", results.over_plain(LARGE, OURS_POSTGRES), 10)
    yield Figure(
        "no-op graph of 1,000, overhead of DBOS reactive (SQLite) over drorch's",
        ratio(results.overhead_ms(NOOP, DBOS), results.overhead_ms(NOOP, OURS)),
        50,
        least=True,
    )
    yield Figure(
        "makespan with boot times, 1,000 machines, 32 slots, over plain asyncio",
        results.over_plain(BOOTS, OURS),
        1.025,
        digits=3,
    )
    yield Figure(
        "the same over the lower bound",
        ratio(results.median(BOOTS, OURS), results.bound_s),
        1.03,
        digits=3,
    )
    memory = results.median(LARGE, PLAIN, "peak_mb")
    yield Figure(
        "peak memory at 10,000; at most 2.5 times plain asyncio's plus 60 MB",
        results.median(LARGE, OURS, "peak_mb"),
        round(2.5 * (memory or 0.0) + _LIBRARIES_MB, 1),
        unit="MB",
        digits=0,
    )
    waits = results.values(FIFTY, OURS.key, "p99_ms")
    yield Figure(
        "50 runs of 200 machines at the same time, a step's wait for the engine, p99",
        statistics.median(waits) if waits else None,
        50,
        unit="ms",
    )

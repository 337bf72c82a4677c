"""``make bench``: every figure that drorch promises, measured in one go and printed as a table.

``python -m bench [--quick]``; the numbers also go to ``var/bench.json``.
"""

from __future__ import annotations

import json
import platform
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bench import makespan, pictures

_RUNS = 3


def thousands(*arguments: str) -> dict[str, Any]:
    """Run `bench.thousands` in a process of its own, so that its memory is its own."""
    done = subprocess.run(
        [sys.executable, "-m", "bench.thousands", *arguments], capture_output=True, text=True
    )
    if done.returncode not in (0, -9):
        raise SystemExit(done.stderr)
    return json.loads(done.stdout) if done.stdout else {}


def several(count: int) -> list[dict[str, Any]]:
    out = []
    for _ in range(_RUNS):
        with tempfile.TemporaryDirectory(dir=".") as folder:
            out.append(thousands(str(count), folder))
    return out


def middle(runs: Sequence[dict[str, Any]], key: str) -> float:
    return float(statistics.median(run[key] for run in runs))


def resumed() -> list[dict[str, Any]]:
    """Kill a recovery of 10,000 half-way, three times, and time the first new order."""
    out = []
    for _ in range(_RUNS):
        with tempfile.TemporaryDirectory(dir=".") as folder:
            thousands("10000", folder, "20000")
            out.append(thousands("resume", folder))
    return out


def measure(*, quick: bool) -> dict[str, Any]:
    small, large, again = several(1000), several(10000), resumed()
    cost = {n: middle(runs, "wall_ms_per_machine") for n, runs in ((1000, small), (10000, large))}
    return {
        "machine": f"{platform.machine()}, Python {platform.python_version()}",
        "virtual": makespan.virtual(),
        "simulator": makespan.on_simulator(20.0 if quick else 3.0),
        "cost_ms_per_machine_1000": cost[1000],
        "cost_ms_per_machine_10000": cost[10000],
        "cost_ratio": round(cost[10000] / cost[1000], 3),
        "events_per_machine": middle(large, "events_per_machine"),
        "peak_memory_mb": middle(large, "peak_memory_mb"),
        "first_action_s": middle(again, "first_action_s"),
        "picture_of_2000_s": pictures.measured(2000)["whole_s"],
        "first_action_worst_s": max(run["first_action_s"] for run in again),
    }


def table(found: dict[str, Any]) -> list[tuple[str, str, str]]:
    """Return a row per promise: what, measured, at most."""
    simulator = found["simulator"]
    return [
        (
            "140 machines, virtual time: makespan over lower bound",
            str(found["virtual"]["ratio"]),
            "1.05",
        ),
        ("140 machines, simulator process: the same", str(simulator["ratio"]), "1.10"),
        (
            "observing calls per node and second, mean",
            str(simulator["observing_calls_per_second_mean"]),
            "2",
        ),
        (
            "observing calls per node, busiest second",
            str(simulator["observing_calls_busiest_second"]),
            "2",
        ),
        (
            "10,000 machines: ms of wall time a machine",
            f"{found['cost_ms_per_machine_10000']:.3f}",
            "0.4",
        ),
        ("cost a machine, 10,000 over 1,000", str(found["cost_ratio"]), "1.3"),
        ("events a machine", str(found["events_per_machine"]), "6"),
        ("peak memory at 10,000, MB", str(found["peak_memory_mb"]), "250"),
        (
            "first new order after SIGKILL at 10,000, s (median)",
            str(found["first_action_s"]),
            "0.5",
        ),
        (
            "dependency graph of 2,000 steps laid out, s of a core",
            str(found["picture_of_2000_s"]),
            "1",
        ),
    ]


def main() -> None:
    found = measure(quick="--quick" in sys.argv)
    Path("var").mkdir(exist_ok=True)
    Path("var/bench.json").write_text(json.dumps(found, indent=2) + "\n")
    print(found["machine"])
    for what, measured, most in table(found):
        print(f"{what:58} {measured:>9}   at most {most}")


if __name__ == "__main__":
    main()

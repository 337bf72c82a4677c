"""Fuzz: ``python -m tests.fuzz 5000``; four cases in five are plans, one is a body of the API.

Workers are processes with bounded memory, so that what hangs or bursts is named and not suffered.
"""

from __future__ import annotations

import argparse
import asyncio
import faulthandler
import json
import logging
import resource
import subprocess
import sys
import tempfile
import traceback
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import structlog

from tests.fuzz.measuring import MOST_MB, MOST_SECONDS, Cost, measured
from tests.fuzz.plans import judge_plan, plan_case

MOST_ADDRESSES = 3 << 30
HANGS_AFTER = 60.0
_TRIES = 3
"""A case that seems slow is measured again: other programs share the processor's caches."""


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz")
    parser.add_argument("cases", type=int)
    parser.add_argument("--seed", type=int, default=0, help="the first case")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--worker", choices=("plans", "bodies"), help=argparse.SUPPRESS)
    parser.add_argument("--step", type=int, default=1, help=argparse.SUPPRESS)
    given = parser.parse_args()
    seeds = range(given.seed, given.seed + given.cases, given.step)
    if given.worker is not None:
        return _work(given.worker, seeds)
    return _lead(given.seed, given.cases, given.workers)


def _lead(first: int, cases: int, workers: int) -> int:
    bodies = cases // 5
    plans = cases - bodies
    jobs = [("plans", first + n, plans - n, workers) for n in range(workers)]
    jobs.append(("bodies", first, bodies, 1))
    started = [(kind, _started(kind, *rest)) for kind, *rest in jobs]
    bad = 0
    for kind, process in started:
        out, _ = process.communicate()
        bad += process.returncode != 0
        end = "" if process.returncode == 0 else f"  FAILED ({process.returncode})"
        sys.stdout.write(f"{kind}: {out.strip()}{end}\n")
    sys.stdout.write(f"{cases} cases, {'all well' if not bad else 'NOT well'}\n")
    return int(bad > 0)


def _started(kind: str, first: int, cases: int, step: int) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "tests.fuzz", str(cases), "--seed", str(first)]
    return subprocess.Popen(
        [*command, "--step", str(step), "--worker", kind], stdout=subprocess.PIPE, text=True
    )


def _work(kind: str, seeds: Iterable[int]) -> int:
    resource.setrlimit(resource.RLIMIT_AS, (MOST_ADDRESSES, MOST_ADDRESSES))
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    tally = _Tally()
    asyncio.run((_plans if kind == "plans" else _bodies)(tally, seeds))
    sys.stdout.write(json.dumps(tally.told()) + "\n")
    return int(bool(tally.bad))


async def _plans(tally: _Tally, seeds: Iterable[int]) -> None:
    for seed in seeds:
        await tally.take(seed, partial(_plan, plan_case(seed)))


async def _plan(source: bytes) -> str:
    return judge_plan(source)


async def _bodies(tally: _Tally, seeds: Iterable[int]) -> None:
    from api.routes import decisions  # not in the workers that load plans: they weigh less
    from tests.fuzz.bodies import desk

    decisions.PATIENCE = 0.0  # nobody drives the run here; nobody need be waited for
    with tempfile.TemporaryDirectory(prefix="drorch-fuzz-") as folder:
        async with desk(Path(folder)) as opened:
            for seed in seeds:
                await tally.take(seed, partial(opened.judge, seed))


class _Tally:
    def __init__(self) -> None:
        self.most = Cost()
        self.ends: Counter[str] = Counter()
        self.bad: list[int] = []
        self.slowest = 0

    async def take(self, seed: int, case: Callable[[], Awaitable[str]]) -> None:
        sys.stderr.flush()
        faulthandler.dump_traceback_later(HANGS_AFTER, exit=True)
        try:
            cost = await self._cost(case)
            if cost.cpu > self.most.cpu:
                self.slowest = seed
            self.most.most(cost)
            if cost.is_too_much:
                raise AssertionError(f"over {MOST_SECONDS} s or {MOST_MB} MB: {cost}")
        except Exception:
            self.bad.append(seed)
            sys.stderr.write(f"case {seed}:\n{traceback.format_exc(limit=-6)}\n")
        finally:
            faulthandler.cancel_dump_traceback_later()

    async def _cost(self, case: Callable[[], Awaitable[str]]) -> Cost:
        """Return what *case* costs, the best of a few tries if it seems too much."""
        best, end = Cost(cpu=float("inf")), ""
        for _ in range(_TRIES):
            with measured() as cost:
                end = await case()
            best = min(best, cost, key=lambda one: one.cpu)
            if not cost.is_too_much:
                break
        self.ends[end] += 1
        return best

    def told(self) -> dict[str, Any]:
        ends = dict(sorted(self.ends.items()))
        cost = {name: round(value, 3) for name, value in asdict(self.most).items()}
        return {"ends": ends, "most": cost, "slowest": self.slowest, "bad": self.bad}


if __name__ == "__main__":
    sys.exit(main())

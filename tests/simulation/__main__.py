"""Plays many disasters on all cores, and tells how to replay the one that broke a promise."""

from __future__ import annotations

import argparse
import multiprocessing
import sys
import time
from collections.abc import Iterator, Sequence

from tests.simulation.disaster import POINTS, imagine
from tests.simulation.promises import broken
from tests.simulation.stage import perform
from tests.simulation.telling import story
from tests.simulation.verdicts import Verdict, digest, judge, quiet

_DEATHS = 20
"""How often, in 5,000 seeds, a process has to die at each failure point; fewer proves nothing."""
_FAULTS = (
    "api", "down", "host_dies", "host_dark", "machine_dies", "outside", "flapping",
    "journal_full", "journal_slow", "journal_forgets", "frozen", "cut_journal", "cut_network",
    "killed", "hold", "presses", "order error", "order timeout", "order reply_lost",
    "lost answers", "full disk", "overtaken", "already running", "doubts", "voids", "restarts",
    "ticks",
)  # fmt: skip


def main(arguments: Sequence[str] | None = None) -> int:
    given = _arguments(arguments)
    if given.seed is not None:
        return _one(given.seed, verbose=given.verbose)
    began, total = time.monotonic(), Verdict(-1)
    failing = 0
    for done, verdict in enumerate(_all(given.first, given.seeds, given.workers), start=1):
        total.hours += verdict.hours
        total.counts.update(verdict.counts)
        total.reached.update(verdict.reached)
        total.killed_at.update(verdict.killed_at)
        if verdict.broken:
            failing += 1
            if failing <= given.stories:
                _tell(verdict)
        if done % 250 == 0:
            rate = done / (time.monotonic() - began)
            print(
                f"{done} of {given.seeds} seeds, {failing} broken, {rate:.0f} a second", flush=True
            )
    missing = _missing(total, given.seeds)
    _summary(total, given.seeds, time.monotonic() - began, failing, missing)
    return 1 if failing or missing else 0


def _arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("seeds", nargs="?", type=int, default=5000, help="how many disasters")
    parser.add_argument("--from", dest="first", type=int, default=0, help="the first seed")
    parser.add_argument("--seed", type=int, help="play this one, and tell what happened")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--stories", type=int, default=3, help="how many failures to tell whole")
    parser.add_argument("-v", "--verbose", action="store_true", help="tell all of it")
    return parser.parse_args(arguments)


def _all(first: int, seeds: int, workers: int) -> Iterator[Verdict]:
    numbers = range(first, first + seeds)
    if workers <= 1:
        quiet()
        yield from map(judge, numbers)
        return
    with multiprocessing.get_context("spawn").Pool(workers, initializer=quiet) as pool:
        yield from pool.imap(judge, numbers, chunksize=10)


def _one(seed: int, *, verbose: bool) -> int:
    quiet()
    stage = perform(imagine(seed))
    found = broken(stage)
    print(story(stage, last=100_000 if verbose else 40))
    for promise, told in found:
        print(f"BROKEN {promise}: {told}")
    print(f"seed {seed}: {len(found)} broken, sha256 of the journal {digest(stage)}")
    return 1 if found else 0


def _tell(verdict: Verdict) -> None:
    print(
        f"\nseed {verdict.seed} broke a promise; replay it with: make simulate SEED={verdict.seed}"
    )
    print(verdict.story)
    for promise, told in verdict.broken:
        print(f"BROKEN {promise}: {told}")
    print(flush=True)


def _missing(total: Verdict, seeds: int) -> list[str]:
    """Return what hardly ever happened, so that nothing is proved about it."""
    least = _DEATHS * seeds // 5000
    deaths = [f"death at {n}" for n in POINTS if total.killed_at[n] < least]
    return deaths + [fault for fault in _FAULTS if total.counts[fault] < least]


def _summary(total: Verdict, seeds: int, took: float, failing: int, missing: Sequence[str]) -> None:
    counts = total.counts
    print(f"{seeds} seeds in {took:.0f} s ({seeds / took:.1f} a second): {total.hours:.0f} h of "
          f"disaster, {counts['events']} events, {counts['orders']} orders, "
          f"{counts['kills']} deaths")  # fmt: skip
    print("faults:  ", ", ".join(f"{name} {counts[name]}" for name in _FAULTS))
    print("deaths at:", ", ".join(
        f"{name} {total.killed_at[name]} (of {total.reached[name]} arrivals)" for name in POINTS
    ))  # fmt: skip
    if missing:
        print(f"TOO RARE, so nothing is proved about: {', '.join(missing)}")
    print(f"{failing} of {seeds} seeds broke a promise" if failing else "no promise was broken")


if __name__ == "__main__":
    sys.exit(main())

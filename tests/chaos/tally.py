"""What was done and what came of it, counted by database and told at the end of the session."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import TypeAlias, get_args

from drorch.failpoints import Name

DATABASES = ("SQLite", "PostgreSQL")
AT_RANDOM, AT_POINT = "at random", "at "
RUNS, MACHINES, CALLOUTS = "runs", "machines", "callouts"
DOUBLED, LOST, WITHOUT_OWNERSHIP = "doubled", "lost", "ordered without ownership"

Line: TypeAlias = tuple[str, str, int]
"""Database, what, how many: plain enough to come back from another worker."""

TALLY: Counter[tuple[str, str]] = Counter()
"""Of the test that runs in this process."""


def count(database: str, what: str, times: int = 1) -> None:
    TALLY[database, what] += times


def killed(database: str, point: str = "") -> None:
    """Note the death of an engine, at a named *point* (``append.after:3``) or at any moment."""
    count(database, AT_POINT + point.partition(":")[0] if point else AT_RANDOM)


def lines() -> Sequence[Line]:
    return [(database, what, times) for (database, what), times in TALLY.items()]


def total(told: Iterable[Line]) -> Counter[tuple[str, str]]:
    found: Counter[tuple[str, str]] = Counter()
    for database, what, times in told:
        found[database, what] += times
    return found


def summary(found: Counter[tuple[str, str]]) -> Iterator[str]:
    """Say per database how many kills there were, how much was doubled and how much lost."""
    points = get_args(Name)
    for database in DATABASES:
        if not any(where == database for where, _ in found):
            continue
        here = Counter({what: n for (where, what), n in found.items() if where == database})
        named = {name: here[AT_POINT + name] for name in points if here[AT_POINT + name]}
        yield (
            f"{database}: {here[AT_RANDOM]} kills at random moments, "
            f"{sum(named.values())} at {len(named)} of {len(points)} named points"
        )
        yield (
            f"  {here[RUNS]} runs judged by the hypervisor's own log, {here[MACHINES]} machines and "
            f"{here[CALLOUTS]} callouts: {here[DOUBLED]} doubled, {here[LOST]} lost, "
            f"{here[WITHOUT_OWNERSHIP]} ordered without ownership"
        )

"""What the simulated hypervisor's own log says about the orders it got."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from api.cli.access import Json


@dataclass(frozen=True, slots=True)
class Tally:
    """``second`` counts accepted start orders beyond the first of each machine."""

    machines: int
    accepted: int
    second: int
    missing: int

    @property
    def is_right(self) -> bool:
        return self.second == 0 and self.missing == 0


def tally(log: Iterable[Json], machines: Iterable[str]) -> Tally:
    """Count the accepted start orders for *machines*."""
    wanted = set(machines)
    accepted = Counter(
        str(entry["machine"])
        for entry in log
        if entry["action"] == "start" and entry["result"] == "accepted"
    )
    return Tally(
        machines=len(wanted),
        accepted=accepted.total(),
        second=sum(times - 1 for times in accepted.values()),
        missing=len(wanted - set(accepted)),
    )

"""How many calls the API received in each second, so that a call budget can be proven."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from enum import StrEnum


class Kind(StrEnum):
    """``OBSERVING`` reads machines, hosts or tasks; ``AGENT`` asks one guest agent."""

    OBSERVING = "observing"
    AGENT = "agent"
    ORDER = "order"


class CallCounts:
    """Counts calls by kind and by whole second since the simulator started."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._began = clock()
        self._seconds: dict[int, Counter[Kind]] = {}

    def count(self, kind: Kind) -> None:
        second = int(self._clock() - self._began)
        self._seconds.setdefault(second, Counter())[kind] += 1

    def document(self) -> dict[str, object]:
        """Return totals, and each second in which anything was received."""
        total: Counter[Kind] = Counter()
        for counts in self._seconds.values():
            total.update(counts)
        seconds = [
            {"second": second, **{kind: counts[kind] for kind in Kind}}
            for second, counts in self._seconds.items()
        ]
        return {"total": {kind: total[kind] for kind in Kind}, "seconds": seconds}

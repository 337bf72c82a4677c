"""How long processes wanted a processor and had none: lateness that is the machine's, not theirs."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path


def waited(pids: Iterable[int]) -> float:
    """Return the seconds for which threads of *pids* that live now have waited for their turn.

    Nothing on a kernel that does not count them (CONFIG_SCHED_INFO).
    """
    total = 0
    for pid in pids:
        for line in Path(f"/proc/{pid}/task").glob("*/schedstat"):
            with suppress(OSError, IndexError):
                total += int(line.read_text().split()[1])
    return total / 1e9

"""A process and all that came from it, found in /proc: groups and sessions do not hold them."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path


def family(pid: int) -> list[int]:
    """Return *pid* and every descendant of it that lives, the eldest first."""
    children: dict[int, list[int]] = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            after_name = path.read_text().rpartition(")")[2].split()
            children.setdefault(int(after_name[1]), []).append(int(path.parent.name))
    found = [pid]
    for one in found:
        found.extend(children.get(one, ()))
    return found


def strike(pid: int, number: int) -> None:
    """Send a signal to *pid* and to every descendant of it."""
    for one in family(pid):
        with contextlib.suppress(ProcessLookupError):
            os.kill(one, number)

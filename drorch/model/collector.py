"""Keeps Python's garbage collector out of the way while much is built that will stay."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count

_ROUND = 10_000
"""New objects between two rounds of the collector, where Python takes 700."""

_paused: set[int] = set()
"""Who keeps the collector paused now: runs begin side by side, and the last one lets it go on."""
_numbers = count()


@contextmanager
def collector_paused() -> Iterator[None]:
    """Pause the collector: ten thousand new machines would only be searched in vain."""
    if not (gc.isenabled() or _paused):
        yield  # somebody else has turned it off, for reasons of their own
        return
    number = next(_numbers)
    _paused.add(number)
    gc.disable()
    try:
        yield
    finally:
        _paused.discard(number)
        if not _paused:
            gc.enable()


def collect_rarely() -> None:
    """Let the collector make fewer rounds from now on.

    Runs leave no cycles behind to speak of; to look for some as often as is usual takes a twelfth
    of the time of a large one.
    """
    gc.set_threshold(_ROUND, *gc.get_threshold()[1:])


def keep() -> None:
    """Spare the collector what is there now for good: a run of thousands of machines."""
    gc.freeze()

"""The port for figures that somebody outside may watch; without one they go nowhere."""

from __future__ import annotations

from typing import Protocol


class Meter(Protocol):
    """Counts what happens, in memory only. Called in the event loop, thousands of times a second.

    Every method takes about a microsecond, never blocks and never raises. Labels come from small
    fixed sets: names of connectors, of calls, kinds of results; never ids of machines or runs.
    """

    def appended(self, seconds: float) -> None:
        """An append to the journal was durable *seconds* after it was asked for."""

    def journal_failed(self) -> None:
        """Something could not be written to the journal."""

    def called(self, connector: str, call: str, result: str, seconds: float) -> None:
        """A call to the hypervisor behind *connector* ended with *result* after *seconds*."""

    def step_took(self, phase: str, seconds: float) -> None:
        """A step of a live run was through with *phase*, ``start`` or ``verify``."""


class _Silent:
    def appended(self, seconds: float) -> None: ...

    def journal_failed(self) -> None: ...

    def called(self, connector: str, call: str, result: str, seconds: float) -> None: ...

    def step_took(self, phase: str, seconds: float) -> None: ...


SILENT: Meter = _Silent()
"""Nobody watches: a command that runs in its own process."""

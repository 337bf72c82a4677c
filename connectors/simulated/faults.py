"""Faults that are injected on purpose: into single machines, and into the API itself."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from enum import StrEnum


class MachineFault(StrEnum):
    """What goes wrong with a start.

    ``START_FAILS``: accepted, then the task fails. ``HANGS``: boots for ever, until stopped.
    ``CRASH_AFTER_BOOT``: stops by itself soon after it ran. ``APP_NEVER``: runs, never well.
    """

    START_FAILS = "start_fails"
    HANGS = "hangs"
    CRASH_AFTER_BOOT = "crash_after_boot"
    APP_NEVER = "app_never"


class ApiFault(StrEnum):
    ERROR_RATE = "error_rate"
    TIMEOUT_RATE = "timeout_rate"
    REPLY_LOST_RATE = "reply_lost_rate"


class Disturbance(StrEnum):
    """What happens to one call of the API."""

    NONE = "none"
    ERROR = "error"
    TIMEOUT = "timeout"
    REPLY_LOST = "reply_lost"


_ORDER = (
    (ApiFault.ERROR_RATE, Disturbance.ERROR),
    (ApiFault.TIMEOUT_RATE, Disturbance.TIMEOUT),
    (ApiFault.REPLY_LOST_RATE, Disturbance.REPLY_LOST),
)


@dataclass(slots=True)
class _Rate:
    rate: float
    times: int | None = None


@dataclass(slots=True)
class Faults:
    """The faults that wait for their occasion; ``chance`` decides about the rates."""

    chance: random.Random
    machines: dict[str, dict[MachineFault, int | None]] = field(default_factory=dict)
    api: dict[ApiFault, _Rate] = field(default_factory=dict)

    def inject(self, machine: str, kind: MachineFault, times: int | None) -> None:
        """Let the next *times* starts of *machine* go wrong; None means until `clear`."""
        self.machines.setdefault(machine, {})[kind] = times

    def take(self, machine: str) -> MachineFault | None:
        """Return what goes wrong with the start that is accepted now, and count it."""
        waiting = self.machines.get(machine)
        if not waiting:
            return None
        kind = min(waiting, key=list(MachineFault).index)
        times = waiting[kind]
        if times is not None:
            waiting[kind] = times - 1
            if times <= 1:
                del waiting[kind]
        return kind

    def disturb_calls(self, kind: ApiFault, rate: float, times: int | None = None) -> None:
        """Let this share of all calls go wrong; with *times*, only until so many have."""
        self.api[kind] = _Rate(rate, times)

    def disturb(self) -> Disturbance:
        """Return what happens to the call that arrives now, and count it."""
        if not self.api:
            return Disturbance.NONE
        for kind, disturbance in _ORDER:
            found = self.api.get(kind)
            if found is not None and self.chance.random() < found.rate:
                if found.times is not None:
                    found.times -= 1
                    if not found.times:
                        del self.api[kind]
                return disturbance
        return Disturbance.NONE

    def clear(self) -> None:
        self.machines.clear()
        self.api.clear()

    def document(self) -> list[dict[str, object]]:
        """Return what is still to come, in the form in which it was given."""
        single: list[dict[str, object]] = [
            {"machine": machine, "kind": kind, "times": times}
            for machine, kinds in self.machines.items()
            for kind, times in kinds.items()
        ]
        return single + [{"kind": k, "rate": r.rate, "times": r.times} for k, r in self.api.items()]

"""What the town has decided about live runs: one person or two, signed plans, stop orders."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from drorch.errors import DrorchError
from drorch.run.status import Mode

APPROVAL_WITHIN = timedelta(minutes=15)
"""How long a live run that a second person has to approve waits for that."""


class LiveRuns(StrEnum):
    """How many people a live run takes."""

    ONE = "one-person"
    TWO = "two-person"


class HaltedError(DrorchError):
    """Somebody has halted drorch: nothing new begins until an admin lifts it."""

    code = "halted"


class UnsignedPlanError(DrorchError):
    """The policy asks for signed plans, and this one is not, or not any more."""

    code = "unsigned-plan"


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """``[policy]`` of the configuration. ``stops_per_hour`` counts stop orders of all runs."""

    live_runs: LiveRuns = LiveRuns.ONE
    stops_per_hour: int = 10
    signed_plans: bool = False

    def takes_two(self, mode: Mode) -> bool:
        """Tell whether a second person has to approve a run of *mode*."""
        return self.live_runs is LiveRuns.TWO and mode in (Mode.LIVE, Mode.SHUTDOWN)

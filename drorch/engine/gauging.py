"""How long the steps of a live run take, told to whoever watches from outside."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from drorch.ports.meter import Meter
from drorch.run import events as ev
from drorch.run.state import RunState

START, VERIFY = "start", "verify"


class StepGauge:
    """An observer of an executor: from order to running, and from running to healthy."""

    def __init__(self, meter: Meter) -> None:
        self._meter = meter

    def __call__(self, state: RunState, events: Sequence[ev.Event]) -> None:
        for event in events:
            if isinstance(event, ev.MachineRunning):
                own = state.steps[state.index(event.step)]
                self._took(START, own.attempt_at, event.at)
            elif isinstance(event, ev.StepHealthy):
                own = state.steps[state.index(event.step)]
                self._took(VERIFY, own.running_at or own.attempt_at, event.at)

    def _took(self, phase: str, since: datetime | None, until: datetime) -> None:
        if since is not None:
            self._meter.step_took(phase, max(0.0, (until - since).total_seconds()))

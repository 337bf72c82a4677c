"""Drives a run by commands alone: no engine, no hypervisor, a clock that is set by hand."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from drorch.model.plan import Plan, Step
from drorch.ports.connector import Power
from drorch.run import commands as cmd
from drorch.run import events as ev
from drorch.run.decide import decide
from drorch.run.effects import Effect, effect_of, wanted
from drorch.run.evolve import evolve
from drorch.run.seen import Seen
from drorch.run.state import RunState, StepState
from drorch.run.status import Ask, FailureKind, Mode, RunStatus, Scope, StepStatus
from tests.fakes.plans import plan as plan_of

T0 = datetime(2030, 1, 1, tzinfo=UTC)
E = TypeVar("E", bound=ev.Event)


def requested(plan: Plan, mode: Mode = Mode.LIVE) -> ev.RunRequested:
    return ev.RunRequested(at=T0, run="test-1", plan=plan, mode=mode, by="ops")


class Script:
    """Each command is followed by `Advance` until nothing more is due, as the executor does."""

    def __init__(
        self, *steps: Step, mode: Mode = Mode.LIVE, looked: bool = True, **more: Any
    ) -> None:
        self.now = T0
        request = requested(plan_of(*steps, **more), mode)
        self.state: RunState = evolve(None, request)
        self.log: list[ev.Event] = [request]
        self.send(cmd.Start(driver="me"))
        if looked:
            for name in sorted({s.machine.connector for s in steps if s.machine}):
                self.send(cmd.ReportMachines(connector=name, machines={}))

    def send(self, command: cmd.Command) -> tuple[ev.Event, ...]:
        """Send one command; return everything that came of it."""
        before = len(self.log)
        self.decide(command)
        while self.decide(cmd.Advance()):
            pass
        return tuple(self.log[before:])

    def decide(self, command: cmd.Command) -> tuple[ev.Event, ...]:
        events = decide(self.state, command, self.now)
        for event in events:
            self.log.append(event)
            evolve(self.state, event)
        return events

    def later(self, seconds: float) -> tuple[ev.Event, ...]:
        self.now += timedelta(seconds=seconds)
        return self.send(cmd.Advance())

    def of(self, kind: type[E]) -> list[E]:
        return [event for event in self.log if isinstance(event, kind)]

    def own(self, step: str) -> StepState:
        return self.state.steps[self.state.index(step)]

    def status(self, *steps: str) -> Any:
        """The status of one step, or a list for several."""
        found = [self.own(step).status for step in steps]
        return found[0] if len(found) == 1 else found

    def effect(self, step: str) -> Effect | None:
        return effect_of(self.state, self.state.index(step))

    @property
    def started(self) -> list[str]:
        return [event.step for event in self.of(ev.StepStarted)]

    @property
    def acting(self) -> set[str]:
        return {self.state.step(effect.number).id for effect in wanted(self.state)}

    def verdict(self) -> RunStatus:
        """The run's status now."""
        return self.state.status

    # What the engine would report.

    def accepted(self, step: str, handle: str = "task") -> None:
        self.send(cmd.ReportAccepted(step=step, attempt=self.own(step).attempt, handle=handle))

    def doubted(self, step: str) -> None:
        self.send(cmd.ReportInDoubt(step=step, attempt=self.own(step).attempt, reason="silence"))

    def void(self, step: str) -> None:
        self.send(cmd.ReportVoid(step=step, attempt=self.own(step).attempt, reason="no trace"))

    def runs(self, *steps: str, host: str | None = None) -> None:
        """The order was accepted and the machine runs."""
        for step in steps:
            if not self.own(step).accepted:
                self.accepted(step)
            self.send(cmd.ReportRunning(step=step, attempt=self.own(step).attempt, host=host))

    def verified(self, *steps: str) -> None:
        for step in steps:
            self.send(cmd.ReportVerified(step=step, attempt=self.own(step).attempt))

    def heals(self, *steps: str) -> None:
        """It runs, and its checks hold."""
        for step in steps:
            if self.status(step) is StepStatus.STARTING:
                self.runs(step)
            self.verified(step)

    def fails(self, step: str, *, retryable: bool = True, attempt: int | None = None) -> None:
        self.send(
            cmd.ReportFailure(
                step=step,
                attempt=self.own(step).attempt if attempt is None else attempt,
                kind=FailureKind.REFUSED,
                detail="it broke",
                hint="mend it",
                retryable=retryable,
            )
        )

    def sees(self, step: str, power: Power, host: str | None = None) -> None:
        seen = Seen(power=power, host=host, machine=step)
        machine = self.state.step(self.state.index(step)).machine
        assert machine is not None
        self.send(cmd.ReportMachines(connector=machine.connector, machines={step: seen}))

    def unavailable(self, step: str, scope: Scope, key: str) -> None:
        self.send(
            cmd.ReportUnavailable(
                step=step, attempt=self.own(step).attempt, scope=scope, key=key, reason="away"
            )
        )

    def obstacle(self, scope: Scope, key: str, reason: str = "away") -> None:
        self.send(cmd.ReportObstacle(scope=scope, key=key, reason=reason))

    def cleared(self, scope: Scope, key: str) -> None:
        self.send(cmd.ReportObstacleGone(scope=scope, key=key))

    # What people press.

    def approve(self, step: str) -> None:
        self.send(cmd.Approve(by="anna", step=step, comment="seen"))

    def reject(self, step: str) -> None:
        self.send(cmd.Reject(by="anna", step=step, comment="no"))

    def retry(self, step: str) -> None:
        self.send(cmd.Retry(by="anna", step=step))

    def skip(self, step: str) -> None:
        self.send(cmd.Skip(by="anna", step=step, comment="without it"))

    def accept(self, step: str) -> None:
        self.send(cmd.Accept(by="anna", step=step, comment="I vouch"))

    def pause(self) -> None:
        self.send(cmd.Pause(by="anna"))

    def resume(self) -> None:
        self.send(cmd.Resume(by="anna"))

    def abort(self) -> None:
        self.send(cmd.Abort(by="anna"))

    def asks(self, step: str) -> bool:
        return self.status(step) is StepStatus.WAITING and self.own(step).ask is Ask.FAILURE

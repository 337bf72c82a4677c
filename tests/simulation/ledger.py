"""A second, independent reading of the journal: who was satisfied, begun, final, and when.

Written from the contract, not from ``drorch.run``: it would be worth nothing if it shared code.
"""

from __future__ import annotations

from dataclasses import dataclass

from drorch.model.plan import OnFailure, Plan, PowerOn, Step, When
from drorch.run import events as ev
from drorch.run.status import Ask

_UNDOES = (
    ev.StepStarted,
    ev.StepRetried,
    ev.MachineLost,
    ev.MachineFound,
    ev.StepAsked,
    ev.AttemptFailed,
    ev.StepPutBack,
    ev.OrderVoided,
)
_FINAL = ("healthy", "failed", "skipped", "cancelled")


@dataclass(slots=True)
class Entry:
    """What the events say of one step so far; ``healthy_by`` is the number of that event."""

    word: str = "pending"
    begun: bool = False
    asks: bool = False
    accepted: bool = False
    healthy_by: int = 0
    tries: int = 0


class Ledger:
    """Fed with one event after the other."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.paused = False
        self.aborting = False
        self.entries = {step.id: Entry() for step in self.plan.steps}
        self._steps = {step.id: step for step in self.plan.steps}
        self._members = {
            group.id: [step.id for step in self.plan.steps if step.group == group.id]
            for group in self.plan.groups
        }

    def note(self, number: int, event: ev.Event) -> None:
        match event:
            case ev.RunPaused():
                self.paused = True
            case ev.RunResumed():
                self.paused = False
            case ev.RunAbortRequested():
                self.aborting, self.paused = True, False
            case ev.StepsCancelled():
                for step in event.steps:
                    self.entries[step].word = "cancelled"
            case ev.StepFact():
                self._of_step(number, event)
            case _:
                pass

    def _of_step(self, number: int, event: ev.StepFact) -> None:
        own = self.entries[event.step]
        if isinstance(event, _UNDOES):
            own.word, own.asks, own.accepted = "pending", False, False
        match event:
            case ev.StepStarted():
                own.tries += 1
                own.word = "acting"
                own.begun = own.begun or not self._is_machine(event.step)
            case ev.StepAsked():
                own.word, own.asks = "waiting", event.ask is Ask.FAILURE
                own.begun = own.begun or event.ask is Ask.MANUAL
            case ev.MachineRunning() | ev.MachineFound() | ev.ActionDone():
                own.begun, own.word = True, "acting"
            case ev.StepHealthy():
                own.word, own.healthy_by, own.begun = "healthy", number, True
            case ev.StepAccepted():
                own.word, own.accepted, own.healthy_by = "healthy", True, 0
            case ev.StepOnPaper(result="done"):
                own.word, own.accepted, own.healthy_by = "healthy", True, 0
            case ev.StepSkipped() | ev.StepOnPaper(result="skipped"):
                own.word = "skipped"
            case ev.StepFailed():
                own.word = "failed"
            case _:
                pass

    def _is_machine(self, step: str) -> bool:
        return isinstance(self._step(step).action, PowerOn)

    def _step(self, step: str) -> Step:
        return self._steps[step]

    def satisfied(self, target: str) -> bool:
        if target in self._members:
            return all(self.satisfied(member) for member in self._members[target])
        return self.entries[target].word in ("healthy", "skipped") or self._goes_on(target)

    def _goes_on(self, step: str) -> bool:
        failed = self.entries[step].word == "failed"
        return failed and self._step(step).on_failure is OnFailure.CONTINUE

    def started(self, target: str) -> bool:
        if target in self._members:
            return all(self.started(member) for member in self._members[target])
        return self.entries[target].begun or self.satisfied(target)

    def finished(self, target: str) -> bool:
        if target in self._members:
            return all(self.finished(member) for member in self._members[target])
        return self.entries[target].word in _FINAL or self.is_doomed(target)

    def is_doomed(self, target: str) -> bool:
        """Tell whether something that it needs will never be there, so that it cannot begin."""
        if target in self._members:
            return any(self._obstructs(member) for member in self._members[target])
        if self.entries[target].word not in ("pending", "blocked"):
            return False
        return any(
            self._obstructs(need.target)
            for need in self._step(target).depends_on
            if need.when is not When.FINISHED and not self._met(need.target, need.when)
        )

    def _obstructs(self, target: str) -> bool:
        if target in self._members:
            return any(self._obstructs(member) for member in self._members[target])
        word = self.entries[target].word
        ended = word == "cancelled" or (word == "failed" and not self._goes_on(target))
        return ended or self.is_doomed(target)

    def _met(self, target: str, when: When) -> bool:
        if when is When.HEALTHY:
            return self.satisfied(target)
        return self.started(target) if when is When.STARTED else self.finished(target)

    def unmet(self, step: str) -> list[str]:
        """Return what *step* lacks of what its plan says that it needs."""
        needs = self._step(step).depends_on
        return [f"{n.target} ({n.when})" for n in needs if not self._met(n.target, n.when)]

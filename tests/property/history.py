"""Plays a history of moves on a run, and watches that no event breaks a promise."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta

from drorch.errors import CommandRejectedError
from drorch.model.plan import Plan
from drorch.ports.connector import Power
from drorch.run import commands as cmd
from drorch.run import events as ev
from drorch.run.decide import decide
from drorch.run.effects import EffectKind, effect_of, next_due, wanted
from drorch.run.evolve import evolve
from drorch.run.seen import Seen
from drorch.run.state import host_key
from drorch.run.status import (
    Ask,
    FailureKind,
    Mode,
    OrderKind,
    PaperResult,
    Scope,
    StepStatus,
)
from drorch.run.waiting import limit_of
from tests.fakes.replay import _counted
from tests.fakes.script import T0, requested
from tests.property.wide import Move

_LEAPS = (0, 1, 3, 6, 31, 61, 181, 601)
_POWERS = (Power.OFF, Power.RUNNING, Power.RUNNING, Power.STARTING, Power.CRASHED, Power.UNKNOWN)
_HOSTS = ("h1", "h2", None)
_TURNS = 400
_ON_PAPER = (*PaperResult, PaperResult.DONE, PaperResult.DONE)


class History:
    """A run that is played; every event is watched before and after it is applied."""

    def __init__(self, plan: Plan, mode: Mode) -> None:
        request = requested(plan, mode)
        self.now = T0
        self.log: list[ev.Event] = [request]
        self.state = evolve(None, request)
        self._orders: Counter[tuple[str, int]] = Counter()
        self._last: dict[str, int] = {}
        self._spent: Counter[str] = Counter()
        self.send(cmd.Start(driver="one"))
        self.send(cmd.ReportMachines(connector="a", machines={}))
        self.settle()

    def send(self, command: cmd.Command) -> bool:
        """Return whether anything came of it; a refusal is nothing."""
        try:
            events = decide(self.state, command, self.now)
        except CommandRejectedError:
            return False
        for event in events:
            self._apply(event)
        return bool(events)

    def settle(self) -> None:
        for _ in range(_TURNS):
            if not self.send(cmd.Advance()):
                return
        raise AssertionError("advancing never comes to rest")

    def _apply(self, event: ev.Event) -> None:
        assert not self.state.is_over, f"{event} after the end"
        if isinstance(event, ev.StepStarted | ev.StepAsked):
            self._may_begin(event)
        evolve(self.state, event)
        self.log.append(event)
        self._budget(event)
        for key, used in self.state.slots.items():
            limit = limit_of(self.state, key)
            assert used >= 0
            assert limit is None or used <= limit, f"{key}: {used} of {limit}"

    def _may_begin(self, event: ev.StepStarted | ev.StepAsked) -> None:
        number = self.state.index(event.step)
        own = self.state.steps[number]
        if isinstance(event, ev.StepAsked) and event.ask is Ask.FAILURE:
            return
        assert own.status is StepStatus.READY, own.status
        needs = _counted(self.state, number, self.state.levels)
        assert needs.unsatisfied == 0, f"{event.step} begins before what it needs"
        state = self.state
        assert not (state.paused or state.aborting or state.stopping), "begins though it must not"
        assert state.obstacle(number) is None, "begins behind an obstacle"

    def _budget(self, event: ev.Event) -> None:
        match event:
            case ev.StepStarted():
                assert event.attempt > self._last.get(event.step, 0), "attempt numbers rise"
                self._last[event.step] = event.attempt
                self._spent[event.step] += 1
                step = self.state.step(self.state.index(event.step))
                assert self._spent[event.step] <= step.retry.attempts, "over budget"
                if event.order in (OrderKind.START, OrderKind.CALLOUT):
                    self._ordered(event.step, event.attempt)
            case ev.MachineStopped():
                self._ordered(event.step, event.attempt)
            case ev.StepPutBack():
                self._spent[event.step] -= 1
            case ev.OrderVoided(spent=False):
                self._spent[event.step] -= 1
            case ev.StepRetried():
                self._spent[event.step] = 0
            case _:
                pass

    def _ordered(self, step: str, attempt: int) -> None:
        self._orders[step, attempt] += 1
        assert self._orders[step, attempt] == 1, "one intent per attempt"

    # What happens to it.

    def play(self, move: Move) -> None:
        """Let one thing happen; mostly the executor then does all that is due."""
        self._play(move)
        if (move.which + move.how) % 4:
            self.settle()

    def _play(self, move: Move) -> None:
        which = move.which % len(self.state.steps)
        step = self.state.step(which).id
        match move.what:
            case "later":
                self.now += timedelta(seconds=_LEAPS[move.how % len(_LEAPS)])
            case "report":
                self._report(move)
            case "stale":
                self._stale(which, move.how)
            case "see":
                self._see(which, move.how)
            case "survey":
                self.send(cmd.ReportMachines(connector="ab"[move.how % 2], machines={}))
            case "obstacle" | "cleared":
                self._obstacle(which, move.how, found=move.what == "obstacle")
            case "adopt":
                self.now += timedelta(seconds=_LEAPS[move.how % len(_LEAPS)])
                self.send(cmd.Adopt(driver="two"))
            case "abort":
                if move.how == 0:
                    self.send(cmd.Abort(by="anna"))
            case "pause":
                self.send(cmd.Pause(by="anna"))
            case "resume":
                self.send(cmd.Resume(by="anna"))
            case "paper":
                self._paper(which, move.how)
            case _:
                self.decision(move.what, step)

    def decision(self, what: str, step: str) -> bool:
        kinds: dict[str, type[cmd.StepDecision]] = {
            "approve": cmd.Approve,
            "reject": cmd.Reject,
            "retry": cmd.Retry,
            "skip": cmd.Skip,
            "accept": cmd.Accept,
        }
        return self.send(kinds[what](by="anna", step=step, comment="c"))

    def _paper(self, number: int, how: int) -> None:
        """A tick settles a step without any order; the same tick again is nothing."""
        step, began = self.state.step(number).id, len(self.log)
        tick = cmd.Paper(
            by="anna",
            step=step,
            done_at=T0 + timedelta(minutes=how // len(_ON_PAPER)),
            done_by="maria",
            result=_ON_PAPER[how % len(_ON_PAPER)],
        )
        taken = self.send(tick)
        assert not any(isinstance(event, ev.StepStarted) for event in self.log[began:])
        if not taken:
            return
        own = self.state.steps[number]
        assert own.from_paper is not None
        assert effect_of(self.state, number) is None
        assert own.healthy_at is None or own.healthy_at <= self.now
        assert not self.send(tick), "the same tick twice"

    def _report(self, move: Move) -> None:
        effects = list(wanted(self.state))
        if effects:
            effect = effects[move.which % len(effects)]
            outcomes = self.outcomes(effect.number)
            self.send(outcomes[move.how % len(outcomes)])

    def outcomes(self, number: int) -> list[cmd.Command]:
        """Return what the engine may report of a step's effect, the best first."""
        effect = effect_of(self.state, number)
        assert effect is not None
        step = self.state.step(number).id
        about = {"step": step, "attempt": effect.attempt}
        accepted = cmd.ReportAccepted(**about, handle="h")  # type: ignore[arg-type]
        failed = _failure(step, effect.attempt, retryable=True)
        refused = _failure(step, effect.attempt, retryable=False)
        done = cmd.ReportActionDone(**about)  # type: ignore[arg-type]
        match effect.kind:
            case EffectKind.POWER_ON:
                doubt = cmd.ReportInDoubt(**about, reason="silence")  # type: ignore[arg-type]
                away = self._unavailable(number, effect.attempt)
                return [accepted, accepted, doubt, *away, failed, refused]
            case EffectKind.RECONCILE:
                void = cmd.ReportVoid(**about, reason="no trace")  # type: ignore[arg-type]
                return [accepted, void, refused]
            case EffectKind.POWER_OFF:
                away = self._unavailable(number, effect.attempt)[:2]
                return [cmd.ReportStopped(**about), failed, *away]  # type: ignore[arg-type]
            case EffectKind.AWAIT_RUNNING:
                running = cmd.ReportRunning(**about, host="h1")  # type: ignore[arg-type]
                return [running, running, failed, refused]
            case EffectKind.VERIFY:
                unwell = cmd.ReportCheck(**about, check="x", healthy=False, evidence="503")  # type: ignore[arg-type]
                return [cmd.ReportVerified(**about), unwell, refused]  # type: ignore[arg-type]
            case _:
                return [done, failed, refused]

    def _unavailable(self, number: int, attempt: int) -> list[cmd.Command]:
        step, own = self.state.step(number), self.state.steps[number]
        assert step.machine is not None
        connector = step.machine.connector
        keys = [
            (Scope.CONNECTOR, connector),
            (Scope.HOST, host_key(connector, own.host or "h1")),
            (Scope.MACHINE, step.id),
        ]
        return [
            cmd.ReportUnavailable(step=step.id, attempt=attempt, scope=s, key=k, reason="away")
            for s, k in keys
        ]

    def _stale(self, number: int, how: int) -> None:
        """A report about an attempt that is over changes nothing."""
        step, own = self.state.step(number).id, self.state.steps[number]
        about = {"step": step, "attempt": own.attempt - 1}
        reports: list[cmd.Command] = [
            cmd.ReportAccepted(**about),  # type: ignore[arg-type]
            cmd.ReportRunning(**about),  # type: ignore[arg-type]
            cmd.ReportVerified(**about),  # type: ignore[arg-type]
            cmd.ReportVoid(**about, reason="r"),  # type: ignore[arg-type]
            cmd.ReportStopped(**about),  # type: ignore[arg-type]
            cmd.ReportActionDone(**about),  # type: ignore[arg-type]
            _failure(step, own.attempt - 1, retryable=False),
        ]
        assert not self.send(reports[how % len(reports)])

    def _see(self, number: int, how: int) -> None:
        step = self.state.step(number)
        if step.machine is None:
            return
        host = _HOSTS[how % len(_HOSTS)]
        seen = Seen(power=_POWERS[how % len(_POWERS)], host=host, machine=step.id)
        name = step.machine.connector
        self.send(cmd.ReportMachines(connector=name, machines={step.id: seen}))

    def _obstacle(self, number: int, how: int, *, found: bool) -> None:
        step = self.state.step(number)
        if step.machine is None:
            return
        connector = step.machine.connector
        choices = [
            (Scope.CONNECTOR, connector),
            (Scope.HOST, host_key(connector, "h1")),
            (Scope.MACHINE, step.id),
        ]
        scope, key = choices[how % 3]
        if found:
            self.send(cmd.ReportObstacle(scope=scope, key=key, reason=f"reason {how}"))
        else:
            self.send(cmd.ReportObstacleGone(scope=scope, key=key))

    # How it ends.

    def cure(self) -> None:
        """Every hypervisor answers, and nobody holds anything back."""
        self.send(cmd.Resume(by="anna"))
        for name in "ab":
            self.send(cmd.ReportMachines(connector=name, machines={}))
        for scope, key in list(self.state.obstacles):
            self.send(cmd.ReportObstacleGone(scope=scope, key=key))
        self.settle()

    def finish(self, answers: tuple[str, ...], *, well: bool) -> None:
        """Let everything succeed (or nothing ever get well) and people answer, to the end."""
        for _ in range(_TURNS):
            if self.state.is_over:
                return
            moved = self._people(answers)
            for number in list(self.state.unconfirmed):
                self._see(number, _POWERS.index(Power.RUNNING if well else Power.OFF))
                moved = True
            for effect in list(wanted(self.state)):
                if well:
                    moved = self.send(self.outcomes(effect.number)[0]) or moved
            self.settle()
            due = next_due(self.state)
            if not moved and not self.state.is_over:
                assert due is not None, "it waits for nothing, for ever"
                self.now = max(self.now, due)
                self.settle()
        raise AssertionError("the run does not come to its end")

    def _people(self, answers: tuple[str, ...]) -> bool:
        asked = [n for n, s in enumerate(self.state.steps) if s.status is StepStatus.WAITING]
        steps = [self.state.step(number).id for number in asked]
        taken = [any(self.decision(answer, step) for answer in answers) for step in steps]
        return any(taken)


def _failure(step: str, attempt: int, *, retryable: bool) -> cmd.ReportFailure:
    return cmd.ReportFailure(
        step=step,
        attempt=attempt,
        kind=FailureKind.REFUSED,
        detail="it broke",
        retryable=retryable,
    )

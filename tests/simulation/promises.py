"""The promises, each checked against what the hypervisors, the disk and the leases know."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import TypeAlias

from connectors.simulated.machine import Action, Result, State
from drorch.model.plan import PowerOn, Step
from drorch.ports.connector import Power
from drorch.run import events as ev
from drorch.run.effects import EffectKind
from drorch.run.status import OrderKind
from tests.fakes.replay import assert_honest, assert_replays
from tests.simulation.journal import Commit
from tests.simulation.ledger import Ledger
from tests.simulation.stage import Stage
from tests.simulation.witness import Sent, Truth

_BEGINS_TO_VERIFY = (ev.StepStarted, ev.MachineRunning, ev.MachineFound, ev.ActionDone)

Check: TypeAlias = Callable[[Stage], Iterator[str]]

HOLD_REACHES = 1.0
"""Seconds after which no start may leave for a machine that is held."""
_BELIEVED = {False: {State.RUNNING}, True: {State.RUNNING, State.STARTING}}
"""What a healthy machine may be; of one that is healthy by the paper, a start that hangs says nothing."""
_RECENT = 2.5
"""Seconds: how old the reading may be on which a first order stands, with the way to and fro."""


def started_in_order(stage: Stage) -> Iterator[str]:
    """Nothing began before its dependencies, nor while paused or aborting."""
    disaster, disk = stage.scene.disaster, stage.scene.disk
    ledger = Ledger(disaster.plan)
    for number, event in enumerate(disk.events, start=1):
        begins = isinstance(event, ev.StepStarted) or (
            isinstance(event, ev.StepAsked) and event.ask == "manual"
        )
        if begins and isinstance(event, ev.StepFact):
            if unmet := ledger.unmet(event.step):
                yield f"#{number}: {event.step} begins before {', '.join(unmet)}"
            if ledger.paused or ledger.aborting:
                yield f"#{number}: {event.step} begins in a run that is paused or aborting"
        ledger.note(number, event)


def healthy_was_true(stage: Stage) -> Iterator[str]:
    """Whoever was called healthy had every check hold, truly, twice, in this very attempt."""
    scene = stage.scene
    steps = {step.id: step for step in scene.disaster.plan.steps}
    answers: dict[tuple[str, str], list[tuple[float, bool]]] = {}
    for probe in scene.witness.probes:
        answers.setdefault((probe.process, probe.check), []).append((probe.at, probe.healthy))
    since: dict[str, float] = {}
    adopted = 0.0
    for number, event, commit in _with_commits(stage):
        if isinstance(event, ev.RunAdopted):
            adopted = commit.at
        if isinstance(event, _BEGINS_TO_VERIFY):
            since[event.step] = commit.at
        if not isinstance(event, ev.StepHealthy):
            continue
        begun = max(adopted, since.get(event.step, 0.0))
        for check in steps[event.step].verify:
            told = answers.get((commit.process, check.name), [])
            mine = [well for at, well in told if begun <= at <= commit.at]
            if not any(a and b for a, b in pairwise(mine)):
                yield f"#{number}: {event.step} is healthy, but {check.name} did not hold twice"


def one_order_per_attempt(stage: Stage) -> Iterator[str]:
    """At most one accepted order per attempt, and none to a machine that runs or starts."""
    accepted: Counter[tuple[str, str, Action, int]] = Counter()
    for sent in stage.scene.witness.sent:
        if sent.entry is None:
            continue
        if sent.entry.result is Result.ACCEPTED:
            key = (sent.connector, sent.machine, sent.action, sent.attempt)
            accepted[key] += 1
            if accepted[key] > 1:
                yield f"{_said(sent)}: order number {accepted[key]} of attempt {sent.attempt}"
        if sent.entry.already and sent.action is Action.START and not _changed_lately(stage, sent):
            yield f"{_said(sent)}: the machine is {sent.entry.reason} all along"


def _changed_lately(stage: Stage, sent: Sent) -> bool:
    """Somebody else may have started it since the reading on which the order stands."""
    history = stage.scene.witness.truths.get((sent.connector, sent.machine), [])
    began = [t.at for t in history if t.state is State.STARTING and t.at <= _arrived(stage, sent)]
    blind = _last_told(stage, sent)
    return bool(began) and began[-1] >= min(sent.at - _RECENT, blind)


def _last_told(stage: Stage, sent: Sent) -> float:
    """Return when the process was told last that this machine is off."""
    told = stage.scene.witness.seen.get((sent.process, sent.connector, sent.machine), [])
    before = [at for at, power in told if at <= sent.at]
    last = [power for at, power in told if at <= sent.at][-1:]
    return before[-1] if before and last == [Power.OFF] else sent.at


def _arrived(stage: Stage, sent: Sent) -> float:
    assert sent.entry is not None
    site = stage.scene.sites[sent.connector]
    return sent.entry.at - site.world._epoch + 1e-3  # both are floats of different size


def intent_came_first(stage: Stage) -> Iterator[str]:
    """Each order was wanted by a journal that was durable when it left."""
    kinds = {Action.START: EffectKind.POWER_ON, Action.STOP: EffectKind.POWER_OFF}
    for sent in stage.scene.witness.sent:
        if sent.wanted is not kinds[sent.action]:
            yield f"{_said(sent)}: durable event {sent.known} wants {sent.wanted or 'nothing'}"
    for called in stage.scene.witness.calls:
        if called.wanted not in (EffectKind.CALL_OUT, EffectKind.CALLOUT_DOUBT):
            yield f"{called.at:.2f} s: callout {called.name} by {called.process} without intent"


def callouts_are_not_repeated(stage: Stage) -> Iterator[str]:
    """What is not declared repeatable is carried out once per time that somebody wants it."""
    wishes: Counter[str] = Counter()
    for event in stage.scene.disk.events:
        if isinstance(event, ev.StepStarted) and event.order is OrderKind.CALLOUT:
            wishes[event.step] += 1
    called: Counter[tuple[str, int]] = Counter()
    for call in stage.scene.witness.calls:
        called[call.name, call.attempt] += 1
        if call.name.startswith("once") and called[call.name, call.attempt] > 1:
            yield f"{call.at:.2f} s: {call.name} is repeated in attempt {call.attempt}"


def nobody_acts_without_the_lease(stage: Stage) -> Iterator[str]:
    """Who has lost the run, by the table of leases itself, orders nothing and calls nobody."""
    for sent in stage.scene.witness.sent:
        if sent.entitled:
            yield f"{_said(sent)}, but {sent.entitled}"
    for called in stage.scene.witness.calls:
        if called.entitled:
            yield f"{called.at:.2f} s: {called.name} by {called.process}, but {called.entitled}"
    owner = 0
    for commit in stage.scene.disk.commits:
        if commit.epoch is not None and commit.epoch < owner:
            yield f"event {commit.first} was written under epoch {commit.epoch} after {owner}"
        owner = max(owner, commit.epoch or 0)


def it_ends(stage: Stage) -> Iterator[str]:
    """Once the faults are over and people answer, every run comes to its end."""
    if stage.ended_at is None:
        state = stage.scene.disk.state
        where = ""
        if state is not None:
            steps = [
                f"{state.step(n).id} {own.status}"
                for n, own in enumerate(state.steps)
                if not state.levels[n].finished
            ]
            where = f"{state.status}: {', '.join(steps)}"
        yield f"no end {stage.scene.cast.patience:g} s after the calm: {where or 'it was never created'}"


def nothing_is_forgotten(stage: Stage) -> Iterator[str]:
    """At the end each step is final, and what is called healthy runs, as far as one could see."""
    state, witness = stage.scene.disk.state, stage.scene.witness
    if state is None or stage.ended_at is None:
        return
    end = stage.scene.disk.commits[-1]
    for number, own in enumerate(state.steps):
        step = state.step(number)
        if not state.levels[number].finished:
            yield f"the run has ended, and {step.id} is {own.status}"
        machine = _machine(stage, step)
        vouched = own.accepted_by and own.from_paper is None
        if own.status != "healthy" or vouched or machine is None:
            continue
        truth = _truth_at(witness.truths.get(machine, []), end.at)
        told = witness.seen.get((end.process, *machine), [])
        told_off = told and told[-1][1] == Power.OFF and told[-1][0] < end.at - 1.0
        off = truth is None or truth.state not in _BELIEVED[own.from_paper is not None]
        calm = end.at - 20.0 > stage.scene.disaster.calm
        if off and (calm or told_off):
            yield f"{step.id} is called healthy at the end, and {'/'.join(machine)} is off"


def the_fold_is_the_state(stage: Stage) -> Iterator[str]:
    """What the last driver held in memory is what its journal folds to."""
    for process, state in stage.scene.witness.finals:
        try:
            assert_replays(state, stage.scene.disk.events)
            assert_honest(state)
        except AssertionError as error:
            yield f"the state of {process} is not the fold of the journal: {error}"


def holds_hold(stage: Stage) -> Iterator[str]:
    """No start leaves for a machine that a person has held for a second."""
    for sent in stage.scene.witness.sent:
        if sent.held_since is not None and sent.at - sent.held_since > HOLD_REACHES:
            yield f"{_said(sent)}, which has been held since {sent.held_since:.2f} s"


def nothing_breaks_inside(stage: Stage) -> Iterator[str]:
    yield from stage.scene.witness.broken


PROMISES: tuple[Check, ...] = (
    started_in_order,
    healthy_was_true,
    one_order_per_attempt,
    intent_came_first,
    callouts_are_not_repeated,
    nobody_acts_without_the_lease,
    it_ends,
    nothing_is_forgotten,
    the_fold_is_the_state,
    holds_hold,
    nothing_breaks_inside,
)


def broken(stage: Stage) -> list[tuple[str, str]]:
    """Return each promise that was broken, with how."""
    return [(check.__name__, told) for check in PROMISES for told in check(stage)]


def _said(sent: Sent) -> str:
    return f"{sent.at:.2f} s: {sent.process} orders {sent.action} {sent.connector}/{sent.machine}"


def _machine(stage: Stage, step: Step) -> tuple[str, str] | None:
    if not isinstance(step.action, PowerOn):
        return None
    wanted = stage.scene.disaster.plan.steps.index(step)
    return next((key for key, n in stage.scene.number.items() if n == wanted), None)


def _truth_at(history: list[Truth], at: float) -> Truth | None:
    place = bisect_right(history, at, key=lambda truth: truth.at)
    return history[place - 1] if place else None


def _with_commits(stage: Stage) -> Iterator[tuple[int, ev.Event, Commit]]:
    commits = iter(stage.scene.disk.commits)
    commit = next(commits)
    for number, event in enumerate(stage.scene.disk.events, start=1):
        while number > commit.last:
            commit = next(commits)
        yield number, event, commit

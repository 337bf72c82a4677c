"""The state of a run: the left fold of its events, and nothing else.

The executor owns its state and `evolve` changes it in place: ten thousand machines would
otherwise be copied for each of their events. Purity here means no clock, no I/O, no hidden input.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from operator import neg
from typing import NamedTuple

from drorch.model.graph import Graph
from drorch.model.plan import Callout, Manual, OnFailure, Plan, PowerOn, Step
from drorch.ports.connector import Finding, Power
from drorch.run.events import RunApproved
from drorch.run.seen import CheckSeen
from drorch.run.status import (
    Ask,
    FailureKind,
    Mode,
    OrderKind,
    PaperResult,
    RunStatus,
    Scope,
    StepStatus,
)


class Level(NamedTuple):
    """How far a node has come, as those who depend on it see it.

    ``obstruct``: 0 nothing in the way, 1 it asks (or waits for one that asks), 2 for good.
    """

    started: bool = False
    satisfied: bool = False
    finished: bool = False
    obstruct: int = 0


class Bucket(NamedTuple):
    """Ready steps that share every limit wait in one queue."""

    slot: bool
    connector: str | None
    host: str | None
    group: str | None


class Priority(NamedTuple):
    """Who goes first: service tier, then the longest remaining chain, then plan order."""

    tier: int
    chain: float
    step: int


class Obstacle(NamedTuple):
    reason: str
    hint: str
    since: datetime


class ExternalSeen(NamedTuple):
    """What was last told of an external service, and since when; None: it cannot be asked.

    ``changed``: something else was told before, within this run.
    """

    healthy: bool | None
    evidence: str
    since: datetime
    changed: bool = False


class OnPaper(NamedTuple):
    """A tick of the printed runbook: when and by whom, as told; when and by whom entered."""

    result: PaperResult
    done_at: datetime
    done_by: str
    at: datetime
    by: str


@dataclass(slots=True)
class Doubt:
    """An order that may or may not have been received; ``crash`` when it was we who died."""

    crash: bool


@dataclass(slots=True)
class NodeCounts:
    """Unmet needs of a step, or unfinished members of a group, counted and never searched."""

    unstarted: int = 0
    unsatisfied: int = 0
    unfinished: int = 0
    soft: int = 0
    hard: int = 0


_STARTING, _VERIFYING = StepStatus.STARTING, StepStatus.VERIFYING


@dataclass(slots=True)
class StepState:
    status: StepStatus = StepStatus.PENDING
    attempt: int = 0
    spent: int = 0
    earlier: int = 0
    """Attempts that were spent before a person's retry gave it a fresh budget."""
    attempt_at: datetime | None = None
    order: OrderKind | None = None
    accepted: bool = False
    acted: bool = False
    """Its callout has been carried out: only its checks are tried again."""
    put_back: int = 0
    """How often in a row its order was not received."""
    doubt: Doubt | None = None
    handle: str = ""
    slot: Bucket | None = None
    queued: Bucket | None = None
    timer: datetime | None = None
    begun: bool = False
    ask: Ask | None = None
    question: str = ""
    assign: str | None = None
    asked_at: datetime | None = None
    overdue: bool = False
    power: Power = Power.UNKNOWN
    host: str | None = None
    machine: str | None = None
    outside: bool = False
    was_down: bool = False
    """Seen so in this run: it was ordered, started by another hand, or a check did not hold."""
    failure: FailureKind | None = None
    error: str = ""
    hint: str = ""
    checks: dict[str, tuple[CheckSeen, datetime]] = field(default_factory=dict)
    accepted_by: str = ""
    decided_by: str = ""
    comment: str = ""
    ticks: tuple[OnPaper, ...] = ()
    ready_at: datetime | None = None
    started_at: datetime | None = None
    running_at: datetime | None = None
    healthy_at: datetime | None = None
    ended_at: datetime | None = None

    @property
    def in_flight(self) -> bool:
        return self.status is _STARTING or self.status is _VERIFYING

    @property
    def from_paper(self) -> OnPaper | None:
        """The tick by which the step is as it is; None when something came after it."""
        if not self.ticks:
            return None
        told = self.ticks[-1]
        if told.result is PaperResult.DONE:
            stands = self.status is StepStatus.HEALTHY and self.healthy_at == told.at
        elif self.status is StepStatus.WAITING:
            stands = told.result is PaperResult.FAILED and self.asked_at == told.at
        else:
            wanted = StepStatus(told.result)
            stands = self.status is wanted and self.ended_at == told.at
        return told if stands else None


HALT = (Scope.SITE, "halt")
"""The obstacle that is there while drorch is halted."""
NOT_LOOKED_AT = "not looked at yet"
"""The reason of the obstacle that each connector is until its first reading."""


class RunState:
    """Everything that deciding needs, kept so that an event costs O(log n + its dependants)."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.graph = Graph(plan)
        self.run = ""
        self.mode = Mode.LIVE
        self.seq = 0
        self.requested_at: datetime | None = None
        self.requested_by = self.requested_as = ""
        """By name, and by identity."""
        self.reason = ""
        self.revision: int | None = None
        self.only: tuple[str, ...] = ()
        self.timezone = "UTC"
        self.driver = ""
        self.approve_by: datetime | None = None
        """Until then a second person has to approve; None when nobody has to, or has."""
        self.approval: RunApproved | None = None
        self.started_at: datetime | None = None
        self.ended_at: datetime | None = None
        self.ended: RunStatus | None = None
        self.imported = False
        """Here to be read only, as the store's list says; its events don't know."""
        self.paused = self.aborting = False
        self.findings: tuple[Finding, ...] = ()
        self.steps = [StepState() for _ in plan.steps]
        self.levels = [Level()] * self.graph.size
        self.needs = [NodeCounts() for _ in range(self.graph.size)]
        self.obstacles: dict[tuple[Scope, str], Obstacle] = {}
        self.externals: dict[str, ExternalSeen] = {}
        self.surveyed: set[str] = set()
        self.unconfirmed: set[int] = set()
        """Done by the paper, and their machines not looked at since."""
        self.timers: list[tuple[datetime, int]] = []
        self.buckets: dict[Bucket, list[Priority]] = {}
        self.slots: dict[tuple[str, str], int] = {}
        self.in_flight = 0
        self.unfinished = len(plan.steps)
        self.stopping: set[int] = set()
        self.dirty: set[int] = set()
        self.folding = False
        """While a journal is folded, queues and timers rest; they are made once, at its end."""
        self.group_limit = {g.id: g.parallel for g in plan.groups if g.parallel is not None}
        self.machines = [step.machine for step in plan.steps]
        self.places = _places(plan)
        self.priorities = _priorities(self.graph, len(plan.steps))

    def index(self, step: str) -> int:
        """Return the number of the step called *step*; raises KeyError for groups and others."""
        number = self.graph.index[step]
        if number >= len(self.steps):
            raise KeyError(step)
        return number

    def step(self, number: int) -> Step:
        return self.plan.steps[number]

    @property
    def is_over(self) -> bool:
        return self.ended is not None

    @property
    def status(self) -> RunStatus:
        """The run's status as people see it; ``waiting`` is derived, not recorded."""
        if self.ended is not None:
            return self.ended
        if self.imported:
            return RunStatus.IMPORTED
        if self.approve_by is not None and not self.aborting:
            return RunStatus.AWAITING_APPROVAL
        if self.paused:
            return RunStatus.PAUSED
        return RunStatus.WAITING if self._waits_for_people() else RunStatus.RUNNING

    def _waits_for_people(self) -> bool:
        """Nothing acts, nothing could start by itself, and somebody is asked."""
        if self.aborting:
            return False
        asked, halted = False, HALT in self.obstacles
        for number, state in enumerate(self.steps):
            # Started outside before its needs: nothing limits how long it may be verified.
            if state.in_flight and state.timer is not None:
                return False
            held = self.held(number) or (halted and state.status is StepStatus.READY)
            if state.status is StepStatus.READY and not held:
                return False
            asked = asked or state.status is StepStatus.WAITING or held
        return asked

    def held(self, number: int) -> bool:
        """Tell whether a person's hold keeps this step's machine off."""
        if self.steps[number].status is not StepStatus.READY:
            return False
        return (Scope.MACHINE, self.step(number).id) in self.obstacles

    def obstacle(self, number: int) -> Obstacle | None:
        """Return what keeps this step's machine from being started, if anything does."""
        step, state = self.step(number), self.steps[number]
        if not self.obstacles or not takes_slot(step):
            return None
        if HALT in self.obstacles or step.machine is None:
            return self.obstacles.get(HALT)
        connector = step.machine.connector
        keys = [(Scope.MACHINE, step.id), (Scope.CONNECTOR, connector)]
        if state.host is not None:
            keys.append((Scope.HOST, host_key(connector, state.host)))
        return next((self.obstacles[k] for k in keys if k in self.obstacles), None)

    def bucket(self, number: int) -> Bucket:
        """Return the queue in which this step waits when it is ready."""
        place, host = self.places[number], self.steps[number].host
        if host is None or place.connector is None:
            return place
        return _bucket((place.slot, place.connector, host, place.group))


_bucket: Callable[[tuple[bool, str | None, str | None, str | None]], Bucket] = partial(
    tuple.__new__, Bucket
)
"""The type's own constructor takes four times as long."""


def _places(plan: Plan) -> list[Bucket]:
    """Return the queue of each step; equal ones are one object."""
    kinds: dict[Bucket, Bucket] = {}
    return [kinds.setdefault(place, place) for place in map(_place, plan.steps)]


def _priorities(graph: Graph, steps: int) -> list[Priority]:
    # Not strict: groups come after the steps, and have no place of their own.
    ranks = zip(graph.tier, map(neg, graph.chain), range(steps), strict=False)
    return list(map(partial(tuple.__new__, Priority), ranks))


def _place(step: Step) -> Bucket:
    """Return the queue of a step whose host is not known."""
    action = step.action
    if isinstance(action, PowerOn):
        return _bucket((True, action.machine.connector, None, step.group))
    if not takes_slot(step):
        return Bucket(slot=False, connector=None, host=None, group=None)
    return Bucket(slot=True, connector=None, host=None, group=step.group)


def host_key(connector: str, host: str) -> str:
    """Return the key of a host obstacle."""
    return f"{connector}/{host}"


_ACTING = (PowerOn, Callout)


def takes_slot(step: Step) -> bool:
    """Gates, waits and questions take no slot; machines and callouts do."""
    return isinstance(step.action, _ACTING)


def is_question(step: Step) -> bool:
    return isinstance(step.action, Manual)


def goes_on_failed(step: Step) -> bool:
    """Tell whether dependants go on although the step failed."""
    return step.on_failure is OnFailure.CONTINUE

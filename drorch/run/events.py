"""Every fact a run can record: past tense, frozen, append-only, never renamed.

A change of meaning is a new event or a new version in ``drorch.journal.codec``. ``by`` is the
person behind a decision. Times are UTC.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from datetime import datetime
from typing import ClassVar, TypeAlias

from drorch.model.plan import Plan
from drorch.model.value import value
from drorch.ports.connector import Finding
from drorch.run.facts import Fact
from drorch.run.facts import StepFact as StepFact  # noqa: PLC0414 (one place for all events)
from drorch.run.facts import StepOnPaper as StepOnPaper  # noqa: PLC0414
from drorch.run.seen import CheckSeen, Seen
from drorch.run.status import Ask, FailureKind, Mode, OrderKind, RunStatus, Scope


@value
class RunRequested(Fact):
    """The whole plan travels here: editing the file never changes a run."""

    type: ClassVar[str] = "run.requested"
    run: str
    plan: Plan
    mode: Mode
    by: str
    reason: str = ""
    revision: int | None = None
    only: tuple[str, ...] = ()
    timezone: str = "UTC"
    """Where the plan's opening hours are meant."""
    identity: str = ""
    """Who *by* is, in the words that tell two of one name apart."""
    approve_by: datetime | None = None
    """Nothing begins before a second person has approved it, and that has to be until then."""


@value
class RunApproved(Fact):
    """``digest`` is of what was approved. With ``break_glass`` one person did it alone: why."""

    type: ClassVar[str] = "run.approved"
    by: str
    identity: str
    digest: str
    comment: str = ""
    break_glass: str = ""


@value
class RunStarted(Fact):
    type: ClassVar[str] = "run.started"
    driver: str = ""


@value
class RunAdopted(Fact):
    """Another process carries on; deadlines begin again in full, open orders are in doubt."""

    type: ClassVar[str] = "run.adopted"
    driver: str


@value
class RunPaused(Fact):
    type: ClassVar[str] = "run.paused"
    by: str
    comment: str = ""


@value
class RunResumed(Fact):
    type: ClassVar[str] = "run.resumed"
    by: str
    comment: str = ""


@value
class RunAbortRequested(Fact):
    type: ClassVar[str] = "run.abort-requested"
    by: str
    comment: str = ""


@value
class RunEnded(Fact):
    type: ClassVar[str] = "run.ended"
    status: RunStatus


@value
class FindingsReported(Fact):
    """What the preflight, or a dry run, noticed."""

    type: ClassVar[str] = "run.findings"
    findings: tuple[Finding, ...]


@value
class StepsExamined(Fact):
    """A dry run's verdict, by step: its error, or why it could not be looked at; others can."""

    type: ClassVar[str] = "steps.examined"
    errors: Mapping[str, str]
    unexamined: Mapping[str, str] = field(default_factory=dict)


@value
class MachinesObserved(Fact):
    """Changes seen by one bulk reading, by step."""

    type: ClassVar[str] = "machines.observed"
    connector: str
    machines: Mapping[str, Seen]


@value
class ObstacleFound(Fact):
    """Nothing starts behind it until it is gone; ``key`` names connector, host or step."""

    type: ClassVar[str] = "obstacle.found"
    scope: Scope
    key: str
    reason: str
    hint: str = ""


@value
class ObstacleGone(Fact):
    type: ClassVar[str] = "obstacle.gone"
    scope: Scope
    key: str


@value
class ServiceSeen(Fact):
    """An external service came up or went down; ``healthy`` None: it cannot be asked from here."""

    type: ClassVar[str] = "service.seen"
    service: str
    healthy: bool | None
    evidence: str


@value
class StepsCancelled(Fact):
    type: ClassVar[str] = "steps.cancelled"
    steps: tuple[str, ...]


@value
class StepStarted(StepFact):
    """The intent: durable before anything is called. ``until`` is the attempt's deadline."""

    type: ClassVar[str] = "step.started"
    attempt: int
    order: OrderKind
    until: datetime


@value
class StepPutBack(StepFact):
    """Nothing was received: the attempt is not spent."""

    type: ClassVar[str] = "step.put-back"
    attempt: int
    reason: str
    retry_at: datetime
    hint: str = ""


@value
class OrderAccepted(StepFact):
    """``handle`` finds the hypervisor's task again; ``already`` means that none was needed."""

    type: ClassVar[str] = "order.accepted"
    attempt: int
    handle: str = ""
    already: bool = False


@value
class OrderInDoubt(StepFact):
    """An order was sent and no answer came: look before anything else."""

    type: ClassVar[str] = "order.in-doubt"
    attempt: int
    reason: str


@value
class OrderVoided(StepFact):
    """The look found no trace of the order: its attempt number is never used again.

    ``spent`` False gives the attempt back: our own crash is not the machine's fault.
    """

    type: ClassVar[str] = "order.voided"
    attempt: int
    reason: str
    retry_at: datetime
    spent: bool


@value
class MachineStopped(StepFact):
    """Of a restart: it is off, and the order to start it follows (this is its intent)."""

    type: ClassVar[str] = "machine.stopped"
    attempt: int
    until: datetime


@value
class MachineRunning(StepFact):
    type: ClassVar[str] = "machine.running"
    attempt: int
    until: datetime
    host: str | None = None


@value
class MachineFound(StepFact):
    """It runs without an order of ours; ``outside`` when somebody started it during the run."""

    type: ClassVar[str] = "machine.found"
    outside: bool


@value
class MachineLost(StepFact):
    """It was healthy and does not run any more."""

    type: ClassVar[str] = "machine.lost"
    detail: str


@value
class ActionDone(StepFact):
    """A callout returned, a wait is over, a person approved: its checks come next."""

    type: ClassVar[str] = "action.done"
    attempt: int
    until: datetime
    evidence: str = ""
    by: str = ""


@value
class CheckChanged(StepFact):
    """Changes are recorded, not polls."""

    type: ClassVar[str] = "check.changed"
    attempt: int
    check: str
    healthy: bool
    evidence: str


@value
class StepHealthy(StepFact):
    type: ClassVar[str] = "step.healthy"
    attempt: int
    checks: Mapping[str, CheckSeen] = field(default_factory=dict)


@value
class AttemptFailed(StepFact):
    """``retry_at`` None: no attempt is left, the policy follows."""

    type: ClassVar[str] = "attempt.failed"
    attempt: int
    kind: FailureKind
    detail: str
    hint: str = ""
    retry_at: datetime | None = None


@value
class RetryDue(StepFact):
    type: ClassVar[str] = "retry.due"


@value
class DeadlineMoved(StepFact):
    """Its hypervisor is away: the time does not count."""

    type: ClassVar[str] = "deadline.moved"
    until: datetime


@value
class StepAsked(StepFact):
    """A person must act; ``overdue_at`` is when they are told again."""

    type: ClassVar[str] = "step.asked"
    ask: Ask
    question: str = ""
    assign: str | None = None
    overdue_at: datetime | None = None


@value
class AnswerOverdue(StepFact):
    type: ClassVar[str] = "answer.overdue"
    overdue_at: datetime


@value
class StepFailed(StepFact):
    """Final. ``by`` when a person said no."""

    type: ClassVar[str] = "step.failed"
    kind: FailureKind
    detail: str
    by: str = ""
    comment: str = ""


@value
class StepRetried(StepFact):
    """A person gave it a fresh budget."""

    type: ClassVar[str] = "step.retried"
    by: str
    comment: str = ""


@value
class StepSkipped(StepFact):
    type: ClassVar[str] = "step.skipped"
    by: str
    comment: str = ""


@value
class StepAccepted(StepFact):
    """A person vouches for it."""

    type: ClassVar[str] = "step.accepted"
    by: str
    comment: str = ""


RunEvent: TypeAlias = (
    RunRequested
    | RunApproved
    | RunStarted
    | RunAdopted
    | RunPaused
    | RunResumed
    | RunAbortRequested
    | RunEnded
    | FindingsReported
    | StepsExamined
    | MachinesObserved
    | ObstacleFound
    | ObstacleGone
    | ServiceSeen
    | StepsCancelled
)
StepEvent: TypeAlias = (
    StepStarted
    | StepPutBack
    | OrderAccepted
    | OrderInDoubt
    | OrderVoided
    | MachineStopped
    | MachineRunning
    | MachineFound
    | MachineLost
    | ActionDone
    | CheckChanged
    | StepHealthy
    | AttemptFailed
    | RetryDue
    | DeadlineMoved
    | StepAsked
    | AnswerOverdue
    | StepFailed
    | StepRetried
    | StepSkipped
    | StepAccepted
    | StepOnPaper
)
Event: TypeAlias = RunEvent | StepEvent

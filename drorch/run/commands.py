"""What may be asked of a run, by people and by reports from the outside; may be refused.

Reports name the attempt that they belong to: one about an attempt left behind changes nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from datetime import datetime
from typing import TypeAlias

from drorch.model.value import value
from drorch.ports.connector import Finding
from drorch.run.seen import CheckSeen, Seen
from drorch.run.status import FailureKind, PaperResult, Scope


@value
class Start:
    driver: str


@value
class Adopt:
    driver: str


@value
class Advance:
    """Do what is due now: expire deadlines, begin ready steps, end the run.

    One call may leave more to do; repeat until it returns no events.
    """


@value
class _ByPerson:
    by: str
    comment: str = ""


@value
class Pause(_ByPerson): ...


@value
class Resume(_ByPerson): ...


@value
class Abort(_ByPerson): ...


@value
class ApproveRun(_ByPerson):
    """A second person's yes to what *digest* stands for; with *break_glass* anybody's."""

    identity: str
    digest: str
    break_glass: str = ""


@value
class _StepByPerson(_ByPerson):
    step: str


@value
class Approve(_StepByPerson): ...


@value
class Reject(_StepByPerson): ...


@value
class Retry(_StepByPerson): ...


@value
class Skip(_StepByPerson): ...


@value
class Accept(_StepByPerson): ...


@value
class Paper(_StepByPerson):
    """What *done_by* noted on the printed runbook at *done_at*; *by* enters it now."""

    done_at: datetime
    done_by: str
    result: PaperResult = PaperResult.DONE


@value
class ReportFindings:
    findings: tuple[Finding, ...]


@value
class ReportExamined:
    errors: Mapping[str, str]
    unexamined: Mapping[str, str] = field(default_factory=dict)


@value
class ReportMachines:
    """Changes seen by one bulk reading; ``first`` when the run had not looked before."""

    connector: str
    machines: Mapping[str, Seen]


@value
class ReportObstacle:
    scope: Scope
    key: str
    reason: str
    hint: str = ""


@value
class ReportObstacleGone:
    scope: Scope
    key: str


@value
class ReportService:
    """What an external service's checks say now; None: they cannot be carried out here."""

    service: str
    healthy: bool | None
    evidence: str


@value
class StepReport:
    """What all reports about one attempt of one step have."""

    step: str
    attempt: int


@value
class ReportAccepted(StepReport):
    handle: str = ""
    already: bool = False


@value
class ReportInDoubt(StepReport):
    reason: str


@value
class ReportVoid(StepReport):
    """A look after a doubt found the machine off and no trace of an order."""

    reason: str


@value
class ReportUnavailable(StepReport):
    """The order was certainly not received, because of the obstacle that is named."""

    scope: Scope
    key: str
    reason: str
    hint: str = ""


@value
class ReportStopped(StepReport): ...


@value
class ReportRunning(StepReport):
    host: str | None = None


@value
class ReportActionDone(StepReport):
    evidence: str = ""


@value
class ReportCheck(StepReport):
    check: str
    healthy: bool
    evidence: str


@value
class ReportVerified(StepReport):
    checks: Mapping[str, CheckSeen] = field(default_factory=dict)


@value
class ReportFailure(StepReport):
    """``retryable`` False: the same again will fail again, so no attempt is wasted on it."""

    kind: FailureKind
    detail: str
    hint: str = ""
    retryable: bool = True


StepDecision: TypeAlias = Approve | Reject | Retry | Skip | Accept
Decision: TypeAlias = (
    Pause | Resume | Abort | ApproveRun | Approve | Reject | Retry | Skip | Accept | Paper
)
Report: TypeAlias = (
    ReportFindings
    | ReportExamined
    | ReportMachines
    | ReportObstacle
    | ReportObstacleGone
    | ReportService
    | ReportAccepted
    | ReportInDoubt
    | ReportVoid
    | ReportUnavailable
    | ReportStopped
    | ReportRunning
    | ReportActionDone
    | ReportCheck
    | ReportVerified
    | ReportFailure
)
Command: TypeAlias = Start | Adopt | Advance | Decision | Report

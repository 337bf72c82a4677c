"""What may be asked of a run, by people and by reports from the outside; may be refused.

Reports name the attempt that they belong to: one about an attempt left behind changes nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeAlias

from drorch.ports.connector import Finding
from drorch.run.seen import CheckSeen, Seen
from drorch.run.status import FailureKind, PaperResult, Scope


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    driver: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Adopt:
    driver: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Advance:
    """Do what is due now: expire deadlines, begin ready steps, end the run.

    One call may leave more to do; repeat until it returns no events.
    """


@dataclass(frozen=True, slots=True, kw_only=True)
class _ByPerson:
    by: str
    comment: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pause(_ByPerson): ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Resume(_ByPerson): ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Abort(_ByPerson): ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ApproveRun(_ByPerson):
    """A second person's yes to what *digest* stands for; with *break_glass* anybody's."""

    identity: str
    digest: str
    break_glass: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class _StepByPerson(_ByPerson):
    step: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Approve(_StepByPerson): ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Reject(_StepByPerson): ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Retry(_StepByPerson): ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Skip(_StepByPerson): ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Accept(_StepByPerson): ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Paper(_StepByPerson):
    """What *done_by* noted on the printed runbook at *done_at*; *by* enters it now."""

    done_at: datetime
    done_by: str
    result: PaperResult = PaperResult.DONE


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportFindings:
    findings: tuple[Finding, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportExamined:
    errors: Mapping[str, str]
    unexamined: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportMachines:
    """Changes seen by one bulk reading; ``first`` when the run had not looked before."""

    connector: str
    machines: Mapping[str, Seen]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportObstacle:
    scope: Scope
    key: str
    reason: str
    hint: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportObstacleGone:
    scope: Scope
    key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportService:
    """What an external service's checks say now; None: they cannot be carried out here."""

    service: str
    healthy: bool | None
    evidence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Report:
    step: str
    attempt: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportAccepted(_Report):
    handle: str = ""
    already: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportInDoubt(_Report):
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportVoid(_Report):
    """A look after a doubt found the machine off and no trace of an order."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportUnavailable(_Report):
    """The order was certainly not received, because of the obstacle that is named."""

    scope: Scope
    key: str
    reason: str
    hint: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportStopped(_Report): ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportRunning(_Report):
    host: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportActionDone(_Report):
    evidence: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportCheck(_Report):
    check: str
    healthy: bool
    evidence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportVerified(_Report):
    checks: Mapping[str, CheckSeen] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportFailure(_Report):
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

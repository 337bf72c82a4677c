"""Runs, steps, events and decisions over HTTP."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, AwareDatetime, Field

from api.schemas.access import Notice
from api.schemas.common import By, In, Out, PersonName, PersonText
from drorch.run.status import Mode, PaperResult, RunStatus, StepStatus


class RunRequest(In):
    """A run that somebody wants."""

    plan: str = Field(min_length=1, max_length=63, description="The id of a stored plan.")
    mode: Literal["live", "dry-run", "simulate"] = "dry-run"
    revision: int | None = Field(
        default=None, ge=1, le=1_000_000_000, description="The newest unless said."
    )
    reason: PersonText = ""
    only: list[Annotated[str, Field(max_length=63)]] = Field(
        default=[], max_length=2000, description="Steps, groups, services: they and their needs."
    )
    confirm: str | None = Field(
        default=None, max_length=63, description="The plan's id; a live run needs it."
    )
    break_glass: PersonText = Field(
        default="",
        description="Why one person starts a live run alone where the policy wants two; "
        "recorded loudly.",
    )
    by: By = ""


class Decide(In):
    """A person's decision."""

    comment: PersonText = ""
    by: By = ""


class ApproveRun(Decide):
    """``digest`` is that of the run as you have seen it; another one is refused."""

    digest: str = Field(default="", max_length=64, pattern="^([0-9a-f]{64})?$")
    break_glass: PersonText = Field(
        default="", description="Why one person has to do it alone; recorded loudly."
    )


class Decided(Out):
    """``taken`` False: recorded, and it takes effect when a process drives the run."""

    run: str
    step: str | None
    decision: str
    taken: bool
    by: str
    comment: str


def _within_reach(at: datetime) -> datetime:
    """Refuse years that no calendar of ours can turn into another zone."""
    if not 2000 <= at.year < 2200:
        raise ValueError("this is not a time of our days")
    return at.astimezone(UTC).replace(microsecond=0)  # a paper has no fractions


class PaperTick(In):
    """What stands on the printed runbook beside a step.

    ``by`` is whose name or initials stand there: whoever enters it, if nobody's.
    """

    done_at: Annotated[AwareDatetime, AfterValidator(_within_reach)] = Field(
        description="When, as the paper says; to the minute will do."
    )
    by: PersonName = ""
    result: PaperResult = PaperResult.DONE
    comment: PersonText = ""


class Ticked(Decided):
    """A tick as it was taken; ``by`` has entered it, ``done_by`` stands on the paper."""

    done_at: str
    done_by: str
    result: PaperResult


class FromPaper(Out):
    """The tick by which a step is as it is; ``done_at`` is told, ``entered_at`` recorded."""

    result: PaperResult
    done_at: str
    by: str
    entered_by: str
    entered_at: str


class Counts(Out):
    pending: int
    ready: int
    starting: int
    verifying: int
    healthy: int
    failed: int
    waiting: int
    blocked: int
    skipped: int
    cancelled: int


class OpenBy(Out):
    """The opening that a service has to be back for; ``at`` is its moment, null without a run.

    ``met`` is null while it still can be: compare ``at`` with the present.
    """

    time: str
    days: list[str]
    closed: list[str]
    at: str | None
    met: bool | None


class Eta(Out):
    """Moments that one, five and nine of ten forecasts stay below."""

    p10: str
    p50: str
    p90: str


class RunService(Out):
    """A service as a run or the plans know it; ``rto`` and ``rta`` in seconds.

    ``eta`` is when it is up, while a live run brings it up and nothing of it is stuck.
    ``evidence`` is what was seen last of one that nobody restores; ``since``: it is so from then.
    """

    id: str
    title: dict[str, str]
    state: Literal["up", "restoring", "down", "not_affected", "unknown"]
    tier: int
    eta: Eta | None = None
    rto: float | None
    rta: float | None
    met: bool | None
    up_at: str | None
    open_by: OpenBy | None
    external: bool
    evidence: str | None
    since: str | None
    plan: str
    run: str | None


class ServiceShown(RunService):
    """``state`` is what a person says in ``notice``, else ``derived_state``: what drorch sees.

    ``known_by`` tells from where; ``seen_at`` is when it was looked at last, outside of a run.
    """

    known_by: Literal["run", "sighting", "ended_run", "nothing"]
    seen_at: str | None
    derived_state: Literal["up", "restoring", "down", "not_affected", "unknown"]
    notice: Notice | None


class Services(Out):
    items: list[ServiceShown]
    next: str | None


class Finding(Out):
    severity: str
    code: str
    step: str | None
    machine: str | None
    message: str
    hint: str
    outdated: bool


class Examined(Out):
    """What a dry run has seen: of how many ``machines`` it can tell something."""

    machines: int
    seen: int


class EtaBasis(Out):
    """On what the forecast of ``at`` stands.

    ``runs`` earlier runs of the plan taught it; of the steps that are left, ``learned`` are known
    by them and ``guessed`` by the plan's ``expect``. ``answers`` of people are taken to come as
    they came earlier, or after ``expect``. ``assumes``: what is in the way and taken to end now.
    ``incomplete``: ``left_out`` steps do not come up without a decision, or at all. The end waits
    for the ``critical_path``.
    """

    at: str
    runs: int
    learned: int
    guessed: int
    answers: int
    assumes: list[str]
    incomplete: bool
    left_out: int
    critical_path: list[str]


class RunApproval(Out):
    """That a second person has to approve the run ``until`` then, or who has.

    ``digest`` is what an approval is bound to. ``break_glass`` is why one person did it alone.
    """

    until: str | None
    digest: str
    asked_by: str
    approved_by: str | None
    break_glass: str | None


class Run(Out):
    """``simulated``: every machine of it is on a simulated hypervisor, nothing real is touched.

    ``eta`` is when it ends if nothing more fails; null before it begins, in runs that touch
    nothing, and for a moment after somebody first looks at a large run. ``examined`` is that of a
    dry run that has ended.

    ``driven``: a living process drives it; an open run without one stands still.
    ``recorded_at`` is when its last event was recorded.
    """

    id: str
    plan: str
    revision: int | None
    mode: Mode
    status: RunStatus
    reason: str
    created_at: str
    started_at: str | None
    ended_at: str | None
    counts: Counts
    eta: Eta | None
    simulated: bool
    eta_basis: EtaBasis | None
    examined: Examined | None
    rto: dict[str, Any] | None
    services: list[RunService]
    started_by: str
    driver: str
    driven: bool
    recorded_at: str | None
    timezone: str
    approval: RunApproval | None
    findings: list[Finding]


class Runs(Out):
    items: list[Run]
    next: str | None


class Check(Out):
    kind: str
    name: str
    healthy: bool | None
    evidence: str | None
    at: str | None


class Step(Out):
    """``attempt`` numbers the orders and only rises; ``tries`` counts those of this budget.

    ``tries_before`` were spent before a person's retry. ``examined``: what a dry run says of it.
    """

    id: str
    title: str
    action: str
    status: StepStatus
    examined: str | None
    waits_for: str
    attempt: int
    attempts: int
    tries: int
    tries_before: int
    depends_on: list[dict[str, str]]
    connector: str | None
    vm: str | None
    host: str | None
    ready_at: str | None
    started_at: str | None
    running_at: str | None
    healthy_at: str | None
    ended_at: str | None
    error: str | None
    who: dict[str, str] | None
    from_paper: FromPaper | None
    checks: list[Check]


class Steps(Out):
    items: list[Step]
    next: str | None


class Event(Out):
    seq: int
    at: str
    type: str
    step: str | None
    actor: str
    data: dict[str, Any]


MESSAGE: Mapping[str, Any] = {
    "type": "object",
    "description": "Each message of the stream; `data` is an event as JSON.",
    "properties": {
        "id": {"type": "string", "description": "Where to resume: send it as Last-Event-ID."},
        "event": {"type": "string", "description": "`clock` for a heartbeat; an event has none."},
        "data": {"type": "string"},
    },
}


class Events(Out):
    """``next`` is null when nothing more was recorded yet; ask again with ``after``."""

    items: list[Event]
    next: str | None

"""The after-action report over HTTP. Seconds everywhere, moments in RFC 3339, English words."""

from __future__ import annotations

from typing import Any

from api.schemas.common import Out
from api.schemas.runs import Step


class ReportService(Out):
    """A service against its objective, in seconds; ``met`` is null where nobody measures.

    ``earlier`` has its ``rta_s`` in each run of the report's ``earlier``.
    """

    id: str
    rto_s: float | None
    rta_s: float | None
    met: bool | None
    earlier: list[dict[str, Any]]


class ReportStep(Step):
    """A step with where its time went, in seconds.

    ``boot_s`` and ``verify_s`` are from the first order to running, and from running to healthy;
    ``acting_s`` and ``checking_s`` leave out what was waited in between.
    """

    queued_s: float | None
    boot_s: float | None
    verify_s: float | None
    took_s: float | None
    expected_s: float
    acting_s: float
    checking_s: float
    people_s: float
    vendors_s: float
    retries_s: float
    contact: str | None


class Waiting(Out):
    """Where time went, in seconds summed over the steps; they overlap each other."""

    people_s: float
    vendors_s: float
    machines_s: float
    retries_s: float


class Clock(Out):
    """The same on the wall clock, within the ``run_s`` of the run.

    ``at_least_one``: how long at least one step waited for this. ``only``: each moment counted
    once, for the first that applies of machines, retries, vendors, people, held, other.
    """

    run_s: float
    at_least_one: dict[str, float]
    only: dict[str, float]


class WaitedFor(Out):
    """Somebody who was waited for; ``kind`` is people or vendors."""

    contact: str
    name: str
    kind: str
    times: int
    summed_s: float
    clock_s: float
    longest_s: float
    steps: list[str]


class OnCriticalPath(Out):
    """A link of the chain that determined the end; its parts add up to ``took_s``."""

    step: str
    took_s: float | None
    title: str
    ready_at: str | None
    done_at: str | None
    queued_s: float
    boot_s: float
    verify_s: float
    people_s: float
    vendors_s: float
    retries_s: float


class Act(Out):
    """What a person did: ``did`` is one word of a closed list."""

    seq: int
    at: str
    did: str
    by: str
    step: str | None
    comment: str


class Failure(Out):
    """A step that failed at least once.

    ``solved`` is retry, person-retry, accepted, skipped, outside or open.
    """

    step: str
    began_at: str
    ended_at: str | None
    took_s: float | None
    times: int
    detail: str
    solved: str
    by: str
    comment: str


class Difference(Out):
    """Where the run went otherwise than its plan: ``kind`` is one word of a closed list."""

    step: str
    kind: str
    values: dict[str, str]


class Proposal(Out):
    """What the plan could learn from this run; ``yaml`` can be merged into it as it stands."""

    step: str
    key: str
    value: str
    reason: str
    kind: str
    values: dict[str, str]
    yaml: str


class ClockGap(Out):
    """Durations across this record are not to be relied on; ``kind`` is back or away."""

    seq: int
    at: str
    seconds: float
    kind: str


class Report(Out):
    """What happened: what was back when, who did what, and where the time went.

    ``charts`` are bounded: above 200 steps their rows are groups or parts of the plan. ``record``
    ties the report to the journal (its events' SHA-256) and to the record of acts.
    """

    run: dict[str, Any]
    summary: dict[str, Any]
    services: list[ReportService]
    steps: list[ReportStep]
    waiting: Waiting
    clock: Clock
    contacts: list[WaitedFor]
    critical_path: list[OnCriticalPath]
    acts: list[Act]
    manual: list[dict[str, Any]]
    failures: list[Failure]
    timeline: list[dict[str, Any]]
    differences: list[Difference]
    proposals: list[Proposal]
    earlier: list[dict[str, Any]]
    charts: dict[str, Any]
    clock_gaps: list[ClockGap]
    as_of: str
    record: dict[str, Any] | None

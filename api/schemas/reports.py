"""The after-action report over HTTP."""

from __future__ import annotations

from typing import Any

from api.schemas.common import Out
from api.schemas.runs import Step


class ReportService(Out):
    """A service against its objective, in seconds; ``met`` is null where nobody measures."""

    id: str
    rto_s: float | None
    rta_s: float | None
    met: bool | None


class ReportStep(Step):
    """A step with where its time went, in seconds."""

    queued_s: float | None
    boot_s: float | None
    verify_s: float | None
    took_s: float | None
    expected_s: float


class Waiting(Out):
    """Where time went, in seconds summed over the steps; they overlap each other."""

    people_s: float
    vendors_s: float
    machines_s: float
    retries_s: float


class OnCriticalPath(Out):
    step: str
    took_s: float | None


class Proposal(Out):
    """What the plan could learn from this run."""

    step: str
    key: str
    value: str
    reason: str


class Report(Out):
    """What happened: what was back when, and where the time went."""

    run: dict[str, Any]
    summary: dict[str, Any]
    services: list[ReportService]
    steps: list[ReportStep]
    waiting: Waiting
    critical_path: list[OnCriticalPath]
    timeline: list[dict[str, Any]]
    proposals: list[Proposal]

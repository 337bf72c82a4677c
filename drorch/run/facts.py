"""What every event has, and the event that tells of another time than its own."""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar

from drorch.model.value import value
from drorch.run.status import PaperResult


@value
class Fact:
    at: datetime


@value
class StepFact(Fact):
    """What all facts about one step have."""

    step: str


@value
class StepOnPaper(StepFact):
    """A tick of the printed runbook, entered by ``by`` at ``at``.

    ``done_at`` and ``done_by`` are what the paper says; nothing vouches for that but ``by``.
    """

    type: ClassVar[str] = "step.on-paper"
    by: str
    done_at: datetime
    done_by: str
    result: PaperResult
    comment: str = ""

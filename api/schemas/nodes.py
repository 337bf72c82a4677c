"""Orchestrators over HTTP."""

from __future__ import annotations

from pydantic import Field

from api.schemas.common import Out


class Orchestrator(Out):
    """A process that drives runs of this journal. What is null is not known of a ``drorch run``."""

    name: str = Field(description="Host and process id, as in `driver` of a run.")
    site: str | None = Field(description="Stays the same over restarts of a service.")
    address: str | None = Field(description="Where its pages are, as its own host calls itself.")
    version: str | None
    alive: bool
    silent_s: float | None = Field(description="Seconds since it was last heard of.")
    started_at: str | None
    drives: list[str] = Field(description="The open runs that it drives now.")
    note: str = Field(description="What it has to say of itself; empty when all is well.")


class Orchestrators(Out):
    items: list[Orchestrator]
    next: str | None

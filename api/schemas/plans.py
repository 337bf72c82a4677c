"""Plans over HTTP."""

from __future__ import annotations

from pydantic import Field

from api.schemas.common import Out, PlanProblem


class PlanStored(Out):
    """A revision that was stored, or that was there already with the same content."""

    plan: str
    revision: int
    digest: str
    title: str
    steps: int
    signed_by: str | None = Field(
        default=None, description="Who signed it, by [policy] allowed_signers."
    )
    warnings: list[PlanProblem]


class PlanValid(Out):
    """A plan that could be stored; ``warnings`` are legal but unwise."""

    plan: str
    title: str
    steps: int
    digest: str
    warnings: list[PlanProblem]


class PlanSummary(Out):
    id: str
    title: str
    revision: int
    digest: str
    created_at: str
    steps: int
    services: int
    expected_s: float


class Plans(Out):
    items: list[PlanSummary]
    next: str | None


class Revision(Out):
    plan: str
    revision: int
    digest: str
    created_at: str


class RevisionSource(Revision):
    source: str


class PlanDetail(PlanSummary):
    source: str


class Revisions(Out):
    items: list[Revision]
    next: str | None


class GraphNode(Out):
    """A step or a group; times are expected ones, in seconds."""

    id: str
    title: str
    kind: str
    group: str | None
    tier: int
    wave: int | None
    expected_s: float
    chain_s: float
    critical: bool


class GraphEdge(Out):
    """``source`` has to have come as far as ``when`` before ``target`` may begin."""

    source: str
    target: str
    when: str


class PlanGraph(Out):
    plan: str
    revision: int
    nodes: list[GraphNode]
    edges: list[GraphEdge]
    waves: list[list[str]]
    critical_path: list[str]
    expected_s: float

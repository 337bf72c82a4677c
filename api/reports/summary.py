"""A run in a few numbers: what `api.reports.plain` says in words."""

from __future__ import annotations

from collections.abc import Sequence

from api.reports.measures import Json, between
from drorch.run.state import RunState
from drorch.run.views import counts
from drorch.run.words import stamp

_MOST = 5


def summary(state: RunState, services: Sequence[Json], failed: Sequence[Json]) -> Json:
    """Return the figures of the summary."""
    goals = [s for s in services if s["met"] is not None]
    openings = [s["open_by"]["met"] for s in services if s["open_by"]]
    ours = [s for s in services if not s["external"]]
    return {
        "status": state.status,
        "mode": state.mode,
        "took_s": between(state.started_at, state.ended_at),
        "rto_s": state.plan.rto.total_seconds() if state.plan.rto else None,
        "counts": counts(state),
        "machines": sum(step.machine is not None for step in state.plan.steps),
        "attempts": sum(own.earlier + own.spent for own in state.steps),
        "services": len(ours),
        "services_back": sum(s["up_at"] is not None for s in ours),
        "services_met": sum(bool(s["met"]) for s in goals),
        "services_with_rto": len(goals),
        "openings_missed": sum(met is False for met in openings),
        "openings": sum(met is not None for met in openings),
        "failures": len(failed),
        "failures_open": sum(one["solved"] == "open" for one in failed),
        "accepted_by_hand": [
            {"step": state.step(n).id, "by": own.accepted_by, "comment": own.comment}
            | {"on_paper_at": stamp(own.from_paper.done_at) if own.from_paper else None}
            for n, own in enumerate(state.steps)
            if own.accepted_by
        ],
        "approval_s": _waited_for_approval(state),
    }


def _waited_for_approval(state: RunState) -> float | None:
    """Return how long the run waited for somebody's approval; None where nobody was asked."""
    if state.approval is None and state.approve_by is None:
        return None
    given = state.approval.at if state.approval else state.started_at or state.ended_at
    return between(state.requested_at, given)

"""Services against their objectives, their openings, and what earlier runs of the plan took."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from api.reports.measures import Json, between
from drorch.model.plan import Service
from drorch.run.services import met_by, open_by_json, service_up_at, service_up_on_paper
from drorch.run.state import RunState
from drorch.run.status import Mode
from drorch.run.words import stamp


@dataclass(frozen=True, slots=True, kw_only=True)
class Earlier:
    """An earlier run of the plan, to compare with: seconds until each service was back."""

    run: str
    mode: Mode
    revision: int | None
    began: datetime | None
    took_s: float | None
    services: dict[str, float] = field(default_factory=dict)


def measured(state: RunState) -> Earlier:
    """Return what an earlier run took."""
    up = {s.id: between(state.started_at, service_up_at(state, s)) for s in state.plan.services}
    return Earlier(
        run=state.run,
        mode=state.mode,
        revision=state.revision,
        began=state.started_at,
        took_s=between(state.started_at, state.ended_at),
        services={service: seconds for service, seconds in up.items() if seconds is not None},
    )


def earlier_json(earlier: Earlier) -> Json:
    return {
        "run": earlier.run,
        "mode": earlier.mode,
        "revision": earlier.revision,
        "started_at": stamp(earlier.began),
        "took_s": earlier.took_s,
    }


def services(state: RunState, earlier: Sequence[Earlier] = ()) -> list[Json]:
    """Return each service, plan order: when it was back, against what was wanted and earlier."""
    found = []
    for service in state.plan.services:
        up_at = service_up_at(state, service)
        rto = service.rto.total_seconds() if service.rto else None
        rta = between(state.started_at, up_at)
        contact = state.plan.contact(service.contact)
        before = [
            {"run": run.run, "mode": run.mode, "rta_s": run.services.get(service.id)}
            for run in earlier
        ]
        found.append(
            {"id": service.id, "title": dict(service.title), "tier": service.tier}
            | {"rto_s": rto, "rta_s": rta, "met": met_by(state, service, rto, rta)}
            | {"external": service.external, "open_by": open_by_json(state, service)}
            | {"up_at": stamp(up_at), "contact": contact.name if contact else None}
            | {"earlier": before}
            | {"from_paper": _from_paper(state, service)}
        )
    return found


def _from_paper(state: RunState, service: Service) -> Json | None:
    """Return when it was up by the times on paper, which nobody but people vouches for."""
    up_at = service_up_on_paper(state, service)
    if up_at is None:
        return None
    return {"up_at": stamp(up_at), "rta_s": between(state.started_at, up_at)}

"""Is it well: for service managers, load balancers, monitoring and tired people."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from api.auth import PUBLIC, READING
from api.health import Health
from api.metrics.exposition import MEDIA_TYPE, Exposition
from api.schemas.common import problems
from api.schemas.estates import Alive, Ready
from api.schemas.problem_types import NotReadyError
from api.version import VERSION
from drorch.run.views import Json

router = APIRouter(tags=["health"])


@router.get("/healthz", operation_id="healthz", dependencies=[PUBLIC], response_model=Alive)
async def healthz() -> Json:
    """Tell that this process answers, and nothing else: no database is asked."""
    return {"status": "ok", "version": VERSION}


@router.get(
    "/readyz",
    operation_id="readyz",
    dependencies=[PUBLIC],
    response_model=Ready,
    responses=problems(),
)
async def readyz(request: Request) -> Json:
    """Tell that the service can do its work; 503 names each check that fails, and what to do.

    The database can be written, an engine drives runs and writes to the journal, the clock is
    sane. Hypervisors are not asked: that they are away is what drorch is for.
    """
    health: Health = request.app.state.health
    found = await health.readiness()
    if found.failing:
        first = found.failing[0]
        raise NotReadyError(
            "; ".join(f"{one.check}: {one.detail}" for one in found.failing),
            failing=[
                {"check": one.check, "message": one.detail, "hint": one.hint}
                for one in found.failing
            ],
            hint=first.hint,
        )
    return {
        "status": "ready",
        "version": VERSION,
        "checks": [{"check": v.check, "ok": v.ok, "detail": v.detail} for v in found.verdicts],
        "notes": list(found.notes),
    }


@router.get(
    "/metrics",
    operation_id="metrics",
    dependencies=[READING],
    response_class=Response,
    responses=problems(
        also={
            200: {"description": "Metrics", "content": {MEDIA_TYPE: {"schema": {"type": "string"}}}}
        }
    ),
)
async def metrics(request: Request) -> Response:
    """Give the metrics in Prometheus' text format; docs/monitoring.md explains each."""
    exposition: Exposition = request.app.state.exposition
    return Response(await exposition.text(), media_type=MEDIA_TYPE)

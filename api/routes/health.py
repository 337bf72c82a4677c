"""Is it well: for service managers, load balancers and tired people."""

from __future__ import annotations

from fastapi import APIRouter
from sqlalchemy import text

from api.bootstrap import ENGINE
from api.dashboard.rendering import VERSION
from api.routes.desk import TheDesk
from api.schemas.common import problems
from api.schemas.estates import Health
from api.schemas.problem_types import EngineAwayError
from drorch.journal.site import site_id
from drorch.run.views import Json

router = APIRouter(tags=["health"])


@router.get("/healthz", operation_id="healthz", response_model=Health)
async def healthz() -> Json:
    """Tell that this process answers."""
    return {"status": "ok", "version": VERSION}


@router.get("/readyz", operation_id="readyz", response_model=Health, responses=problems())
async def readyz(desk: TheDesk) -> Json:
    """Tell that the journal can be written and an engine drives runs; 503 says what is missing."""
    await desk.app.store.writing(lambda connection: connection.execute(text("SELECT 1")).scalar())
    if not desk.app.locks.holds(ENGINE):
        raise EngineAwayError(
            "no engine process drives runs here",
            hint="'drorch serve' starts it again by itself within seconds; if this stays, look at "
            "the service's log",
        )
    here = site_id(desk.app.settings.data_dir)
    notes = [node.note for node in await desk.app.nodes.all() if node.identity.site == here]
    return {"status": "ready", "version": VERSION, "notes": [note for note in notes if note]}

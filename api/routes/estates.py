"""Connectors and the fleet behind them: who answers, and which machines there are."""

from __future__ import annotations

from fastapi import APIRouter

from api import estates
from api.auth import EXAMINING, READING
from api.routes.desk import TheDesk
from api.routes.paging import ConnectorName, Cursor, Limit, page_of
from api.schemas import estates as shapes
from api.schemas.common import problems
from drorch.run.views import Json

router = APIRouter(tags=["connectors"])


@router.get(
    "/connectors",
    operation_id="list_connectors",
    dependencies=[READING],
    response_model=shapes.Connectors,
    responses=problems(),
)
async def list_connectors(desk: TheDesk, limit: Limit = 100, cursor: Cursor = None) -> Json:
    """List the connectors of the configuration, and who answers behind each just now."""
    page = page_of(sorted(desk.app.connectors), limit, cursor)
    return {**page, "items": await estates.reach(desk.app, page["items"])}


@router.post(
    "/connectors/{name}/check",
    operation_id="check_connector",
    dependencies=[EXAMINING],
    response_model=shapes.ConnectorChecked,
    responses=problems(404, 502),
)
async def check_connector(name: ConnectorName, desk: TheDesk) -> Json:
    """Ask a connector who it is, what it sees and which rights are missing. Writes nothing."""
    return await estates.check_connector(desk.app, name)


@router.get(
    "/fleet",
    operation_id="list_fleet",
    dependencies=[READING],
    response_model=shapes.Fleet,
    responses=problems(),
)
async def list_fleet(desk: TheDesk, limit: Limit = 1000, cursor: Cursor = None) -> Json:
    """List every machine that the connectors see, and which plan covers it."""
    found = await estates.fleet(desk.app, await desk.stored_plans())
    return {**found, **page_of(found["items"], limit, cursor)}

"""Services: what citizens and counters know, with the state that the newest live run gave it."""

from __future__ import annotations

from collections.abc import Mapping

from fastapi import APIRouter

from api.auth import READING
from api.routes.desk import Desk, TheDesk
from api.routes.notices import notice_json
from api.routes.paging import Cursor, Limit, page_of
from api.schemas import runs as shapes
from api.schemas.common import problems
from drorch.journal.pages import newest_runs
from drorch.model.plan import Plan, Service
from drorch.run.services import Json, opening_json
from drorch.run.status import Mode

router = APIRouter(tags=["services"])


@router.get(
    "/services",
    operation_id="list_services",
    dependencies=[READING],
    response_model=shapes.Services,
    responses=problems(),
)
async def list_services(desk: TheDesk, limit: Limit = 1000, cursor: Cursor = None) -> Json:
    """List each service of the stored plans, those restored first at the top.

    The state is that of the plan's newest live run, also when that has ended; nothing looks at
    services between runs, so one without a run is `unknown`. Where a person has put up a notice,
    `state` is what they say, and `derived_state` what drorch sees.
    """
    runs = await _newest_live_runs(desk)
    found: list[Json] = []
    for stored in await desk.app.shelf.plans():
        plan = await desk.compiled(stored)
        known = {s["id"]: s for s in runs.get(plan.id, {}).get("services", [])}
        found += [known.get(service.id) or _unknown(plan, service) for service in plan.services]
    notices = {one.service: notice_json(one) for one in await desk.app.site.notices()}
    found = [_said(line, notices.get(line["id"])) for line in found]
    found.sort(key=lambda s: (s["tier"], s["plan"], s["id"]))
    return page_of(found, limit, cursor)


def _said(line: Json, notice: Json | None) -> Json:
    state = notice["state"] if notice else line["state"]
    return {**line, "state": state, "derived_state": line["state"], "notice": notice}


async def _newest_live_runs(desk: Desk) -> Mapping[str, Json]:
    newest: dict[str, Json] = {}
    for line in await newest_runs(desk.app.store, Mode.LIVE):
        newest[line.plan] = await desk.run_json(line)
    return newest


def _unknown(plan: Plan, service: Service) -> Json:
    return {
        "id": service.id,
        "title": dict(service.title),
        "state": "unknown",
        "tier": service.tier,
        "eta": None,
        "rto": service.rto.total_seconds() if service.rto else None,
        "rta": None,
        "met": None,
        "up_at": None,
        "open_by": opening_json(service.open_by),
        "contact": service.contact,
        "fallback": dict(service.fallback),
        "external": service.external,
        "evidence": None,
        "since": None,
        "plan": plan.id,
        "run": None,
    }

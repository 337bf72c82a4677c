"""The record of acts: read it, and see that nobody has changed it."""

from __future__ import annotations

import asyncio
from typing import Annotated

from fastapi import APIRouter, Query

from api.auth import Auditor
from api.routes.desk import TheDesk
from api.routes.paging import Cursor, Limit, number_from_cursor, to_cursor
from api.schemas import access as shapes
from api.schemas.common import problems
from drorch.access.checkpoints import as_json
from drorch.journal.ledger import entries
from drorch.run.views import Json

router = APIRouter(tags=["audit"])

Word = Annotated[str, Query(max_length=300)]


@router.get(
    "/audit", operation_id="list_audit", response_model=shapes.AuditEntries, responses=problems()
)
async def list_audit(
    caller: Auditor,
    desk: TheDesk,
    *,
    actor: Word = "",
    action: Word = "",
    object: Word = "",  # noqa: A002 (the record's own word)
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Json:
    """List who did what, newest first; filters are whole words such as `run.start`."""
    del caller  # whoever may read the record may read all of it
    before = number_from_cursor(cursor) or None
    found = await desk.app.store.reading(
        lambda c: entries(
            c, before=before, limit=limit + 1, actor=actor, action=action, object=object
        )
    )
    items = [{"seq": seq, "entry": entry, "hash": h} for seq, entry, h in found[:limit]]
    more = len(found) > limit
    return {"items": items, "next": to_cursor(str(items[-1]["seq"])) if more else None}


@router.get(
    "/audit/verify",
    operation_id="verify_audit",
    response_model=shapes.AuditVerdict,
    responses=problems(),
)
async def verify_audit(caller: Auditor, desk: TheDesk) -> Json:
    """Follow the whole chain and compare it with the signed check-points."""
    del caller
    return dict(as_json(await asyncio.to_thread(desk.app.anchor.verify)))

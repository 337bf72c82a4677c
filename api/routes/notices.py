"""Notices: what a person says of a service, shown as said by a person."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Path, Request, Response

from api.auth import READING, Publisher
from api.routes.conditions import (
    NOT_MODIFIED,
    TAGGED,
    Conditions,
    IfMatch,
    IfNoneMatch,
    tag_of,
    told,
)
from api.routes.desk import Desk, TheDesk
from api.schemas import access as shapes
from api.schemas.access_problems import ServiceNotFoundError
from api.schemas.common import problems
from drorch.journal.site_rules import Notice, NoticeNotFoundError
from drorch.model.moment import stamp
from drorch.run.views import Json

router = APIRouter(tags=["services"])

ServiceId = Annotated[
    str, Path(max_length=63, description="The service's id.", examples=["anagrafe"])
]


@router.get(
    "/services/{service}/notice",
    operation_id="get_notice",
    dependencies=[READING],
    response_model=shapes.Notice,
    responses=problems(404, also=TAGGED | NOT_MODIFIED),
)
async def get_notice(
    service: ServiceId, request: Request, desk: TheDesk, if_none_match: IfNoneMatch = None
) -> Response:
    """Return what a person says of a service, with its ETag."""
    del if_none_match  # documented here, read by `told`
    notice = await desk.app.site.notice(service)
    if notice is None:
        raise NoticeNotFoundError(f"there is no notice about {service}")
    return told(request, notice_json(notice), tag_of(notice))


@router.put(
    "/services/{service}/notice",
    operation_id="put_notice",
    response_model=shapes.Notice,
    responses=problems(404, 412, also=TAGGED),
)
async def put_notice(
    service: ServiceId,
    wanted: shapes.NoticeRequest,
    caller: Publisher,
    desk: TheDesk,
    *,
    response: Response,
    if_match: IfMatch = None,
    if_none_match: IfNoneMatch = None,
) -> Json:
    """Say by hand how a service is; it goes before what drorch sees, until it is taken back."""
    await _refuse_unknown(desk, service)
    notice = Notice(
        service=service,
        state=wanted.state,
        text={k: v for k, v in wanted.text.model_dump().items() if v},
        expected_at=stamp(wanted.expected_at.astimezone(UTC)) if wanted.expected_at else None,
        by=caller.by.name,
        at=stamp(datetime.now(UTC)),
    )
    after = {"state": notice.state, "text": notice.text, "expected_at": notice.expected_at}
    act = caller.act("notice.publish", f"service/{service}", after=after)
    check = Conditions[Notice](if_match, if_none_match, tag_of).check
    await desk.app.site.publish(notice, act, check)
    response.headers["ETag"] = tag_of(notice)
    return notice_json(notice)


@router.delete(
    "/services/{service}/notice",
    operation_id="delete_notice",
    status_code=204,
    responses=problems(404, 412),
)
async def delete_notice(
    service: ServiceId, caller: Publisher, desk: TheDesk, if_match: IfMatch = None
) -> None:
    """Take a notice back: what drorch sees is shown again."""
    check = Conditions[Notice](if_match, None, tag_of).check
    act = caller.act("notice.withdraw", f"service/{service}")
    await desk.app.site.withdraw(service, act, check)


def notice_json(notice: Notice) -> Json:
    """Return a notice as every face shows it."""
    return asdict(notice)


async def _refuse_unknown(desk: Desk, service: str) -> None:
    known = {one.id for plan in await desk.stored_plans() for one in plan.services}
    if service not in known:
        raise ServiceNotFoundError(
            f"no stored plan has a service {service!r}",
            hint=f"they have: {', '.join(sorted(known)[:20]) or 'none'}",
        )

"""Web hooks: how they do, a message to try one, and a new beginning for one that was disabled."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path
from fastapi.responses import JSONResponse, Response

from api.auth import READING, Keyholder
from api.bootstrap import Application
from api.routes.desk import Desk, TheDesk
from api.routes.idempotency import Effect
from api.routes.paging import Cursor, Limit, page_of
from api.schemas import webhooks as shapes
from api.schemas.common import problems
from drorch.journal.outbox import HookState, WebhookNotFoundError, new_message
from drorch.run.views import Json

router = APIRouter(tags=["webhooks"])

WebhookName = Annotated[
    str, Path(max_length=63, description="The web hook's name.", examples=["desk"])
]


@router.get(
    "/webhooks",
    operation_id="list_webhooks",
    dependencies=[READING],
    response_model=shapes.Webhooks,
    responses=problems(),
)
async def list_webhooks(desk: TheDesk, limit: Limit = 100, cursor: Cursor = None) -> Json:
    """List the web hooks of the configuration: what waits, what was given up, and why."""
    states = await desk.app.outbox.states(sorted(desk.app.webhooks.settings))
    return page_of([_shown(desk.app, state) for state in states], limit, cursor)


@router.post(
    "/webhooks/{webhook}/test",
    operation_id="test_webhook",
    status_code=202,
    response_model=shapes.WebhookTest,
    responses=problems(404, 409),
)
async def send_test(webhook: WebhookName, caller: Keyholder, desk: TheDesk) -> Json:
    """Send one message of the type `webhook.test`, on the way that all take.

    202: it waits in the outbox. Whether it arrived is in `GET /webhooks`.
    """
    _known(desk.app, webhook)
    message = new_message()
    act = caller.act("webhook.test", f"webhook/{webhook}/{message}")
    await desk.app.outbox.test(webhook, message, act)
    return {"name": webhook, "message": message}


async def sent_again(desk: Desk, effect: Effect) -> Response:
    """Answer once more for a test message that was put into the outbox before."""
    del desk
    _, webhook, message = effect.object.split("/")
    return JSONResponse({"name": webhook, "message": message}, 202)


@router.post(
    "/webhooks/{webhook}/enable",
    operation_id="enable_webhook",
    response_model=shapes.Webhook,
    responses=problems(404),
)
async def enable_webhook(webhook: WebhookName, caller: Keyholder, desk: TheDesk) -> Json:
    """Enable a web hook that a 410 disabled: it begins with what happens from now on."""
    _known(desk.app, webhook)
    await desk.app.outbox.enable(webhook, caller.act("webhook.enable", f"webhook/{webhook}"))
    return await _now(desk.app, webhook)


async def enabled_again(desk: Desk, effect: Effect) -> Response:
    """Answer once more for a web hook that was enabled before: how it does now."""
    return JSONResponse(await _now(desk.app, effect.object.removeprefix("webhook/")))


async def _now(app: Application, webhook: str) -> Json:
    (state,) = await app.outbox.states([webhook])
    return _shown(app, state)


def _known(app: Application, name: str) -> None:
    if name not in app.webhooks.settings:
        known = ", ".join(sorted(app.webhooks.settings)) or "none"
        raise WebhookNotFoundError(
            f"there is no web hook {name!r}",
            hint=f"[webhooks.NAME] in drorch.toml makes one; there are: {known}",
        )


def _shown(app: Application, state: HookState) -> Json:
    settings = app.webhooks.settings[state.name]
    return {
        "name": state.name,
        "host": settings.host,
        "events": list(settings.events),
        "pending": state.pending,
        "failed": state.failed,
        "last_error": state.last_error or None,
        "last_sent_at": state.last_sent_at,
        "disabled": bool(state.disabled),
        "disabled_reason": state.disabled or None,
    }

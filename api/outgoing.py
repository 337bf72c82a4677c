"""The engine's part that sends messages to web hooks; whatever befalls it, runs go on."""

from __future__ import annotations

import asyncio
from functools import partial

import structlog

from api.bootstrap import Application
from api.metrics.figures import Figures
from drorch.outbox.sender import Pace, Sender

log = structlog.get_logger()

_AGAIN = 5.0
_FAILED = "drorch_webhooks_failed"


async def keep_telling(app: Application, figures: Figures, pace: Pace | None = None) -> None:
    """Send until cancelled; a defect of the sender is logged, and it begins anew."""
    hooks = app.webhooks
    if not hooks.settings:
        await asyncio.Event().wait()
    for name in hooks.settings:  # from the beginning: an alarm sees a rise, not an appearance
        figures.counters.setdefault((_FAILED, (name,)), 0)
    failed = partial(figures.count, _FAILED)
    while True:
        sender = Sender(app.outbox, hooks, hooks.kinds, pace=pace, on_failure=failed)
        try:
            await sender.run()
        except Exception:  # a task boundary: telling people must never end what recovers
            log.exception("webhook.sender-failed", again_in=_AGAIN)
            await asyncio.sleep(_AGAIN)

"""A process that only sends: ``python -m tests.process.webhook_sender``, settings on stdin.

It heeds ``DRORCH_FAILPOINT``; who was killed with a message in hand is followed within a second.
"""

from __future__ import annotations

import asyncio
import sys

from api.bootstrap import Application
from api.metrics.figures import Figures
from api.outgoing import keep_telling
from api.settings import Settings
from drorch.failpoints import arm_from_environment
from drorch.outbox.sender import Pace


async def send(settings: Settings) -> None:
    figures = Figures()
    async with Application(settings, figures) as app:
        await keep_telling(app, figures, Pace(look=0.05, lease=1.0))


if __name__ == "__main__":
    arm_from_environment()
    asyncio.run(send(Settings.model_validate_json(sys.stdin.readline())))

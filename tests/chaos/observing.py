"""Drives one run while somebody observes it: ``python -m tests.chaos.observing CONFIG RUN``."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from api.bootstrap import Application
from api.settings import load_settings
from drorch.failpoints import arm_from_environment


async def main(config: str, run: str) -> None:
    async with Application(load_settings(Path(config), {})) as app:
        await app.supervisor.drive(run, observer=lambda _state, _events: None)


if __name__ == "__main__":
    arm_from_environment()
    asyncio.run(main(*sys.argv[1:]))

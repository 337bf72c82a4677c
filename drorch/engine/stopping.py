"""Whether a task was told to stop, or what it called has only said so."""

from __future__ import annotations

import asyncio


def is_stopped(error: BaseException) -> bool:
    """Tell whether this task was told to stop; an adapter may also have cancelled itself."""
    own = asyncio.current_task()
    stopped = own is not None and own.cancelling() > 0
    return stopped and isinstance(error, asyncio.CancelledError)

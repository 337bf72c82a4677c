"""What people decided too late for a run: refused, so that it does not wait for ever."""

from __future__ import annotations

import structlog

from drorch.errors import JournalError
from drorch.ports.journal import Answer, Journal
from drorch.run.state import RunState

log = structlog.get_logger()


async def refuse_late(journal: Journal, run: str, state: RunState) -> None:
    """Answer what came in too late: nobody will look into this inbox again."""
    told = f"the run has ended ({state.ended})"
    try:
        late = [Answer(id=entry.id, refused=told) for entry in await journal.inbox(run)]
        if late:
            await journal.append(run, (), after=state.seq, answers=late)
    except JournalError as error:
        log.warning("inbox.unanswered", run=run, reason=error.message)

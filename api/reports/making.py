"""Makes the report of a run out of the store: its journal, earlier runs, and the record of acts."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from sqlalchemy.exc import SQLAlchemyError

from api.bootstrap import Application
from api.reading import RunReader
from api.reports.after_action import Known, after_action
from api.reports.measures import Json
from api.reports.services import Earlier, measured
from api.telling import known_of
from drorch.errors import DrorchError
from drorch.journal.carrying import journal_digest
from drorch.journal.pages import Place, RunFilter, is_imported, runs_page
from drorch.model.moment import stamp
from drorch.run.events import RunRequested
from drorch.run.status import ENDED, Mode, RunStatus

_COMPARED = (Mode.DRILL, Mode.LIVE, Mode.SIMULATE)
"""Earlier runs that tell how long things take, in the order in which they are shown."""
_LOOKED_AT = 20


async def report_of(app: Application, reader: RunReader, run: str) -> Json:
    """Return the report of a run as JSON. Raises `RunNotFoundError`.

    The work is done outside of the event loop: a run may have ten thousand steps.
    """
    recorded = await app.store.read(run)
    asked = recorded[0].event
    assert isinstance(asked, RunRequested)  # noqa: S101 (every run begins with it)
    known = Known(
        imported=await is_imported(app.store, run),
        earlier=await _earlier(app, reader, asked),
        record=await _record(app, run, recorded[-1].seq),
        more=known_of(app, asked.plan),
    )
    return await asyncio.to_thread(after_action, recorded, known=known)


async def _earlier(app: Application, reader: RunReader, asked: RunRequested) -> Sequence[Earlier]:
    """Return the last run of the plan in each mode before this one, that came to its end."""
    if asked.mode is Mode.DRY_RUN:
        return ()
    found: list[Earlier] = []
    for mode in _COMPARED:
        if mode is Mode.SIMULATE and (found or asked.mode is not Mode.SIMULATE):
            continue  # what was measured says more than what was estimated
        if (earlier := await _last_before(app, asked, mode)) is not None:
            found.append(measured(await reader.state(earlier)))
    return found


async def _last_before(app: Application, asked: RunRequested, mode: Mode) -> str | None:
    ended = [status for status in ENDED if status is not RunStatus.ABORTED]
    wanted = RunFilter(plan=asked.plan.id, modes=(mode,), statuses=ended)
    place = Place(stamp(asked.at), asked.run)
    lines = (await runs_page(app.store, _LOOKED_AT, wanted=wanted, after=place)).lines
    return next((one.id for one in lines if one.ended_at and one.id != asked.run), None)


async def _record(app: Application, run: str, seq: int) -> Json:
    """Return what ties the report to the record: digests that cannot be made up afterwards."""
    journal = {"seq": seq, "sha256": await journal_digest(app.store, run, upto=seq)}
    count, head, checkpoint = 0, "", None
    try:
        count, head, point = await asyncio.to_thread(app.anchor.newest)
        if point is not None:
            checkpoint = {"count": point.count, "head": point.head, "at": point.at}
    except (DrorchError, SQLAlchemyError, OSError):
        pass  # a report without it is better than none, on a disk that cannot be read any more
    return {
        "journal": journal,
        "audit": {"entries": count, "head": head, "checkpoint": checkpoint},
    }

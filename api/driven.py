"""Whether somebody drives a run: what its journal cannot know, and people must."""

from __future__ import annotations

from api.bootstrap import Application
from api.reading import RunReader
from drorch.run.state import RunState
from drorch.run.views import Json
from drorch.run.words import stamp


async def driven_json(app: Application, reader: RunReader, state: RunState) -> Json:
    """Return ``driven``: a living process drives it; ``recorded_at``: its last event's time.

    An open run that nobody drives stands still, whatever its status says.
    """
    driven = not (state.is_over or state.imported) and await app.leases.is_held(state.run)
    return {"driven": driven, "recorded_at": stamp(reader.recorded_at(state.run))}

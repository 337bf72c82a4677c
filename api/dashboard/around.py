"""What every page about this service is told: the time, the zone of its people, the version."""

from __future__ import annotations

from typing import Any

from api.routes.desk import Desk
from api.version import VERSION


def around(desk: Desk) -> dict[str, Any]:
    """Return what a page is rendered with besides its own subject."""
    zone = desk.app.settings.server.timezone
    return {"now": desk.app.clock.now(), "zone": zone, "version": VERSION}

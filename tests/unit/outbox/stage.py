"""Runs that happen now, for hooks that tell of them."""

from __future__ import annotations

from datetime import UTC, datetime

from drorch.access.principal import Means, Principal
from drorch.access.roles import Role
from drorch.journal.store import Store
from drorch.run import events as ev
from drorch.run.status import Mode
from tests.fakes.plans import plan, vm

SOMEBODY = Principal(id="1", name="anna", role=Role.ADMIN, means=Means.TOKEN)
PLAN = plan(vm("db"), vm("web", "db"))


async def begin(store: Store, at: datetime | None = None) -> str:
    """Create a run whose first event is of now, or of *at*."""

    def requested(run: str) -> list[ev.Event]:
        moment = at or datetime.now(UTC)
        return [ev.RunRequested(at=moment, run=run, plan=PLAN, mode=Mode.LIVE, by="ops")]

    return await store.create_run("test", "live", requested)


def paused() -> ev.RunPaused:
    return ev.RunPaused(at=datetime.now(UTC), by="anna")

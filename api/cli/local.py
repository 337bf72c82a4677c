"""Reads and decides on the local store, which several processes may share."""

from __future__ import annotations

from api import estates
from api.bootstrap import Application, whoami
from api.cli.access import Given, Json, RunList
from api.operations import decision_of, give_decision
from api.reading import RunReader
from api.reports import after_action
from drorch.journal.pages import RunFilter, recorded_json
from drorch.run.views import run_json, run_with_steps
from plans import load

PATIENCE = 5.0
"""Seconds to wait until the process that drives a run has taken a decision."""


class LocalAccess:
    """Implements `api.cli.access.Access` with the store of this machine."""

    def __init__(self, app: Application, *, by: str | None = None) -> None:
        self._app = app
        self._reader = RunReader(app.store)
        self._by = by or whoami()

    async def runs(self, limit: int | None) -> RunList:
        lines, more = await self._reader.runs(RunFilter(), limit)
        return RunList([run_json(await self._reader.state(line.id)) for line in lines], more)

    async def run(self, run: str) -> Json:
        return run_with_steps(await self._reader.state(run))

    async def events(self, run: str, after: int) -> list[Json]:
        return [recorded_json(record) for record in await self._app.store.read(run, after)]

    async def decide(self, given: Given) -> bool:
        decision = decision_of(given.verb, by=self._by, comment=given.comment, step=given.step)
        return await give_decision(self._app, self._reader, given.run, decision, patience=PATIENCE)

    async def report(self, run: str) -> Json:
        return after_action(await self._app.store.read(run))

    async def holds(self) -> list[Json]:
        return await estates.holds(self._app)

    async def hold(self, connector: str, machine: str, reason: str) -> None:
        await estates.hold_machine(self._app, connector, machine, reason=reason, by=self._by)

    async def release(self, connector: str, machine: str) -> bool:
        return await self._app.shelf.release(connector, machine)

    async def connectors(self) -> list[Json]:
        return await estates.reach(self._app, sorted(self._app.connectors))

    async def check(self, name: str) -> Json:
        return await estates.check_connector(self._app, name)

    async def fleet(self) -> Json:
        stored = await self._app.shelf.plans()
        found = await estates.fleet(self._app, [load(p.source, p.plan) for p in stored])
        return {**found, "next": None}

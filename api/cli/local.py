"""Reads and decides on the local store, which several processes may share."""

from __future__ import annotations

from api import estates
from api.bootstrap import Application, whoami
from api.cli.access import Given, Json, RunList, Verb
from api.driven import driven_json
from api.operations import decision_of, give_decision
from api.orchestrators import orchestrators
from api.reading import RunReader
from api.telling import told_report, told_run, told_run_with_steps
from drorch.journal.pages import RunFilter, is_imported, recorded_json
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
        return RunList([await self._line(line.id) for line in lines], more)

    async def _line(self, run: str) -> Json:
        state = await self._reader.state(run)
        return told_run(self._app, state) | await driven_json(self._app, self._reader, state)

    async def run(self, run: str) -> Json:
        state = await self._reader.state(run)
        told = told_run_with_steps(self._app, state)
        return told | await driven_json(self._app, self._reader, state)

    async def events(self, run: str, after: int) -> list[Json]:
        return [recorded_json(record) for record in await self._app.store.read(run, after)]

    async def decide(self, given: Given) -> bool:
        decision = decision_of(given.verb, by=self._by, comment=given.comment, step=given.step)
        taken = await give_decision(self._app, self._reader, given.run, decision, patience=PATIENCE)
        if taken or given.verb is not Verb.ABORT or await self._app.is_attended(given.run):
            return taken
        return await self._end_alone(given.run)

    async def _end_alone(self, run: str) -> bool:
        """Drive a run that nobody drives to the end that its abort gives it.

        The abort is decided before anything is ordered, so that this only watches orders that
        were sent before. False when somebody else has taken the run up meanwhile.
        """
        lease = await self._app.leases.acquire(run)
        if lease is None:
            return False
        return (await self._app.supervisor.drive(run, lease=lease)).is_over

    async def report(self, run: str) -> Json:
        recorded = await self._app.store.read(run)
        plan, imported = (
            (await self._reader.state(run)).plan,
            await is_imported(self._app.store, run),
        )
        return told_report(self._app, plan, recorded, imported=imported)

    async def holds(self) -> list[Json]:
        return await estates.holds(self._app)

    async def hold(self, connector: str, machine: str, reason: str) -> list[Json]:
        return await estates.hold_machine(self._app, connector, machine, reason=reason, by=self._by)

    async def release(self, connector: str, machine: str) -> bool:
        return bool(await estates.release_machine(self._app, connector, machine))

    async def connectors(self) -> list[Json]:
        return await estates.reach(self._app, sorted(self._app.connectors))

    async def check(self, name: str) -> Json:
        return await estates.check_connector(self._app, name)

    async def nodes(self) -> list[Json]:
        return await orchestrators(self._app)

    async def fleet(self) -> Json:
        stored = await self._app.shelf.plans()
        found = await estates.fleet(self._app, [load(p.source, p.plan) for p in stored])
        return {**found, "next": None}

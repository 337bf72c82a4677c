"""Reads and decides on the local store, which several processes may share."""

from __future__ import annotations

import asyncio

from api import estates
from api.access import WantedToken, halt_json, make_token, token_json
from api.bootstrap import Application
from api.callers import system_caller
from api.cli.access import Given, Json, RunList, Verb
from api.driven import driven_json
from api.eta import Forecaster
from api.on_paper import Tick, enter_tick
from api.operations import approve_run, decision_of, give_decision
from api.orchestrators import orchestrators
from api.reading import RunReader
from api.reports.making import report_of
from api.standing import readable, standing
from api.status.board import board_json, board_of
from api.telling import is_simulated_fleet, told_run, told_run_with_steps
from drorch.access.checkpoints import as_json
from drorch.journal.ledger import entries
from drorch.journal.pages import RunFilter, recorded_json
from drorch.journal.shelf import StoredPlan
from drorch.model.plan import Plan
from plans import load

PATIENCE = 5.0
"""Seconds to wait until the process that drives a run has taken a decision."""
_FORESEEN_WITHIN = 1.0
"""Seconds to wait for the first forecast of a run: this process may look but once."""


class LocalAccess:
    """Implements `api.cli.access.Access` with the store of this machine."""

    def __init__(self, app: Application, *, by: str | None = None) -> None:
        self._app = app
        self._reader = RunReader(app.store)
        self._forecaster = Forecaster(app.store, app.clock)
        self._caller = system_caller(by)

    async def runs(self, limit: int | None) -> RunList:
        lines, more = await self._reader.runs(RunFilter(), limit)
        return RunList([await self._line(line.id) for line in lines], more)

    async def _line(self, run: str) -> Json:
        state = await self._reader.state(run)
        return told_run(self._app, state) | await driven_json(self._app, self._reader, state)

    async def run(self, run: str) -> Json:
        state = await self._reader.state(run)
        foreseen = await self._forecaster.forecast(state, _FORESEEN_WITHIN)
        told = told_run_with_steps(self._app, state, foreseen)
        return told | await driven_json(self._app, self._reader, state)

    async def events(self, run: str, after: int) -> list[Json]:
        return [recorded_json(record) for record in await self._app.store.read(run, after)]

    async def decide(self, given: Given) -> bool:
        if given.approval is not None:
            return await approve_run(
                self._app,
                self._reader,
                given.run,
                given.approval,
                caller=self._caller,
                patience=PATIENCE,
            )
        by = self._caller.by.name
        decision = decision_of(given.verb, by=by, comment=given.comment, step=given.step)
        taken = await give_decision(
            self._app, self._reader, given.run, decision, caller=self._caller, patience=PATIENCE
        )
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

    async def paper(self, run: str, tick: Tick) -> bool:
        return await enter_tick(
            self._app, self._reader, run, tick, caller=self._caller, patience=PATIENCE
        )

    async def report(self, run: str) -> Json:
        return await report_of(self._app, self._reader, run)

    async def holds(self) -> list[Json]:
        return await estates.holds(self._app)

    async def hold(self, connector: str, machine: str, reason: str) -> list[Json]:
        return await estates.hold_machine(
            self._app, connector, machine, reason=reason, caller=self._caller
        )

    async def release(self, connector: str, machine: str) -> bool:
        return bool(await estates.release_machine(self._app, connector, machine, self._caller))

    async def connectors(self) -> list[Json]:
        return await estates.reach(self._app, sorted(self._app.connectors))

    async def check(self, name: str) -> Json:
        return await estates.check_connector(self._app, name)

    async def nodes(self) -> list[Json]:
        return await orchestrators(self._app)

    async def halted(self) -> Json:
        return halt_json(await self._app.site.halted())

    async def halt(self, reason: str) -> Json:
        act = self._caller.act("halt", "site", reason=reason)
        return halt_json(await self._app.site.halt(reason, act))

    async def lift(self) -> None:
        await self._app.site.lift(self._caller.act("halt.lift", "site"))

    async def tokens(self) -> list[Json]:
        return [token_json(token) for token in await self._app.gate.tokens()]

    async def make_token(self, wanted: WantedToken) -> Json:
        secret, token = await make_token(self._app, wanted, self._caller)
        return {**token_json(token), "token": secret}

    async def revoke_token(self, key: str) -> None:
        act = self._caller.act("token.revoke", lambda gone: f"token/{gone.id}")
        await self._app.gate.revoke_token(key, act)

    async def audit(self, limit: int) -> list[Json]:
        found = await self._app.store.reading(lambda c: entries(c, before=None, limit=limit))
        return [{"seq": seq, "entry": dict(entry), "hash": h} for seq, entry, h in found]

    async def verify_audit(self, *, checkpoint: bool) -> Json:
        if checkpoint:
            await asyncio.to_thread(self._app.anchor.write)
        return dict(as_json(await asyncio.to_thread(self._app.anchor.verify)))

    async def public_status(self) -> Json:
        plans = await readable(await self._app.shelf.plans(), _compiled)
        found = await standing(self._app, self._reader, plans, lambda run: self._line(run.id))
        zone = self._app.settings.server.timezone
        simulated = is_simulated_fleet(self._app.settings.connectors)
        return board_json(board_of(found, self._app.clock.now(), zone, simulated=simulated))

    async def fleet(self) -> Json:
        stored = await self._app.shelf.plans()
        found = await estates.fleet(self._app, [load(p.source, p.plan) for p in stored])
        return {**found, "next": None}


async def _compiled(stored: StoredPlan) -> Plan:
    return await asyncio.to_thread(load, stored.source, f"{stored.plan} revision {stored.revision}")

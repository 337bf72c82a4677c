"""The engine's part that looks at services on an ordinary day; whatever befalls it, runs go on."""

from __future__ import annotations

import asyncio
import contextvars
import secrets
import time
from collections.abc import Sequence

import structlog

from api.bootstrap import Application
from api.signing import refuse_unsigned
from drorch.engine.lookout import Lookout, Watched, watched
from drorch.errors import DrorchError
from drorch.journal.recoveries import Recoveries
from drorch.journal.shelf import StoredPlan
from drorch.model.plan import CheckSpec, MachineRef, Plan
from drorch.ports.check import CheckResult, Prober, Verdict
from plans import load

log = structlog.get_logger()

_AGAIN = 5.0


async def keep_lookout(app: Application) -> None:
    """Look until cancelled; a defect is logged, and it begins anew."""
    wanted = app.settings.services
    if not wanted.look:
        await asyncio.Event().wait()
    while True:
        lookout = Lookout(
            sightings=app.sightings,
            scope=_Scope(app, wanted.look_every).watched,
            prober=_Stoppable(app, app.prober),
            clock=app.clock,
            holder=f"{app.driver}#{secrets.token_hex(6)}",
            every=wanted.look_every,
        )
        try:
            await asyncio.create_task(lookout.keep(), context=contextvars.Context())
        except Exception:  # a task boundary: looking must never end what recovers
            log.exception("lookout.failed", again_in=_AGAIN)
            await asyncio.sleep(_AGAIN)


class _Stoppable:
    """A prober that calls nothing out while drorch is halted, as everything that goes out."""

    def __init__(self, app: Application, prober: Prober) -> None:
        self._app = app
        self._prober = prober

    async def probe(self, check: CheckSpec, machine: MachineRef | None) -> CheckResult:
        if check.kind == "callout" and await self._app.site.halted() is not None:
            told = "drorch is halted: nothing is called"
            return CheckResult(verdict=Verdict.BROKEN, evidence=told)
        return await self._prober.probe(check, machine)


class _Scope:
    """The services of the stored plans, without those that a recovery has."""

    def __init__(self, app: Application, every: float) -> None:
        self._app = app
        self._every = every
        self._recoveries = Recoveries(app.store)
        self._read_at = float("-inf")
        self._plans: dict[str, Plan] = {}
        """By digest."""

    async def watched(self) -> Sequence[Watched]:
        """Return what there is to look at. Raises `JournalError`."""
        recoveries = await self._recoveries.open()
        busy = {(each.plan, service) for each in recoveries for service in each.services}
        if time.monotonic() - self._read_at >= self._every:
            self._plans = await self._newest()
            self._read_at = time.monotonic()
        found = [
            post
            for plan in self._plans.values()
            for post in watched(plan, asks_agents=not recoveries)
        ]
        return [post for post in found if post.key not in busy]

    async def _newest(self) -> dict[str, Plan]:
        stored = {each.digest: each for each in await self._app.shelf.plans()}
        read = {digest: await self._read(each) for digest, each in stored.items()}
        return {digest: plan for digest, plan in read.items() if plan is not None}

    async def _read(self, stored: StoredPlan) -> Plan | None:
        where = f"{stored.plan} revision {stored.revision}"
        try:
            # Its checks reach into the network, and call what the configuration lets them, with
            # nobody who has asked for it.
            policy = self._app.settings.policy
            await asyncio.to_thread(refuse_unsigned, policy, where, stored.source, stored.signature)
            if (known := self._plans.get(stored.digest)) is not None:
                return known
            return await asyncio.to_thread(load, stored.source, where)
        except DrorchError as error:
            log.warning("lookout.plan-unread", plan=stored.plan, reason=error.message)
            return None

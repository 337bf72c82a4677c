"""What every handler works with, and the small lookups that several of them need."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from typing import Annotated, Generic, TypeVar

from fastapi import Depends, Request

from api.bootstrap import Application
from api.driven import driven_json
from api.eta import PATIENCE, Forecaster
from api.operations import step_number
from api.reading import RunReader
from api.routes.feeds import Feeds
from api.standing import readable, standing
from api.telling import told_run
from drorch.journal.pages import RunLine
from drorch.journal.shelf import StoredPlan
from drorch.model.plan import Plan
from drorch.run.state import RunState
from drorch.run.views import Json
from plans import load

_KEPT = 256

T = TypeVar("T")


class Recent(Generic[T]):
    """Values that were used last, by key; the others are forgotten."""

    def __init__(self, most: int = _KEPT) -> None:
        self._most = most
        self._kept: OrderedDict[str, T] = OrderedDict()

    def get(self, key: str) -> T | None:
        if key in self._kept:
            self._kept.move_to_end(key)
        return self._kept.get(key)

    def keep(self, key: str, value: T) -> None:
        self._kept[key] = value
        if len(self._kept) > self._most:
            self._kept.popitem(last=False)


class Desk:
    """The application behind the HTTP side, and what is kept between two requests."""

    def __init__(self, app: Application) -> None:
        self.app = app
        self.reader = RunReader(app.store)
        self.feeds = Feeds(app.store)
        self.forecaster = Forecaster(app.store, app.clock)
        self._ended: Recent[Json] = Recent()
        self._plans: Recent[Plan] = Recent()

    async def plan(self, name: str, revision: int | None = None) -> tuple[Plan, StoredPlan]:
        """Return a stored plan, never a file. Raises `PlanNotFoundError`."""
        stored = await self.app.shelf.plan(name, revision)
        return await self.compiled(stored), stored

    async def compiled(self, stored: StoredPlan) -> Plan:
        """Return the plan of a stored revision, read once."""
        plan = self._plans.get(stored.digest)
        if plan is None:
            where = f"{stored.plan} revision {stored.revision}"
            plan = await asyncio.to_thread(load, stored.source, where)
            self._plans.keep(stored.digest, plan)
        return plan

    async def stored_plans(self) -> list[Plan]:
        """Return the newest revision of every stored plan that can be read."""
        return await readable(await self.app.shelf.plans(), self.compiled)

    async def run_json(self, line: RunLine) -> Json:
        """Return a run as JSON, as lists show it; one that has ended is read once."""
        known = self._ended.get(line.id)
        if known is None:
            state = await self.reader.state(line.id)
            known = await self.shown(state, patience=0)
            if state.is_over:
                self._ended.keep(line.id, known)
        return known

    async def shown(self, state: RunState, patience: float = PATIENCE) -> Json:
        """Return a run as the API shows it; a first forecast is waited for with *patience*."""
        foreseen = await self.forecaster.forecast(state, patience)
        told = told_run(self.app, state, foreseen)
        return told | await driven_json(self.app, self.reader, state)

    async def services(self) -> list[Json]:
        """Return how each service of the stored plans stands; see `standing`."""
        return await standing(self.app, self.reader, await self.stored_plans(), self.run_json)

    async def step(self, run: str, step: str) -> tuple[RunState, int]:
        """Return a run and the number of a step. Raises `StepNotFoundError` and others."""
        state = await self.reader.state(run)
        return state, step_number(state, step)


async def _desk(request: Request) -> Desk:
    desk = request.app.state.desk
    assert isinstance(desk, Desk)  # noqa: S101 (set by create_app)
    return desk


TheDesk = Annotated[Desk, Depends(_desk)]

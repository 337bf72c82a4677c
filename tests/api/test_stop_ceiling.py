"""The ceiling of the configuration counts the stop orders of all runs together."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import text

from api.bootstrap import Application
from connectors.simulated.server import Simulator
from plans import load
from tests.api.desk import PLAN, settings


async def test_two_runs_share_the_ceiling_and_each_stop_names_its_run(
    tmp_path: Path, simulator: Simulator
) -> None:
    given = settings(tmp_path, simulator.url).model_dump()
    low = type(settings(tmp_path, ""))(**{**given, "policy": {"stops_per_hour": 2}})
    plan = load(PLAN.encode(), "town.yaml")
    async with Application(low) as application:
        one, two = (application.world(run, plan) for run in ("town-1", "town-2"))
        assert await one.may_stop("101") == ""
        assert await two.may_stop("102") == ""
        assert "2 machines were stopped" in await one.may_stop("103")
        counted = text("SELECT run, machine FROM stops ORDER BY id")
        rows = await application.store.reading(lambda c: c.execute(counted).all())
        assert [tuple(row) for row in rows] == [("town-1", "101"), ("town-2", "102")]

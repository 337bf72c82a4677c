"""A simulation's clock runs ahead of ours: no page tells its end as a time of day."""

from __future__ import annotations

from datetime import datetime

import httpx2
import pytest

from api.locale import day_and_minute, time_of_day
from tests.api.desk import Caller
from tests.api.test_pages import show

PLAN = """\
drorch: 1
plan: town
title: A small town
rto: 10h
defaults: {connector: sim}
steps:
  db: {vm: 101, expect: 2h10m, start_timeout: 5h, verify: [{agent: {}}]}
  web: {vm: 102, depends_on: [db], expect: 3h, start_timeout: 5h, verify: [{agent: {}}]}
"""
CLOCK = "The times of a simulation are those of its own clock"


@pytest.mark.usefixtures("engine")
async def test_an_ended_simulation_is_told_by_its_own_clock(
    http: httpx2.AsyncClient, api: Caller
) -> None:
    await api.store(PLAN)
    run = await api.start("simulate")
    told = await api.status(run, "succeeded")
    end, began = (datetime.fromisoformat(told[key]) for key in ("ended_at", "started_at"))
    assert (end - began).total_seconds() > 5 * 3600
    zone, after = told["timezone"], "after 5 h 10 min of simulated time"
    page = await show(http, f"/runs/{run}")
    head = page.words[: page.words.index("Steps\n")]
    assert f"ended {after}" in head
    assert "Ended after, in simulated time" in head
    assert time_of_day(end, zone)[:5] not in head
    assert CLOCK in page.words
    assert CLOCK in (await show(http, f"/runs/{run}/steps/db")).words
    for path in ("/", "/runs"):
        words = (await show(http, path)).words
        assert after in words, path
        assert day_and_minute(end, zone) not in words, path
    report = (await show(http, f"/runs/{run}/report")).words
    short = report[report.index("In short") : report.index("What went wrong")]
    assert "It ended after 5 h 10 min of simulated time: everything is back." in short
    assert time_of_day(end, zone)[:5] not in short


@pytest.mark.usefixtures("engine")
async def test_what_has_really_ended_is_told_by_ours(http: httpx2.AsyncClient, api: Caller) -> None:
    await api.store(PLAN)
    run = await api.start("dry-run")
    told = await api.status(run, "succeeded")
    page = await show(http, f"/runs/{run}")
    assert f"ended at {time_of_day(told['ended_at'], told['timezone'])}" in page.words
    assert CLOCK not in page.words

"""A run that is open elsewhere, seen through the service that has its copy: readable, untouched."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import httpx2

from api.bootstrap import Application
from api.settings import Settings
from drorch.journal.arrival import Arrival, take_in
from drorch.journal.carrying import exported, read_file
from drorch.journal.store import Store
from tests.api.desk import Caller, serving


async def test_a_copy_is_shown_as_one_and_left_alone(
    api: Caller, http: httpx2.AsyncClient, engine: Application, tmp_path: Path
) -> None:
    elsewhere = Settings(data_dir=tmp_path / "elsewhere", connectors=engine.settings.connectors)
    async with serving(elsewhere) as there:
        await there.store()
        run = await there.start()
    store = Store(elsewhere.place)
    content = await exported(store, run, now=datetime.now(UTC), version="1")
    store.close()
    assert await take_in(engine.store, read_file(content), carry_on=False) is Arrival.READABLE

    assert (await api.get(f"/runs/{run}"))["status"] == "imported"
    assert [r["id"] for r in (await api.get("/runs?status=imported"))["items"]] == [run]
    assert (await api.get("/runs?status=running"))["items"] == []
    assert (await api.get(f"/runs/{run}/report"))["summary"]["status"] == "imported"
    page = (await http.get(f"/runs/{run}")).text
    assert "open elsewhere" in page
    assert "Nobody drives this run at the moment" not in page
    for verb in ("pause", "abort", "steps/san/approve"):
        told = await api.post(f"/runs/{run}/{verb}", 409, json={"by": "anna"})
        assert "--carry-on" in told["hint"]
    other = await api.store()
    assert other["plan"] == "town"
    mine = await api.start()
    await api.asks(mine, "san")
    untouched = await api.get(f"/runs/{run}")
    assert (untouched["driver"], untouched["counts"]["waiting"]) == ("", 0)

    await api.post(f"/runs/{mine}/abort", json={"by": "anna"})
    await api.status(mine, "aborted")
    assert await take_in(engine.store, read_file(content), carry_on=True) is Arrival.CARRIED_ON
    await api.asks(run, "san")
    assert (await api.get(f"/runs/{run}"))["driver"] == engine.driver

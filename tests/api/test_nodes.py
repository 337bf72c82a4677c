"""Who is there and who drives what, over HTTP and on the first page."""

from __future__ import annotations

import asyncio

import httpx2
from sqlalchemy import text

from api.bootstrap import Application
from api.presence import be_present
from drorch.journal.nodes import Identity
from tests.api.desk import Caller, until

OTHER = Identity(
    site="other",
    name="<b>elsewhere</b>:7",
    version="9",
    started_at="2026-11-22T00:00:00.000Z",
    address="elsewhere:8140",
)


async def test_orchestrators_and_what_they_drive(
    api: Caller, http: httpx2.AsyncClient, engine: Application
) -> None:
    assert await api.get("/nodes") == {"items": [], "next": None}
    present = asyncio.create_task(be_present(engine, "here:8140"))
    await api.store()
    run = await api.start()
    await api.asks(run, "san")

    async def driven() -> bool:
        return any(run in node["drives"] for node in (await api.get("/nodes"))["items"])

    await until(driven)
    (node,) = (await api.get("/nodes"))["items"]
    assert node["name"] == engine.driver == (await api.get(f"/runs/{run}"))["driver"]
    assert (node["address"], node["alive"], node["drives"], node["note"]) == (
        "here:8140",
        True,
        [run],
        "",
    )
    assert "Orchestrators" not in (await http.get("/")).text, "one alone needs no list"
    await engine.nodes.appear(OTHER, "town-1 was lost")
    await engine.store.writing(
        lambda c: c.execute(text("UPDATE nodes SET seen = seen - 90 WHERE site = 'other'")).close()
    )
    first, second = (await api.get("/nodes"))["items"]
    assert (first["name"], second["alive"]) == (engine.driver, False)
    assert 89 < second["silent_s"] < 120
    page = (await http.get("/")).text
    assert "silent for" in page
    assert "town-1 was lost" in page
    assert "&lt;b&gt;elsewhere" in page
    present.cancel()
    await asyncio.gather(present, return_exceptions=True)
    drivers = {node["name"]: node for node in (await api.get("/nodes"))["items"]}
    assert drivers[engine.driver]["site"] is None, "it drives on, and is no service any more"


async def test_lists_are_paged(api: Caller, engine: Application) -> None:
    for number in range(3):
        who = Identity(site=f"s{number}", name=f"h{number}:1", version="1", started_at="")
        await engine.nodes.appear(who)
    page = await api.get("/nodes?limit=2")
    assert len(page["items"]) == 2
    rest = await api.get(f"/nodes?limit=2&cursor={page['next']}")
    assert [node["name"] for node in rest["items"]] == ["h2:1"]
    told = await api.get("/nodes?limit=0", status=422)
    assert told["type"].startswith("/problems/")

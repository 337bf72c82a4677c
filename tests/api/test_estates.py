"""Connectors, fleet and holds over HTTP."""

from __future__ import annotations

import httpx2

from api.bootstrap import Application
from connectors.simulated.server import Simulator
from tests.api.desk import Caller, until


async def test_connectors_say_who_answers(api: Caller, simulator: Simulator) -> None:
    listed = (await api.get("/connectors"))["items"][0]
    assert (listed["name"], listed["type"], listed["ok"]) == ("sim", "simulated", True)
    checked = await api.post("/connectors/sim/check")
    assert (checked["machines"], checked["quorate"]) == (3, True)
    simulator.close()
    away = (await api.get("/connectors"))["items"][0]
    assert away["ok"] is False and away["error"] and away["hint"]
    told = await api.post("/connectors/sim/check", 502)
    assert told["code"] in ("unreachable", "unavailable")


async def test_the_fleet_names_the_plans_that_cover_each_machine(
    api: Caller, http: httpx2.AsyncClient, simulator: Simulator
) -> None:
    await api.store(
        "drorch: 1\nplan: p\nsteps: {a: {vm: sim/101}, b: {vm: {connector: sim, name: web}}}\n"
    )
    await http.put("/api/v1/holds/sim/103", json={"reason": "encrypted?", "by": "anna"})
    fleet = await api.get("/fleet")
    assert [(m["machine"], m["plans"], m["hold"]) for m in fleet["items"]] == [
        ("101", ["p"], None),
        ("102", ["p"], None),
        ("103", [], "encrypted?"),
    ]
    simulator.close()
    assert (await api.get("/fleet"))["away"][0]["connector"] == "sim"


async def test_a_held_machine_is_not_started_until_it_is_released(
    api: Caller, http: httpx2.AsyncClient, engine: Application, simulator: Simulator
) -> None:
    name = simulator.world.machines["101"].spec.name
    wanted = {"reason": "encrypted?", "by": "anna"}
    assert (await http.put("/api/v1/holds/sim/nothing", json=wanted)).status_code == 404
    held = await http.put(f"/api/v1/holds/sim/{name}", json=wanted)
    assert (held.status_code, held.json()["by"]) == (200, "anna")
    assert [h["machine"] for h in (await api.get("/holds"))["items"]] == ["101"]
    await api.store("drorch: 1\nplan: p\nsteps: {a: {vm: sim/101}}\n")
    run = await api.start(plan="p")
    await api.status(run, "waiting")
    assert simulator.world.machines["101"].state == "stopped"
    page = (await http.get(f"/runs/{run}")).text
    assert "encrypted?" in page
    assert (await http.delete("/api/v1/holds/sim/101")).status_code == 204

    async def over() -> bool:
        found = await api.get(f"/runs/{run}")
        return bool(found["status"] == "succeeded")

    await until(over)

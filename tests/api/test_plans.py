"""Plans over HTTP: checked, stored once, read back, shown as a graph."""

from __future__ import annotations

import httpx2
import pytest

from api.bootstrap import Application
from tests.api.desk import PLAN, YAML, Caller


async def test_the_same_content_is_stored_once(http: httpx2.AsyncClient, api: Caller) -> None:
    first = await http.post("/api/v1/plans", content=PLAN, headers=YAML)
    assert first.status_code == 201
    assert first.headers["location"] == "/api/v1/plans/town/revisions/1"
    again = await api.store(status=200)
    assert again["revision"] == 1
    changed = await api.store(PLAN.replace("A small town", "A town"))
    assert changed["revision"] == 2
    assert changed["digest"] != again["digest"]
    listed = await api.get("/plans/town/revisions")
    assert [r["revision"] for r in listed["items"]] == [1, 2]
    assert (await api.get("/plans/town/revisions/1"))["source"] == PLAN
    newest = await api.get("/plans/town")
    assert (newest["revision"], newest["title"], newest["steps"]) == (2, "A town", 4)
    await api.get("/plans/town/revisions/3", 404)


async def test_validate_stores_nothing(api: Caller) -> None:
    plan = "drorch: 1\nplan: p\nsteps: {a: {vm: sim/1}}\n"
    told = await api.post("/plans/validate", content=plan, headers=YAML)
    assert (told["plan"], told["steps"]) == ("p", 1)
    assert "no-check" in [w["code"] for w in told["warnings"]]
    assert (await api.get("/plans"))["items"] == []


@pytest.mark.parametrize(
    "kind", ["application/yaml; charset=utf-8", "text/yaml", "Application/X-YAML"]
)
async def test_the_usual_names_of_yaml_are_taken(http: httpx2.AsyncClient, kind: str) -> None:
    answer = await http.post("/api/v1/plans", content=PLAN, headers={"Content-Type": kind})
    assert answer.status_code == 201


async def test_lists_come_in_pages(api: Caller) -> None:
    for number in range(5):
        await api.store(PLAN.replace("plan: town", f"plan: town-{number}"))
    seen: list[str] = []
    cursor, page = "", {"next": ""}
    for _ in range(3):
        page = await api.get(f"/plans?limit=2{cursor}")
        seen += [p["id"] for p in page["items"]]
        cursor = f"&cursor={page['next']}"
    assert seen == [f"town-{n}" for n in range(5)]
    assert page["next"] is None


async def test_the_graph_has_nodes_edges_waves_and_the_critical_path(api: Caller) -> None:
    await api.store()
    graph = await api.get("/plans/town/graph")
    nodes = {n["id"]: n for n in graph["nodes"]}
    assert set(nodes) == {"san", "db", "web", "mail", "core"}
    assert (nodes["core"]["kind"], nodes["san"]["group"]) == ("group", "core")
    assert {"source": "db", "target": "mail", "when": "started"} in graph["edges"]
    assert graph["waves"][0] == ["san"]
    assert nodes["web"]["wave"] == 3
    assert graph["critical_path"][-1] == "web"
    assert graph["expected_s"] == 15.0


async def test_a_plan_is_never_a_file_of_this_machine(
    api: Caller, application: Application
) -> None:
    secret = application.settings.data_dir / "plan.yaml"
    secret.write_text(PLAN)
    for name in (str(secret), "pyproject.toml", "../pyproject.toml"):
        told = await api.post("/runs", 404 if len(name) < 64 else 422, json={"plan": name})
        assert told["code"] in ("plan-not-found", "invalid-request")

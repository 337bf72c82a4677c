"""The pages of a plan, a report and a run say what is: what acts, what is real, what is late."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx2
import pytest

from api.bootstrap import Application
from api.expected import Outlook, expected, outlook
from api.telling import is_simulated
from api.wording import late, objective, tries
from drorch.model.plan import Plan
from plans import load
from tests.api.desk import PLAN, Caller, driven, serving, settings, until
from tests.api.test_pages import Page, show
from tests.api.test_problems import breaking

EXAMPLES = sorted(
    path
    for path in (Path(__file__).parents[2] / "plans" / "examples").glob("*.yaml")
    if not path.name.endswith(".fleet.yaml")
)
BARE = """\
drorch: 1
plan: town
services:
  registry: {title: {it: Anagrafe}, steps: [web]}
steps:
  web: {vm: sim/102, verify: [{agent: {}}]}
"""
"""A service in one language, without a fallback, a contact or an objective."""


def load_example(path: Path) -> tuple[Plan, str]:
    source = path.read_text()
    return load(source.encode(), path.name), source


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
async def test_every_example_is_shown_on_every_page(
    http: httpx2.AsyncClient, api: Caller, engine: Application, path: Path
) -> None:
    plan, source = load_example(path)
    await api.store(source)
    run = await api.start("simulate", plan.id)
    await api.status(run, "succeeded", "failed")
    step = plan.steps[0].id
    for page in ("/", f"/plans/{plan.id}", f"/runs/{run}", f"/runs/{run}/steps/{step}"):
        assert len((await show(http, page)).all("h1")) == 1
    words = (await show(http, f"/plans/{plan.id}")).words
    assert all(each.id in words for each in plan.steps)
    assert "After-action report" in (await show(http, f"/runs/{run}/report")).words


@pytest.mark.parametrize("mode", ["live", "dry-run", "simulate"])
async def test_a_service_that_names_little_is_shown_in_every_mode(
    http: httpx2.AsyncClient, api: Caller, engine: Application, mode: str
) -> None:
    await api.store(BARE)
    run = await api.start(mode)
    for path in (f"/runs/{run}", f"/runs/{run}/report", "/plans/town", "/"):
        await show(http, path)
    await api.status(run, "succeeded")
    page = await show(http, f"/runs/{run}")
    assert "Anagrafe" in page.words
    assert "Anagrafe" in (await show(http, f"/runs/{run}/report")).words
    assert ("could start" in page.words) == (mode == "dry-run")


async def test_a_plan_and_a_report_that_are_not_there_are_no_pages(
    http: httpx2.AsyncClient,
) -> None:
    for path in ("/plans/none", "/runs/none-1/report"):
        assert (await http.get(path)).status_code == 404


async def test_the_start_page_leads_to_the_plan(http: httpx2.AsyncClient, api: Caller) -> None:
    await api.store()
    assert "/plans/town" in [a["href"] for a in (await show(http, "/")).all("a")]
    words = (await show(http, "/plans/town")).words
    for said in ("Is the storage online?", "starts sim/101", "Wave 1", "20 min", "core"):
        assert said in words


async def test_what_acts_stands_above_the_services_and_the_rest_is_one_link_away(
    http: httpx2.AsyncClient, api: Caller, engine: Application
) -> None:
    await api.store("drorch: 1\nplan: town\nsteps: {calm: {wait: 1h}, a: {vm: sim/103}}\n")
    run = await api.start()

    async def done() -> bool:
        return bool((await api.get(f"/runs/{run}"))["counts"]["healthy"] == 1)

    await until(done)
    text = (await http.get(f"/runs/{run}")).text
    page = Page(text)
    assert "its 1 h to pass" in page.words
    assert "Expected end" in page.words
    assert "only guesses" in page.words or "as the plan says" in page.words
    acting, steps = re.findall(r"<tbody.*?</tbody>", text, re.DOTALL)
    assert "/steps/calm" in acting
    assert "/steps/a" not in acting
    assert "/steps/a" not in steps, "done: not shown while others act"
    everything = await http.get(f"/runs/{run}?show=all")
    assert f"/runs/{run}/steps/a" in everything.text
    calm = await show(http, f"/runs/{run}/steps/calm")
    assert not calm.all("article"), "it asks nothing"
    assert "asks nothing" in calm.words


async def test_a_simulation_counts_the_services_that_came_back_in_it(
    http: httpx2.AsyncClient, api: Caller, engine: Application
) -> None:
    await api.store(BARE)
    run = await api.start("simulate")
    await api.status(run, "succeeded")
    page = await show(http, f"/runs/{run}")
    assert "[SIM] 1/1 " in page.words
    assert "unknown" in page.words, "how the real one is, it does not know"


async def test_nothing_else_is_stuck_beside_a_question(
    http: httpx2.AsyncClient, api: Caller, engine: Application
) -> None:
    await api.store(
        "drorch: 1\nplan: town\nsteps: {calm: {wait: 1h}, power: {manual: Is it on?}}\n"
    )
    run = await api.start()
    await api.asks(run, "power")
    words = (await show(http, f"/runs/{run}")).words
    assert "Nothing else is stuck" in words
    assert "Nothing is stuck" not in words


async def test_a_live_run_on_simulated_machines_says_so_everywhere(
    http: httpx2.AsyncClient, api: Caller, engine: Application
) -> None:
    await api.store()
    run = await api.start()
    assert (await api.get(f"/runs/{run}"))["simulated"] is True
    assert (await api.get("/runs"))["items"][0]["simulated"] is True
    assert (await api.get(f"/runs/{run}/report"))["run"]["simulated"] is True
    words = (await show(http, "/")).words
    assert "LIVE, SIMULATED" in words
    assert "live, simulated" in words, "among the plans, as the last rehearsal"
    classes = [s.get("class") or "" for s in (await show(http, "/")).all("span")]
    assert [c for c in classes if c.startswith("mode ")] == ["mode m-live-imagined"]


@pytest.mark.parametrize(
    ("types", "simulated"),
    [
        ({"sim": "simulated"}, True),
        ({"sim": "proxmox"}, False),
        ({"sim": "simulated", "pve": "proxmox"}, False),
        ({}, False),
    ],
)
def test_only_a_plan_whose_every_machine_is_simulated_is(
    types: dict[str, str], simulated: bool
) -> None:
    more = ", b: {vm: pve/1}" if "pve" in types else ""
    plan = load(f"drorch: 1\nplan: p\nsteps: {{a: {{vm: sim/1}}{more}}}\n".encode(), "p")
    connectors = {name: {"type": kind} for name, kind in types.items()}
    assert is_simulated(plan, connectors) is simulated


def test_a_plan_without_machines_is_not_simulated() -> None:
    plan = load(b"drorch: 1\nplan: p\nsteps: {a: {wait: 1s}}\n", "p")
    assert not is_simulated(plan, {"sim": {"type": "simulated"}})


AWAY = PLAN.replace("  db: {vm: 101, depends_on: [core],", "  db: {vm: 101, depends_on: [san],")


async def test_a_dry_run_that_saw_nothing_is_told_as_that(tmp_path: Path) -> None:
    config = settings(tmp_path / "data", "http://127.0.0.1:9")  # where nobody listens
    async with serving(config) as api, driven(config):
        await api.store(AWAY)
        run = await api.start("dry-run")
        told = await api.status(run, "failed")
        page = await show(api.http, f"/runs/{run}")
        start = await show(api.http, "/")
    assert told["examined"] == {"machines": 3, "seen": 0}
    assert (told["counts"]["pending"], told["counts"]["healthy"]) == (3, 1)
    assert "0 of 3 machines could be examined" in page.words
    assert "not examined" in page.words
    assert not [s for s in page.all("span") if "s-healthy" in (s.get("class") or "")]
    assert [p["value"] for p in page.all("progress")] == ["0"]
    assert "0 of 3 machines examined" in start.words


async def test_a_broken_page_tells_the_way_at_the_terminal() -> None:
    async with breaking(RuntimeError("a defect"), "/runs/town-1") as http:
        answer = await http.get("/runs/town-1", headers={"Accept": "text/html"})
    assert answer.status_code == 500
    assert "drorch status town-1" in answer.text
    Page(answer.text)


NOW = datetime(2030, 1, 1, 0, 12, 39, tzinfo=UTC)
RUN: dict[str, Any] = {
    "mode": "live",
    "started_at": "2030-01-01T00:00:00Z",
    "ended_at": None,
    "rto": {"seconds": 1200.0, "met": None},
    "eta": {
        "p10": "2030-01-01T00:14:10.000Z",
        "p50": "2030-01-01T00:15:10.000Z",
        "p90": "2030-01-01T00:18:10.000Z",
    },
    "eta_basis": {
        "runs": 6,
        "learned": 3,
        "guessed": 0,
        "answers": 0,
        "assumes": [],
        "incomplete": False,
        "left_out": 0,
    },
}
LATE = {"rto": 600.0, "rta": None, "external": False}


def test_what_is_late_says_by_how_much_while_it_can_still_be_helped() -> None:
    assert late(LATE, RUN, NOW) == "LATE by 2 min 39 s"
    assert late(LATE | {"rto": 800.0}, RUN, NOW) == ""
    assert late(LATE | {"rta": 900.0}, RUN, NOW) == "", "it is back: its verdict is another"
    assert late(LATE | {"external": True}, RUN, NOW) == ""
    assert late(LATE, RUN | {"mode": "dry-run"}, NOW) == ""


def test_the_objective_is_open_met_or_missed() -> None:
    assert objective(RUN, NOW) == "the objective is open (12 min 39 s of 20 min used)"
    after = NOW + timedelta(minutes=10)
    assert objective(RUN, after) == "the objective of 20 min is MISSED by 2 min 39 s so far"
    over = RUN | {"ended_at": "2030-01-01T00:05:40Z"}
    assert objective(over, NOW) == "the objective is open (5 min 40 s of 20 min used)", "an abort"
    assert objective(over | {"rto": {"seconds": 1200, "met": True}}, NOW).endswith("is met")
    assert objective(RUN | {"rto": None}, NOW) == ""


def based(**more: Any) -> dict[str, Any]:
    """Return the run with a forecast that stands on something else."""
    return RUN | {"eta_basis": RUN["eta_basis"] | more}


def told(run: dict[str, Any]) -> Outlook:
    return outlook(run, "UTC", NOW)


def test_the_outlook_is_a_range_and_says_on_what_it_stands() -> None:
    words = (
        "the end is expected at 00:15-00:19 (from 6 earlier runs), 1 min 50 s before the objective"
    )
    assert told(RUN) == (words, "")
    assert "(from 6 earlier runs, 2 steps guessed)" in told(based(guessed=2)).words
    assert "(from 1 earlier run)" in told(based(runs=1)).words
    assert "(only guesses)" in told(based(runs=6, learned=0, guessed=2)).words
    assert told(RUN | {"ended_at": "x"}) == told(RUN | {"eta_basis": None}) == ("", "")
    assert told(RUN | {"rto": None}).words.endswith("earlier runs)")


def test_the_outlook_says_whether_the_objective_is_in_danger() -> None:
    assert told(RUN | {"rto": {"seconds": 960.0}}).tone == "risk", "by its late end"
    late = told(RUN | {"rto": {"seconds": 900.0}})
    assert (late.tone, "will probably be MISSED" in late.words) == ("late", True)


def test_the_outlook_says_what_it_takes_for_granted() -> None:
    held_up = based(answers=2, assumes=["the pause", "connector pve being away"])
    assert told(held_up).words.endswith(
        "if 2 answers come in time, once this is over: the pause, connector pve being away"
    )
    stuck = based(incomplete=True, left_out=3)
    assert told(stuck).words.startswith("the rest is up at 00:15-00:19")
    assert told(stuck).words.endswith("without 3 steps that nothing brings up by itself")
    assert told(stuck | {"eta": None}) == ("nothing more comes up without a person", "risk")


def test_an_expected_moment_of_another_day_is_told_with_it() -> None:
    assert expected(RUN["eta"], "Europe/Rome", NOW) == "01:15-01:19"
    assert expected(RUN["eta"], "UTC", NOW - timedelta(days=1)) == "01/01 00:15-01/01 00:19"
    assert expected(dict.fromkeys(("p10", "p50", "p90"), "2030-01-01T00:15:00Z"), "UTC", NOW) == (
        "00:15"
    )
    assert expected(None, "UTC", NOW) == ""


@pytest.mark.parametrize(
    ("spent", "before", "words"), [(0, 0, ""), (1, 0, "1 of 2"), (1, 2, "3 (2 before the retry)")]
)
def test_attempts_are_counted_as_people_count_them(spent: int, before: int, words: str) -> None:
    step = {"tries": spent, "tries_before": before, "attempts": 2, "action": "vm"}
    assert tries(step) == words
    assert tries(step | {"action": "wait"}) == ""

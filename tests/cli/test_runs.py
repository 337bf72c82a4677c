"""Runs from the command line: modes, results, exit codes, decisions."""

from __future__ import annotations

import csv
import io
import json
import urllib.request
from pathlib import Path

import pytest

from tests.cli.conftest import Drorch, SimulatorProcess, asking, plan

pytestmark = pytest.mark.usefixtures("config")


def live(path: str, name: str, *more: str) -> tuple[str, ...]:
    return ("run", path, "--mode", "live", "--confirm", name, *more)


def post(url: str, body: object) -> None:
    request = urllib.request.Request(url, json.dumps(body).encode(), method="POST")
    with urllib.request.urlopen(request, timeout=10) as answer:
        assert answer.status == 200


def accepted(simulator: SimulatorProcess) -> list[int]:
    with urllib.request.urlopen(f"{simulator.url}/log", timeout=10) as answer:
        return [e["machine"] for e in json.load(answer) if e["result"] == "accepted"]


def test_a_live_run_prints_its_id_first_and_ends_with_the_services(
    drorch: Drorch, tmp_path: Path, simulator: SimulatorProcess
) -> None:
    told = drorch(*live(plan(tmp_path), "small"))
    assert told.code == 0, told.err
    lines = told.out.splitlines()
    assert lines[0] == "small-1"
    assert any("db healthy" in line for line in lines)
    assert any(line.startswith("Shop") and "in time" in line for line in lines)
    assert lines[-1] == "report: drorch report small-1"
    assert accepted(simulator) == [101, 102]


def test_json_is_the_finished_run_and_nothing_else(drorch: Drorch, tmp_path: Path) -> None:
    told = drorch(*live(plan(tmp_path), "small", "--format", "json", "--reason", "power cut"))
    run = told.json
    assert (told.code, run["status"], run["reason"]) == (0, "succeeded", "power cut")
    assert [step["status"] for step in run["steps"]] == ["healthy", "healthy"]
    assert {"id", "plan", "mode", "counts", "services", "rto", "driver"} <= set(run)
    assert "small-1" in told.err


def test_a_dry_run_is_the_default_and_touches_nothing(
    drorch: Drorch, tmp_path: Path, simulator: SimulatorProcess
) -> None:
    told = drorch("run", plan(tmp_path))
    assert told.code == 0
    assert "nothing touched: 0 errors" in told.out
    assert accepted(simulator) == []


def test_a_dry_run_with_errors_ends_badly_and_says_what_to_do(
    drorch: Drorch, tmp_path: Path
) -> None:
    path = plan(tmp_path, steps={"gone": {"vm": 999}, "web": {"vm": 102}})
    told = drorch("run", path)
    assert told.code == 1
    assert "error    gone: sim/999 does not exist there" in told.out
    assert "drorch fleet" in told.out
    found = drorch("run", path, "--format", "json").json["findings"]
    assert [(f["severity"], f["code"], f["step"]) for f in found] == [
        ("error", "machine-missing", "gone")
    ]


def test_a_simulation_contacts_nobody(drorch: Drorch, tmp_path: Path) -> None:
    (tmp_path / "drorch.toml").write_text(f'data_dir = "{tmp_path / "data"}"\n')
    told = drorch("run", plan(tmp_path), "--mode", "simulate")
    assert told.code == 0, told.err
    assert "the simulation small-1 succeeded after 4 s" in told.out
    assert "critical path: db (2 s) -> web (2 s)" in told.out


def test_only_runs_what_is_named_and_what_it_needs(
    drorch: Drorch, tmp_path: Path, simulator: SimulatorProcess
) -> None:
    told = drorch(*live(plan(tmp_path), "small", "--only", "db", "--format", "json"))
    assert [step["id"] for step in told.json["steps"]] == ["db"]
    assert accepted(simulator) == [101]
    assert drorch("run", plan(tmp_path), "--only", "wbe").code == 2


def test_a_live_run_must_be_confirmed(
    drorch: Drorch, tmp_path: Path, simulator: SimulatorProcess
) -> None:
    path = plan(tmp_path)
    absent = drorch("run", path, "--mode", "live")
    wrong = drorch("run", path, "--mode", "live", "--confirm", "other")
    assert (absent.code, wrong.code) == (2, 2)
    assert "--confirm small" in absent.err
    assert "--confirm names 'other', the plan is 'small'" in wrong.err
    assert accepted(simulator) == []


def test_without_input_a_question_ends_with_three_and_says_the_command(
    drorch: Drorch, tmp_path: Path
) -> None:
    path = asking(tmp_path)
    told = drorch(*live(path, "asking", "--no-input"))
    assert told.code == 3
    assert "san: Is the storage well?" in told.err
    assert "drorch approve asking-1 san" in told.err
    assert "drorch run --continue asking-1" in told.err

    refused = drorch(*live(path, "asking", "--no-input"))
    assert refused.code == 1
    assert "drorch run --continue asking-1" in refused.err

    status = drorch("status", "last", "--format", "json").json
    assert status["status"] == "waiting"
    assert "☎ san" in drorch("status", "last").out

    approved = drorch("approve", "asking-1", "san", "--comment", "both green")
    assert approved.code == 0
    assert "drorch run --continue asking-1" in approved.err
    done = drorch("run", "--continue", "--no-input", "--format", "json")
    assert (done.code, done.json["status"]) == (0, "succeeded")
    assert done.json["counts"]["healthy"] == 3


def test_a_failure_asks_and_each_answer_does_what_it_says(
    drorch: Drorch, tmp_path: Path, simulator: SimulatorProcess
) -> None:
    post(f"{simulator.url}/faults", {"machine": 101, "kind": "start_fails", "times": 1})
    told = drorch(*live(plan(tmp_path), "small", "--no-input", "--format", "json"))
    assert told.code == 3
    steps = {step["id"]: step for step in told.json["steps"]}
    assert (steps["db"]["status"], steps["web"]["status"]) == ("waiting", "blocked")
    assert steps["web"]["waits_for"]
    assert drorch("approve", "last", "db").code == 1  # it asks no question
    assert drorch("retry", "last", "db", "--comment", "disk mended").code == 0
    done = drorch("run", "--continue", "small-1", "--no-input", "--format", "json")
    assert (done.code, done.json["status"]) == (0, "succeeded")
    assert accepted(simulator) == [101, 101, 102]


def test_a_rejected_question_fails_the_run(drorch: Drorch, tmp_path: Path) -> None:
    path = asking(tmp_path)
    assert drorch(*live(path, "asking", "--no-input")).code == 3
    assert drorch("reject", "last", "san", "--comment", "one path is red").code == 0
    told = drorch("run", "--continue", "last", "--no-input")
    assert told.code in (1, 3)
    status = drorch("status", "last", "--format", "json").json
    assert status["steps"][0]["status"] in ("failed", "waiting")


def test_accept_and_skip_go_on(drorch: Drorch, tmp_path: Path, simulator: SimulatorProcess) -> None:
    post(f"{simulator.url}/faults", {"machine": 101, "kind": "start_fails"})
    path = plan(
        tmp_path,
        services={},
        steps={
            "db": {"vm": 101},
            "web": {"vm": 102, "depends_on": ["db"]},
        },
    )
    assert drorch(*live(path, "small", "--no-input")).code == 3
    assert drorch("skip", "last", "db", "--comment", "not needed tonight").code == 0
    done = drorch("run", "--continue", "--no-input", "--format", "json").json
    assert [step["status"] for step in done["steps"]] == ["skipped", "healthy"]
    assert drorch(*live(path, "small", "--no-input")).code == 3
    assert drorch("accept", "last", "db", "--comment", "seen with my own eyes").code == 0
    done = drorch("run", "--continue", "--no-input", "--format", "json").json
    assert [step["status"] for step in done["steps"]] == ["healthy", "healthy"]
    assert done["steps"][0]["accepted_by"]


def test_abort_ends_an_interrupted_run(drorch: Drorch, tmp_path: Path) -> None:
    assert drorch(*live(asking(tmp_path), "asking", "--no-input")).code == 3
    assert drorch("pause", "last", "--comment", "wait for power").code == 0
    assert drorch("resume", "last").code == 0
    told = drorch("abort", "last", "--comment", "false alarm")
    assert (told.code, told.out) == (
        0,
        "asking-1: aborted here, as nobody drove it; nothing was started, nothing stopped\n",
    )
    assert drorch("status", "last", "--format", "json").json["status"] == "aborted"
    again = drorch("abort", "asking-1")
    assert again.code == 1
    assert "has ended: aborted" in again.err


def test_a_held_machine_is_not_started(
    drorch: Drorch, tmp_path: Path, simulator: SimulatorProcess
) -> None:
    missing = drorch("hold", "sim/9999", "--reason", "may be encrypted")
    assert missing.code == 2
    assert "nothing is held" in missing.err
    assert drorch("hold", "sim/101", "--reason", "may be encrypted").code == 0
    held = drorch("holds", "--format", "json").json
    assert [(h["connector"], h["machine"], h["reason"]) for h in held] == [
        ("sim", "101", "may be encrypted")
    ]
    told = drorch(*live(plan(tmp_path), "small", "--no-input"))
    assert told.code == 3
    assert "drorch release sim/101" in told.err
    assert accepted(simulator) == []
    assert drorch("release", "sim/101").code == 0
    assert drorch("release", "sim/101").code == 2
    assert drorch("run", "--continue", "--no-input").code == 0
    assert accepted(simulator) == [101, 102]


def test_runs_watch_and_report(drorch: Drorch, tmp_path: Path) -> None:
    assert drorch("runs").code == 0
    assert drorch("status", "last").code == 2
    assert drorch(*live(plan(tmp_path), "small")).code == 0
    assert [run["id"] for run in drorch("runs", "--format", "json").json] == ["small-1"]
    assert "small-1" in drorch("runs").out
    watched = drorch("watch", "last")
    assert watched.code == 0
    assert "web healthy" in watched.out
    assert drorch("watch", "last", "--format", "json").json["status"] == "succeeded"
    report = drorch("report", "last", "--format", "json").json
    assert set(report) >= {
        *("run", "summary", "services", "steps", "waiting"),
        *("critical_path", "timeline", "proposals"),
    }
    assert [(s["id"], s["rto_s"], s["met"]) for s in report["services"]] == [("shop", 300.0, True)]
    assert [entry["step"] for entry in report["critical_path"]] == ["db", "web"]
    assert set(report["waiting"]) == {"people_s", "vendors_s", "machines_s", "retries_s"}
    page = drorch("report", "last", "--format", "html", "--lang", "it")
    assert (page.code, page.out[:15]) == (0, "<!DOCTYPE html>")
    assert "Relazione sull" in page.out
    assert "After-action report" in drorch("report", "last", "--format", "html").out
    rows = list(csv.DictReader(io.StringIO(drorch("report", "last", "--format", "csv").out)))
    assert [(row["id"], row["status"]) for row in rows] == [("db", "healthy"), ("web", "healthy")]
    told = drorch("report", "last", "--lang", "de")
    assert (told.code, told.out) == (2, "")
    assert "one of it, en" in told.err


def test_a_run_is_vouched_for_while_it_goes_on(drorch: Drorch, tmp_path: Path) -> None:
    """It may take the whole night, and nobody else would write a check-point."""
    run = drorch(*live(plan(tmp_path), "small", "--format", "json")).json
    points = (tmp_path / "data" / "audit.checkpoints").read_text(encoding="utf-8").splitlines()
    assert json.loads(points[0])["at"] < run["ended_at"]


def test_a_stored_plan_runs_by_its_id(drorch: Drorch, tmp_path: Path) -> None:
    path = Path(plan(tmp_path, defaults={"connector": "sim", "expect": "2s"}))
    assert drorch("run", str(path)).code == 0
    path.unlink()
    assert drorch("run", "small", "--mode", "simulate").code == 0
    assert drorch("show", "small").code == 0


def test_the_estate_and_what_covers_it(drorch: Drorch, tmp_path: Path) -> None:
    assert drorch("run", plan(tmp_path)).code == 0
    listed = drorch("connectors", "--format", "json")
    assert listed.code == 0
    assert [(c["name"], c["ok"]) for c in listed.json] == [("sim", True)]
    checked = drorch("connectors", "check", "sim", "--format", "json")
    assert (checked.code, checked.json["machines"]) == (0, 3)
    assert {h["name"] for h in checked.json["hosts"]} == {"node1", "node2"}
    fleet = {m["machine"]: m for m in drorch("fleet", "--format", "json").json["items"]}
    assert fleet["101"]["plans"] == ["small"]
    assert fleet["103"]["plans"] == []
    assert "no plan" in drorch("fleet").out
    assert drorch("connectors", "check", "other").code == 2

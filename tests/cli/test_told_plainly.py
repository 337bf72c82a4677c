"""What an operator reads when things are not as they should be: whole, honest, in plain words."""

from __future__ import annotations

import io
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from api.cli.board import Asking, evidence_first, status_words
from api.cli.follow import PlainLines
from api.cli.live import View
from api.cli.program import called, program_of, remember, repeat_options
from api.cli.spans import clock_time, zone_words
from api.cli.status_table import print_status
from api.cli.words import tell
from api.settings import load_settings
from drorch.errors import ConfigurationError
from drorch.journal.pages import recorded_json
from drorch.ports.journal import Recorded
from drorch.run.events import RunRequested
from drorch.run.evolve import fold
from drorch.run.status import Mode
from drorch.run.views import run_with_steps
from plans import load_file
from plans.catalog import example
from tests.cli.conftest import Drorch, SimulatorProcess, asking, plan, write_config
from tests.cli.test_wrong_use import closed_port

AT = datetime(2026, 11, 22, 3, 7, tzinfo=UTC)
LONG = "Are both controllers online, are all paths green, and has the vendor said so? " * 2


@pytest.fixture
def run() -> dict[str, Any]:
    whole = load_file(example("piacenza"))
    asked = RunRequested(at=AT, run="piacenza-1", plan=whole, mode=Mode.LIVE, by="ada")
    return run_with_steps(fold([asked])) | {"timezone": "Europe/Rome", "recorded_at": None}


def drawn(view: View, run: dict[str, Any], now: datetime = AT) -> str:
    console = Console(file=io.StringIO(), width=80, height=24, no_color=True)
    with console.capture() as capture:
        console.print(view.draw(run, 80, 24, now))
    return capture.get()


def test_a_run_without_a_driver_is_told_once_it_is_no_mere_change(run: dict[str, Any]) -> None:
    run |= {"status": "running", "driven": False, "recorded_at": "2026-11-22T03:06:00.000Z"}
    view = View()
    assert "NOBODY" not in drawn(view, run)
    text = drawn(view, run, AT + timedelta(seconds=3))
    assert "NOBODY DRIVES THIS RUN since 04:06:00: nothing new is started." in text
    assert "drorch run --continue piacenza-1" in text
    assert "RUNNING (NO DRIVER)" in text
    assert "NOBODY" not in drawn(view, run | {"driven": True}, AT + timedelta(seconds=9))
    assert status_words(run | {"status": "succeeded"}) == "succeeded"


def test_a_question_is_never_cut_and_shows_what_is_typed(run: dict[str, Any]) -> None:
    step = next(s for s in run["steps"] if s["id"] == "san")
    step |= {"status": "waiting", "asks": "manual", "question": LONG}
    asked = Asking("san", "[y]es, [n]o, Enter for later: ", "ye", "'x' is not an answer")
    text = drawn(View(asking=asked), run)
    words = " ".join(line.removeprefix(" ┃ ").strip() for line in text.splitlines())
    assert LONG.strip() in words
    assert "[y]es, [n]o, Enter for later: ye" in text
    assert "'x' is not an answer" in text
    later = drawn(View(asking=Asking(put_off={"san": "04:08:07"})), run)
    assert "put off until 04:08:07" in later


def test_acting_steps_without_a_place_are_counted(run: dict[str, Any]) -> None:
    for step in run["steps"][:40]:
        step |= {"status": "starting", "started_at": "2026-11-22T03:06:00.000Z"}
    text = drawn(View(), run)
    shown = sum(line.startswith(" ▶ ") and " starting " in line for line in text.splitlines())
    assert 0 < shown < 40
    assert f"… and {40 - shown} more acting" in text


def test_what_came_back_is_read_before_what_was_asked() -> None:
    told = "checks did not hold: asked GET http://10.1.1.22/a/long/path: 503 Unavailable"
    assert evidence_first(told) == (
        "checks did not hold: 503 Unavailable (asked GET http://10.1.1.22/a/long/path)"
    )


def test_times_are_those_of_the_named_zone() -> None:
    assert clock_time("2026-11-22T03:06:00.000Z", "Asia/Tokyo") == "12:06:00"
    assert zone_words("Asia/Tokyo") == "Asia/Tokyo"
    assert zone_words("Mars/Base") == "this machine's clock"


def test_warnings_before_the_start_do_not_read_as_errors() -> None:
    def told(*severities: str) -> str:
        found = [{"severity": severity} for severity in severities]
        event = {"type": "run.findings", "at": "2026-11-22T03:06:00.000Z"}
        line = tell(event | {"data": {"findings": found}}, "UTC")
        assert line is not None
        return line.text

    assert told("warning") == "no errors, 1 warning before the start"
    assert told("error", "warning", "warning") == "1 error, 2 warnings before the start"


def test_what_was_told_before_the_interruption_is_not_told_again(run: dict[str, Any]) -> None:
    whole = load_file(example("piacenza"))
    asked = RunRequested(at=AT, run="piacenza-1", plan=whole, mode=Mode.LIVE, by="ada")
    events = [recorded_json(Recorded(seq=1, at=AT, event=asked))]
    step = next(s for s in run["steps"] if s["id"] == "san")
    step |= {"status": "waiting", "asks": "manual", "question": "Green?"}
    file = io.StringIO()
    PlainLines(Console(file=file, width=400), told=1).show(run, events)
    text = file.getvalue()
    assert "-- before the interruption: 1 event, not told again --" in text
    assert "still open: san: " in text
    assert "drorch approve piacenza-1 san" in text
    assert "asks for a live run" not in text


def test_status_shows_what_matters_and_who_must_act_last(
    run: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    step = next(s for s in run["steps"] if s["id"] == "san")
    step |= {"status": "waiting", "asks": "manual", "question": "Green?"}
    print_status(run, whole=False)
    out = capsys.readouterr().out
    assert "not shown: 143 pending (san holds " in out
    assert "drorch status piacenza-1 --all" in out
    assert out.rstrip().splitlines()[-1].lstrip().startswith("drorch approve piacenza-1 san")
    assert "\n□  dc01" not in out
    print_status(run, whole=True)
    assert "dc01" in capsys.readouterr().out


def test_a_hold_says_what_was_seen_and_what_was_not(
    drorch: Drorch, tmp_path: Path, simulator: SimulatorProcess
) -> None:
    config = write_config(tmp_path, simulator.url)
    assert drorch("run", plan(tmp_path), "--mode", "live", "--confirm", "small").code == 0
    told = drorch("hold", "sim/web", "--reason", "encrypted?")
    assert "sim/102 (web, running): held" in told.out
    assert "'drorch release sim/102'" in told.out
    assert "WARNING: sim/102 (web) IS RUNNING NOW; a hold does not stop it." in told.out
    assert drorch("release", "sim/web").out == "sim/web: released\n"
    assert drorch("release", "sim/web").code == 2

    config.write_text(
        config.read_text().replace(simulator.url, f"http://127.0.0.1:{closed_port()}")
    )
    told = drorch("hold", "sim/9999", "--reason", "encrypted?")
    assert told.code == 0
    assert "noted, but sim does not answer: it could NOT be checked" in told.out
    assert "no stored plan names it either" in told.out
    assert "in the plan small" in drorch("hold", "sim/101", "--reason", "x").out
    assert "unchecked: sim does not answer" in drorch("holds").out
    told = drorch("release", "sim/db")
    assert told.code == 4
    assert "drorch holds" in told.err
    assert drorch("release", "sim/9999").code == 0


def test_no_configuration_at_all_is_an_error_where_one_is_needed(
    drorch: Drorch, tmp_path: Path
) -> None:
    path = plan(tmp_path)
    for command in (("fleet",), ("connectors",), ("run", path)):
        told = drorch(*command)
        assert (told.code, told.out) == (2, "")
        assert f"no drorch.toml was found. Looked for: ./drorch.toml (in {tmp_path})" in told.err
        assert "--config FILE" in told.err
    assert drorch("run", path, "--mode", "simulate").code == 0


@pytest.mark.usefixtures("config")
def test_the_id_of_a_plan_leads_to_its_run(drorch: Drorch, tmp_path: Path) -> None:
    path = asking(tmp_path)
    assert drorch("run", path, "--mode", "live", "--confirm", "asking", "--no-input").code == 3
    told = drorch("abort", "asking")
    assert told.code == 2
    assert "asking is a plan; its open run is asking-1" in told.err
    assert "drorch abort asking-1" in told.err
    assert drorch("runs").out.count("waiting (no driver)") == 1
    document = drorch("status", "asking-1", "--format", "json").json
    assert document["driven"] is False
    assert document["recorded_at"]


@pytest.mark.usefixtures("config")
def test_a_report_is_a_table_or_json(drorch: Drorch, tmp_path: Path) -> None:
    assert drorch("run", plan(tmp_path), "--mode", "live", "--confirm", "small").code == 0
    out = drorch("report", "last", "--format", "table").out
    for words in (
        "After-action report: small-1",
        "Shop",
        "in time",
        "critical path: db",
        "slowest",
    ):
        assert words in out
    assert drorch("report", "last").json["run"]["id"] == "small-1"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[connector.sim]\ntype = 'x'\n", "unknown table [connector]; did you mean [connectors]?"),
        ("[server]\nprot = 1\n", "server.prot: unknown key; did you mean port?"),
        ("[secrets]\na = 'b'\n", 'secrets.a: must be { file = "..." } or { env = "..." }'),
        ("[connectors.s]\ntype = simulated\n", 'line 2: put simulated into quotes: type = "'),
        ("[server]\nport = 'x'\n", "server.port: must be a whole number"),
        ("[network]\nallow = 'x'\n", 'network.allow: must be a list: ["..."]'),
    ],
)
def test_a_mistake_in_the_configuration_is_told_in_its_words(
    tmp_path: Path, text: str, words: str
) -> None:
    path = tmp_path / "drorch.toml"
    path.write_text(text)
    with pytest.raises(ConfigurationError) as caught:
        load_settings(path, {})
    assert words in caught.value.message
    assert "Input" not in caught.value.message


def test_a_data_dir_that_cannot_be_written_leaves_a_way_out(drorch: Drorch, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "drorch.toml").write_text(f'data_dir = "{tmp_path / "file" / "data"}"\n')
    told = drorch("runs")
    assert told.code == 4
    assert "DRORCH_DATA_DIR=~/drorch-tmp drorch run PLAN --mode live" in told.err
    assert "verified, not restarted" in told.err
    assert "holds and a halt are not known there" in told.err


def test_what_is_typed_on_the_machine_of_the_service_asks_no_service() -> None:
    remember(["--server", "http://h:8140"])
    try:
        there = repeat_options("'drorch token list' on the machine of the service shows them")
        here = repeat_options("'drorch token list' shows them")
    finally:
        remember([])
    assert there.startswith("'drorch token list'")
    assert here.startswith("'drorch --server http://h:8140 token list'")


def test_commands_name_the_program_as_it_can_be_called(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "drorch"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    monkeypatch.setattr(sys, "argv", [str(program)])
    monkeypatch.setenv("PATH", "/nowhere")
    assert called() == str(program)
    assert program_of("a.toml", None) == f"{program} --config a.toml"
    monkeypatch.setenv("PATH", str(tmp_path))
    assert called() == "drorch"
    monkeypatch.setattr(sys, "argv", ["/usr/lib/python/api/cli/__main__.py"])
    assert called() == "drorch"

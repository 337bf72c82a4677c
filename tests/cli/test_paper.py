"""``drorch paper``: what people did while drorch was away, entered afterwards."""

from __future__ import annotations

import json
import urllib.request
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from api.cli.exits import WrongUseError
from api.cli.paper_sheet import result_of, sheet, time_of
from api.runbook.codes import codes_of
from drorch.run.status import PaperResult
from tests.cli.conftest import Drorch, SimulatorProcess, asking, plan
from tests.cli.test_runs import accepted, live

CODES = codes_of("asking", ["san", "db", "web"])
NOW = datetime(2026, 11, 22, 2, 50, tzinfo=UTC)


def started(drorch: Drorch, folder: Path) -> str:
    """Begin a run that stops at its first question, and let its process end there."""
    assert drorch(*live(asking(folder), "asking", "--no-input")).code == 3
    return datetime.now(UTC).isoformat()


def by_hand(simulator: SimulatorProcess, machine: int) -> None:
    request = urllib.request.Request(f"{simulator.url}/machines/{machine}/start", method="POST")
    urllib.request.urlopen(request, timeout=10).read()


def test_a_run_goes_on_from_where_the_paper_has_brought_it(
    drorch: Drorch, tmp_path: Path, simulator: SimulatorProcess, config: Path
) -> None:
    now = started(drorch, tmp_path)
    by_hand(simulator, 101)
    rows = f"{CODES['san']};{now};MR\n{CODES['db']};{now};Maria Rossi;fatto;a mano\n"
    (tmp_path / "sheet.csv").write_text("codice;ora;chi;esito;nota\n" + rows, encoding="utf-8-sig")
    told = drorch("paper", "last", "--from", "sheet.csv")
    assert told.code == 0, told.err
    assert "2 ticks are entered from paper" in told.out
    assert "run --continue" in told.err

    done = drorch("run", "--continue", "--no-input", "--format", "json").json
    assert [step["status"] for step in done["steps"]] == ["healthy"] * 3
    paper = done["steps"][1]["from_paper"]
    assert (paper["by"], paper["result"]) == ("Maria Rossi", "done")
    assert done["steps"][2]["from_paper"] is None
    assert accepted(simulator) == [101, 102]  # the first one by hand

    report = drorch("report", "last", "--format", "json").json
    ticks = [event for event in report["timeline"] if event["type"] == "step.on-paper"]
    assert [event["step"] for event in ticks] == ["san", "db"]
    assert [event["data"]["done_by"] for event in ticks] == ["MR", "Maria Rossi"]
    assert report["summary"]["accepted_by_hand"][1]["on_paper_at"] == paper["done_at"]
    assert "from paper" in drorch("report", "last", "--format", "table").out
    audit = drorch("audit", "--format", "json").json
    entry = next(one["entry"] for one in audit if one["entry"]["object"].endswith("/db"))
    assert entry["action"] == "decision.paper"
    assert entry["after"]["done_by"] == "Maria Rossi"

    again = drorch("paper", "last", "--from", "sheet.csv")
    assert again.code == 1
    assert "has ended" in again.err
    assert "only verified" in again.err


def test_one_tick_by_arguments_and_the_same_once_more(
    drorch: Drorch, tmp_path: Path, config: Path
) -> None:
    now = started(drorch, tmp_path)
    for _ in range(2):
        told = drorch("paper", "last", CODES["san"].lower(), now, "Maria Rossi")
        assert told.code == 0, told.err
    other = ("--result", "skipped", "--format", "json")
    told = drorch("paper", "last", "san", now, "Bruno", *other)
    assert told.code == 1
    assert told.json[0]["outcome"] == "refused"
    assert "by Maria Rossi" in told.json[0]["reason"]


def test_nothing_is_entered_while_a_line_is_wrong(
    drorch: Drorch, tmp_path: Path, config: Path
) -> None:
    now = started(drorch, tmp_path)
    swapped = CODES["db"][1] + CODES["db"][0] + CODES["db"][2:]
    rows = f"{CODES['san']},{now},MR\n{swapped},{now},MR\nweb,27:00,MR\nweb,{now},MR,perhaps\n"
    (tmp_path / "sheet.csv").write_text(rows)
    told = drorch("paper", "last", "--from", "sheet.csv")
    assert told.code == 2
    assert "line 2:" in told.err
    assert "mistyped" in told.err
    assert "'27:00' is no time" in told.err
    assert "'perhaps' is no result" in told.err
    assert "3 lines are wrong: nothing was entered" in told.err
    status = drorch("status", "last", "--format", "json").json
    assert [step["from_paper"] for step in status["steps"]] == [None] * 3


def test_a_time_before_the_run_is_refused(drorch: Drorch, tmp_path: Path, config: Path) -> None:
    started(drorch, tmp_path)
    told = drorch("paper", "last", "san", "2026-01-01T03:00", "MR")
    assert told.code == 1
    assert "before the run began" in told.out


def test_wrong_use(drorch: Drorch, tmp_path: Path, config: Path) -> None:
    started(drorch, tmp_path)
    for arguments in (
        ("last",),
        ("last", "san"),
        ("last", "san", "03:40", "--from", "x.csv"),
        ("last", "--from", "x.csv"),
        ("asking", "san", "03:40"),
        ("none-1", "san", "03:40"),
    ):
        assert drorch("paper", *arguments).code == 2, arguments


def test_what_failed_on_paper_asks(
    drorch: Drorch, tmp_path: Path, simulator: SimulatorProcess, config: Path
) -> None:
    now = started(drorch, tmp_path)
    assert drorch("paper", "last", "db", now, "MR", "--result", "failed", "-c", "smoke").code == 0
    assert drorch("paper", "last", "web", now, "MR", "--result", "skipped").code == 0
    assert drorch("approve", "last", "san").code == 0
    assert drorch("run", "--continue", "--no-input").code == 3
    steps = drorch("status", "last", "--format", "json").json["steps"]
    assert [step["status"] for step in steps] == ["healthy", "waiting", "skipped"]
    assert "smoke" in steps[1]["error"]
    assert accepted(simulator) == []


@pytest.mark.parametrize(
    ("typed", "there"),
    [
        ("03:40", "2026-11-22T02:40+00:00"),
        ("3.40", "2026-11-22T02:40+00:00"),
        ("03:50", "2026-11-22T02:50+00:00"),
        ("03:51", "2026-11-21T02:51+00:00"),
        ("23:59", "2026-11-21T22:59+00:00"),
        ("2026-11-22T03:40", "2026-11-22T02:40+00:00"),
        ("2026-11-22 03:40", "2026-11-22T02:40+00:00"),
        ("2026-11-22T02:40Z", "2026-11-22T02:40+00:00"),
    ],
)
def test_a_time_without_a_day_is_the_last_one(typed: str, there: str) -> None:
    assert time_of(typed, "Europe/Rome", NOW) == datetime.fromisoformat(there)


def test_the_hour_that_comes_twice_is_the_later_one_that_has_passed() -> None:
    """On 25 October 2026 clocks in Rome go from 03:00 back to 02:00."""
    second = datetime(2026, 10, 25, 1, 35, tzinfo=UTC)
    assert time_of("02:30", "Europe/Rome", second) == second.replace(minute=30)
    first = second - timedelta(hours=1)
    assert time_of("02:30", "Europe/Rome", first) == first.replace(minute=30)


def test_a_time_in_standard_time_is_read_in_it_after_the_change() -> None:
    morning = datetime(2026, 10, 25, 6, 0, tzinfo=UTC)
    assert time_of("2026-10-24T23:00", "Europe/Rome", morning).hour == 21


@pytest.mark.parametrize("typed", ["", "later", "24:00", "12:60", "2026-11-22T03:51", "1:2"])
def test_what_is_no_time_is_refused(typed: str) -> None:
    with pytest.raises(WrongUseError):
        time_of(typed, "Europe/Rome", NOW)


def test_results_in_both_languages() -> None:
    words = ("done", "OK", "fatto", "", "saltato", "skipped", "fallito", "F")
    done, skipped, failed = PaperResult
    assert [result_of(word) for word in words] == [*[done] * 4, *[skipped] * 2, *[failed] * 2]


@pytest.mark.parametrize("text", ["a\n", "a,b,c,d,e,f\n", "a\0b,c\n"])
def test_what_is_no_sheet_is_refused(text: str) -> None:
    with pytest.raises(WrongUseError):
        list(sheet(text))


def test_an_ended_run_is_told_what_to_do(
    drorch: Drorch, tmp_path: Path, simulator: SimulatorProcess, config: Path
) -> None:
    path = plan(tmp_path)
    assert drorch(*live(path, "small", "--no-input")).code == 0
    told = drorch("paper", "last", "db", "03:40")
    assert told.code == 1
    assert "found running and only verified" in told.err


def test_hostile_names_stay_text(drorch: Drorch, tmp_path: Path, config: Path) -> None:
    now = started(drorch, tmp_path)
    told = drorch("paper", "last", "san", now, "\x1b[31mevil\u202e", "-c", "\x1b]0;x\x07")
    assert told.code == 0
    assert "\x1b" not in told.out
    assert "\u202e" not in told.out
    events = drorch("status", "last", "--format", "json").out
    assert "\x1b" not in events
    json.loads(events)

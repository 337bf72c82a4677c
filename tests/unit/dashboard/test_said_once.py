"""What a check asks stands once in a line: its name says it, and its evidence begins with it."""

from __future__ import annotations

from typing import Any

from api.dashboard.rendering import part
from api.dashboard.run_now import what_next
from api.dashboard.run_rows import axis_of, rows, window
from drorch.model.plan import CheckSpec
from drorch.run import commands as cmd
from tests.fakes.plans import vm
from tests.fakes.script import Script
from tests.unit.dashboard.test_rows import view

URL = "http://10.0.0.1:8080/health"
WHERE: dict[str, Any] = {"at": "/runs/test-1", "mode": "live", "zone": "UTC"}


def verifying(*names: str) -> Script:
    """A machine that runs, and whose checks do not hold."""
    checks = tuple(CheckSpec(kind="http", name=name, params={"url": URL}) for name in names)
    run = Script(vm("web", verify=checks))
    run.runs("web")
    for name in names:
        seen = {"check": name, "healthy": False, "evidence": f"asked GET {URL}: 503 Unavailable"}
        run.send(cmd.ReportCheck(step="web", attempt=1, **seen))  # type: ignore[arg-type]
    return run


def coming(run: Script) -> str:
    found = what_next(run.state, run.now, [0])
    return str(part("run/next.html", next=found, is_asking=False, **WHERE))


def test_a_step_that_comes_next_says_once_what_is_asked() -> None:
    shown = coming(verifying(f"http {URL}"))
    assert shown.count(URL) == 1
    assert "✕ 503 Unavailable" in shown


def test_several_checks_are_told_apart_by_their_names() -> None:
    shown = coming(verifying("front page", "back page"))
    assert "✕ front page: 503 Unavailable" in shown
    assert "✕ back page: 503 Unavailable" in shown
    assert URL not in shown


def test_a_row_says_once_what_is_asked() -> None:
    run = verifying(f"http {URL}")
    seen = view(run, "all")
    (row,) = rows(seen, window(seen).numbers, axis_of(run.state, run.now))
    cell = str(part("run/row.html", row=row, **WHERE)).partition('<td class="time"')[0]
    assert cell.count(URL) == 1
    assert "✕ 503 Unavailable" in cell

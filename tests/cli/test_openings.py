"""Openings and services elsewhere, as people read them at the terminal and on the page."""

from __future__ import annotations

import io
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from api.cli.board import elsewhere
from api.cli.live import View
from api.cli.summary import print_services, print_summary
from api.cli.words import BAD, GOOD, WARN, tell
from api.openings import opening, openings_line
from drorch.model.plan import OpeningHours, Plan, Service
from drorch.run import events as ev
from drorch.run.evolve import fold
from drorch.run.status import Mode, RunStatus
from drorch.run.views import run_with_steps
from tests.cli.conftest import Drorch, plan, write_config
from tests.fakes.plans import check, vm
from tests.fakes.plans import plan as plan_of

NIGHT = datetime(2026, 11, 23, 4, 5, tzinfo=UTC)
"""Monday, 05:05 in Rome."""
OPENS = NIGHT + timedelta(hours=3, minutes=10)

REGISTRY = Service(id="registry", title={}, steps=("web",), open_by=OpeningHours(time="08:15"))
SCHOOLS = Service(id="schools", title={}, steps=("web",), open_by=OpeningHours(time="07:30"))
TAXES = Service(
    id="taxes", title={}, external=True, open_by=OpeningHours(time="06:00"), verify=(check(),)
)


def run_of(*log: Any, mode: Mode = Mode.LIVE, services: Any = (REGISTRY,)) -> Any:
    town: Plan = plan_of(vm("web"), services=services)
    asked = ev.RunRequested(
        at=NIGHT, run="test-1", plan=town, mode=mode, by="ops", timezone="Europe/Rome"
    )
    return run_with_steps(fold([asked, ev.RunStarted(at=NIGHT, driver="me"), *log]))


def up(after: timedelta) -> ev.StepHealthy:
    return ev.StepHealthy(at=NIGHT + after, step="web", attempt=1)


def words(run: Any, now: datetime) -> tuple[str, bool]:
    told = opening(run["services"][0], run, now)
    assert told is not None
    return told.words, told.missed


ENDED = ev.RunEnded(at=NIGHT + timedelta(hours=1), status=RunStatus.FAILED)


@pytest.mark.parametrize(
    ("log", "mode", "later", "told", "missed"),
    [
        ((), Mode.LIVE, {}, "opens Mon 08:15 (in 3 h 10 min)", False),
        ((), Mode.LIVE, {"hours": 3, "minutes": 9, "seconds": 40}, "opens Mon 08:15 (in less than 1 min)", False),
        ((), Mode.LIVE, {"hours": 3, "minutes": 11}, "open by Mon 08:15 MISSED", True),
        ((up(timedelta(hours=1)),), Mode.LIVE, {"hours": 2}, "open by Mon 08:15 met", False),
        ((up(timedelta(hours=4)),), Mode.LIVE, {"hours": 5}, "open by Mon 08:15 MISSED", True),
        ((ENDED,), Mode.LIVE, {"hours": 2}, "open by Mon 08:15 MISSED", True),
        ((ENDED,), Mode.LIVE, {"days": 30}, "open by Mon 23 Nov 08:15 MISSED", True),
        ((ENDED,), Mode.DRY_RUN, {"hours": 2}, "opens Mon 08:15", False),
        ((), Mode.DRY_RUN, {"hours": 4}, "opens Mon 08:15", False),
    ],
)  # fmt: skip
def test_an_opening_in_words(
    log: Any, mode: Mode, later: dict[str, int], told: str, missed: bool
) -> None:
    assert words(run_of(*log, mode=mode), NIGHT + timedelta(**later)) == (told, missed)


def test_without_a_known_moment_only_the_time_is_told() -> None:
    run = run_of()
    run["services"][0]["open_by"]["at"] = None
    assert words(run, NIGHT) == ("open by 08:15", False)


def test_the_next_opening_and_those_that_were_missed_are_one_line() -> None:
    run = run_of(services=(REGISTRY, SCHOOLS, TAXES, Service(id="s", title={}, steps=("web",))))
    assert openings_line(run, NIGHT) == ("next opening: Mon 07:30 (in 2 h 25 min)", False)
    at = NIGHT + timedelta(hours=3)
    assert openings_line(run, at) == (
        "1 opening MISSED · next opening: Mon 08:15 (in 10 min)",
        True,
    )
    assert openings_line(run, OPENS + timedelta(minutes=1)) == ("2 openings MISSED", True)
    assert openings_line(run_of(services=()), NIGHT) == ("", False)


def test_openings_at_the_same_time_are_counted() -> None:
    run = run_of(services=(REGISTRY, REGISTRY))
    assert openings_line(run, NIGHT)[0] == "next opening for 2: Mon 08:15 (in 3 h 10 min)"


def drawn(run: Any, width: int, now: datetime) -> str:
    console = Console(file=io.StringIO(), width=width, height=40, no_color=True)
    with console.capture() as capture:
        console.print(View().draw(run, width, 30, now))
    return capture.get()


def test_the_live_view_has_the_opening_beside_the_service_or_above_all() -> None:
    run = run_of()
    assert "opens Mon 08:15 (in 3 h 10 min)" in drawn(run, 77, NIGHT)
    narrow = drawn(run, 80, NIGHT)
    assert "services · next opening: Mon 08:15 (in 3 h 10 min)" in narrow
    assert "1 opening MISSED" in drawn(run, 80, OPENS + timedelta(minutes=5))


def seen(healthy: bool | None, evidence: str = "front: 503") -> ev.ServiceSeen:
    return ev.ServiceSeen(at=NIGHT, service="taxes", healthy=healthy, evidence=evidence)


@pytest.mark.parametrize(
    ("log", "told"),
    [
        ((), "runs elsewhere"),
        ((seen(None),), "runs elsewhere"),
        ((seen(True),), "elsewhere, up 12 min"),
        ((seen(False),), "elsewhere, down 12 min"),
    ],
)
def test_a_service_elsewhere_in_words(log: Any, told: str) -> None:
    run = run_of(*log, services=(TAXES,))
    now = NIGHT + timedelta(minutes=12)
    assert elsewhere(run["services"][0], now) == told
    assert told in drawn(run, 100, now)


@pytest.mark.parametrize(
    ("healthy", "line", "style"),
    [
        (True, "service taxes (elsewhere) is up", GOOD),
        (False, "service taxes (elsewhere) is down: front: 503", BAD),
        (None, "service taxes (elsewhere) cannot be asked from here: front: 503", WARN),
    ],
)
def test_what_is_seen_of_a_service_is_a_line(healthy: bool | None, line: str, style: str) -> None:
    data = {"service": "taxes", "healthy": healthy, "evidence": "front: 503"}
    told = tell({"type": "service.seen", "at": NIGHT.isoformat(), "step": None, "data": data})
    assert told is not None
    assert (told.text, told.style) == (line, style)


def test_the_summary_tells_openings_and_why_a_service_elsewhere_is_down(
    capsys: pytest.CaptureFixture[str],
) -> None:
    run = run_of(up(timedelta(hours=4)), seen(False), ENDED, services=(REGISTRY, TAXES))
    print_services(run)
    table = capsys.readouterr().out
    assert "opening" in table.splitlines()[0]
    assert "08:15 MISSED" in table
    assert "(front: 503)" in table
    print_summary(run)
    assert "1 opening MISSED" in capsys.readouterr().out


def test_without_openings_the_table_has_no_such_column(capsys: pytest.CaptureFixture[str]) -> None:
    print_services(run_of(services=(Service(id="s", title={}, steps=("web",)),)))
    assert "opening" not in capsys.readouterr().out


def test_the_zone_of_the_configuration_travels_with_the_run(drorch: Drorch, tmp_path: Path) -> None:
    config = write_config(tmp_path, "http://127.0.0.1:9")
    shop = {"title": "Shop", "steps": ["web"], "open_by": {"time": "08:15", "days": ["mon"]}}
    path = plan(tmp_path, services={"shop": shop})
    hours = []
    for zone in ("Pacific/Auckland", "America/New_York"):
        write_config(tmp_path, "http://127.0.0.1:9")
        config.write_text(f'{config.read_text()}[server]\ntimezone = "{zone}"\n')
        told = drorch("run", path, "--mode", "simulate", "--format", "json")
        assert told.code == 0, told.err
        assert told.json["timezone"] == zone
        opens = told.json["services"][0]["open_by"]
        assert opens["met"] is True
        hours.append(datetime.fromisoformat(opens["at"]).hour)
        first = drorch("status", "last", "--format", "json").json
        assert first["services"][0]["open_by"] == opens
    assert hours[0] in (19, 20)
    assert hours[1] in (12, 13)
    write_config(tmp_path, "http://127.0.0.1:9")  # another zone now: the old run keeps its own
    again = drorch("status", "small-1", "--format", "json").json
    assert again["timezone"] == "Pacific/Auckland"
    assert "08:15 met" in drorch("status", "small-1").out


def test_a_time_zone_that_does_not_exist_is_refused(drorch: Drorch, tmp_path: Path) -> None:
    config = write_config(tmp_path, "http://127.0.0.1:9")
    config.write_text(f'{config.read_text()}[server]\ntimezone = "Europe/Rom"\n')
    for command in (("runs",), ("serve",), ("run", plan(tmp_path), "--mode", "simulate")):
        told = drorch(*command)
        assert told.code == 2
        assert "server.timezone: there is no time zone 'Europe/Rom'" in told.err
        assert "did you mean Europe/Rome?" in told.err

"""Whole reports: of the Piacenza story, of a large run, in both languages, on paper."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from markupsafe import escape

from api.locale import speaking
from api.locale.catalogue import invite
from api.reports.after_action import Known, after_action
from api.reports.charts import MOST_ROWS
from api.reports.drawing import burn_up_chart, gantt_charts
from api.reports.marks import page_style
from api.reports.page import standalone, style_source
from api.reports.services import Earlier
from drorch.engine.simulation import simulate
from drorch.model.plan import OpeningHours, Service
from drorch.ports.connector import Finding, Severity
from drorch.ports.journal import Recorded
from drorch.run import commands as cmd
from drorch.run import events as ev
from drorch.run.status import Mode
from plans import load
from tests.api.test_pages import Page
from tests.fakes.invented import Invented
from tests.fakes.plans import ONCE, group, question, task, vm
from tests.fakes.plans import plan as plan_of
from tests.fakes.script import T0, Script
from tests.unit.reports.stage import DESK, VENDOR, recorded, unhealthy

PIACENZA = Path(__file__).parents[3] / "plans" / "examples" / "piacenza.yaml"
NOW = datetime(2030, 1, 2, tzinfo=UTC)
RECORD = {
    "journal": {"seq": 9, "sha256": "ab" * 32},
    "audit": {
        "entries": 4,
        "head": "cd" * 32,
        "checkpoint": {"count": 3, "head": "ef" * 32, "at": "2030-01-01T00:00:00.000Z"},
    },
}


@cache
def piacenza() -> Any:
    plan = load(PIACENZA.read_bytes(), PIACENZA.name)
    request = ev.RunRequested(
        at=T0, run="piacenza-1", plan=plan, mode=Mode.SIMULATE, by="anna", timezone="Europe/Rome"
    )
    events = simulate(request)
    return after_action([Recorded(n, e.at, e) for n, e in enumerate(events, start=1)])


def test_the_whole_story_adds_up() -> None:
    told = piacenza()
    assert told["run"]["status"] == "succeeded"
    assert told["summary"]["services_back"] == told["summary"]["services"] == 23
    clock, took = told["clock"], told["summary"]["took_s"]
    assert clock["run_s"] == took
    assert sum(clock["only"].values()) == pytest.approx(took, abs=0.01)
    path = told["critical_path"]
    assert sum(link["took_s"] for link in path) == pytest.approx(took, rel=0.02)
    for link in path:
        parts = ("queued_s", "boot_s", "verify_s", "people_s", "vendors_s", "retries_s")
        assert sum(link[part] for part in parts) == pytest.approx(link["took_s"], abs=0.01)
    assert len(told["charts"]["gantt"]["rows"]) == len(told["steps"]) == 144
    steps, services = (told["charts"]["burn_up"]["points"][-1][n] for n in (1, 2))
    assert (steps, services) == (144, 23)


def eventful() -> Script:
    """Tell of a run that has something in every part of its report."""
    hours = OpeningHours(time="00:01")
    shop = Service(
        id="shop", title={"en": "Xshop", "it": "Xshop"}, rto=timedelta(minutes=1), steps=("db",),
        open_by=hours,
    )  # fmt: skip
    away = Service(id="away", title={"en": "Xaway"}, external=True)
    run = Script(
        question("san"),
        vm("db", "san", contact="vendor", retry=ONCE, expect=timedelta(seconds=10)),
        vm("bare", verify=(), expect=timedelta(minutes=30)),
        vm("lost", "san", retry=ONCE),
        vm("never", "lost"),
        groups=(group("core"),),
        services=(shop, away),
        contacts=(DESK, VENDOR),
        owner="desk",
        rto=timedelta(minutes=2),
    )
    finding = Finding(severity=Severity.WARNING, code="onboot", message="Xfound", hint="Xhint")
    run.send(cmd.ReportFindings(findings=(finding,)))
    run.later(30)
    run.approve("san")
    run.runs("bare", "db")
    unhealthy(run, "db")
    run.fails("lost")
    run.later(400)
    run.retry("db")
    run.later(100)
    run.heals("db")
    run.reject("lost")
    return run


def eventful_report() -> Any:
    run = eventful()
    drill = Earlier(
        run="test-0", mode=Mode.DRILL, revision=1, began=T0, took_s=90.0, services={"shop": 45.0}
    )
    known = Known(earlier=(drill,), record=RECORD, more={"simulated": False})
    return after_action(recorded(run), known=known)


def test_the_services_are_held_against_the_last_drill() -> None:
    (shop, _away) = eventful_report()["services"]
    assert (shop["rto_s"], shop["rta_s"], shop["met"]) == (60.0, 530.0, False)
    assert shop["open_by"]["met"] is False
    assert shop["earlier"] == [{"run": "test-0", "mode": "drill", "rta_s": 45.0}]


def taken_apart(page: str) -> Page:
    """Return a page whose tags nest; SVG's empty elements end themselves."""
    return Page(re.sub(r"<(rect|path|circle)\b[^>]*/>", "<br>", page))


def words_of(page: str) -> str:
    """Return what a reader reads, without the style."""
    body = page[page.index("<body") :] if "<style>" in page else page
    return " ".join(taken_apart(body.replace("</html>", "").replace("<", " <")).words.split())


def alone(report: Any, code: str) -> str:
    with speaking(code):
        return standalone(report, NOW)


def test_the_mayors_page_says_it_in_plain_words() -> None:
    words = words_of(alone(eventful_report(), "en"))
    short = words[words.index("In short") : words.index("What was done, when and by whom")]
    for said in (
        "This was a real recovery",
        "It began on Tuesday, 1 January 2030 at 00:00.",
        "at 00:08, after 8 min 50 s: not everything came back.",
        "The 1 service is back.",
        "Within their objective: 0 of 1.",
        "The objective for the whole plan, 2 min, was missed.",
        "lost: it broke. It was not solved.",
        "db: not well. It went well after anna had it tried again.",
        "Vendor of the registry was asked 1 time; the recovery waited 6 min 40 s for the answer.",
    ):
        assert said in short, said
    assert "ab" * 32 in words and "cd" * 32 in words  # it can be matched with the record
    assert "signed check-point of 3 entries" in words


@pytest.mark.parametrize("code", ["it", "en"])
def test_nothing_on_paper_is_named_twice(code: str) -> None:
    for report in (eventful_report(), piacenza()):
        page = alone(report, code)
        names = re.findall(r'\sid="([^"]*)"', page)
        assert {"legend-people", "legend-check", "g1-people"} <= set(names)
        assert sorted(names) == sorted(set(names))
        used = set(re.findall(r"url\(#([^)]*)\)", page))
        assert used <= set(names), "every pattern is there"


_STATUSES = {"healthy", "failed", "blocked", "waiting", "live", "drill", "vendor", "people"}
_UNITS = {"min", "SHA", "drorch", "UTC", "steps", "expect", "retry", "attempts", "agent", "verify"}


def values_of(told: Any) -> Iterator[str]:
    if isinstance(told, dict):
        for value in told.values():
            yield from values_of(value)
    elif isinstance(told, list | tuple):
        for value in told:
            yield from values_of(value)
    elif isinstance(told, str):
        yield told


def test_no_text_goes_past_the_catalogues() -> None:
    invite("xw", Invented())
    report = eventful_report()
    words = words_of(alone(report, "xw"))
    while (rest := re.sub(r"⟦[^⟦⟧]*⟧", " ", words)) != words:
        words = rest
    known = {w for v in values_of(report) for w in re.findall(r"[A-Za-z]{3,}", v)} - _STATUSES
    days = {"January", "Tuesday", "Wednesday"}
    found = set(re.findall(r"[A-Za-z]{3,}", words)) - known - _UNITS - days
    assert found == set()


def test_both_languages_tell_the_same() -> None:
    report = eventful_report()
    english, italian = (alone(report, code) for code in ("en", "it"))
    assert '<html lang="it">' in italian
    assert "Relazione sull'intervento" in words_of(italian)
    assert len(taken_apart(italian).tags) == len(taken_apart(english).tags)


def test_one_file_needs_nothing_else_and_no_script() -> None:
    page = alone(eventful_report(), "en")
    tags = taken_apart(page)
    assert not {name for name, _ in tags.tags} & {"script", "link", "img", "iframe", "object"}
    assert [a for _, attributes in tags.tags for a in attributes if a == "style"] == []
    assert "url(http" not in page and "@import" not in page
    assert style_source(page).startswith("'sha256-")
    headings = [int(name[1]) for name, _ in tags.tags if re.fullmatch("h[1-6]", name)]
    assert headings[0] == 1 and all(b - a <= 1 for a, b in pairwise(headings))


@pytest.mark.parametrize("mode", [Mode.SIMULATE, Mode.DRY_RUN, Mode.DRILL])
def test_paper_of_nothing_real_says_so_on_every_page(mode: Mode) -> None:
    run = Script(vm("db"), mode=mode)
    told = after_action(recorded(run))
    mark = {"simulate": "SIMULATION", "dry-run": "DRY RUN", "drill": "DRILL"}[mode]
    page = alone(told, "en")
    assert f'class="watermark" aria-hidden="true">{mark}<' in page
    assert f'@top-right {{ content: "{mark}"; }}' in page
    real = alone(after_action(recorded(Script(vm("db")))), "en")
    assert 'class="watermark"' not in real
    assert '@top-right { content: "real"; }' in real


def test_the_style_of_a_page_cannot_be_left() -> None:
    run = {"plan": 'a";}</style><x>', "revision": 1, "digest": "d", "mode": "live", "id": '\\"'}
    style = page_style(run, "now\n}")
    assert not set("<>") & set(style)
    assert len(re.findall(r'content: ("[A-Za-z0-9 \\]*")', style)) == 3


def test_pictures_are_named_and_keep_hostile_text_as_text() -> None:
    run = Script(vm('<script>"x"</script>'), vm("b"))
    run.later(10)
    run.heals("b")
    told = after_action(recorded(run))
    (chart,) = gantt_charts(told["charts"]["gantt"], told["run"]["started_at"], "UTC")
    assert chart.startswith('<svg class="chart" role="img" aria-label="Gantt chart, sheet 1 of 1')
    assert "<script" not in chart and escape('<script>"x"</script>') in chart
    assert " style=" not in chart
    burn = burn_up_chart(told["charts"]["burn_up"], told["run"]["started_at"], "UTC")
    assert burn is not None and 'role="img"' in burn


def test_a_large_run_is_drawn_by_its_groups_and_stays_small() -> None:
    steps = [task(f"s{n}", vm("x").action, group=f"g{n % 7}") for n in range(1000)]
    groups = tuple(group(f"g{n}") for n in range(7))
    request = ev.RunRequested(
        at=T0, run="big-1", plan=plan_of(*steps, groups=groups, parallel=1000),
        mode=Mode.SIMULATE, by="me",
    )  # fmt: skip
    events = simulate(request)
    told = after_action([Recorded(n, e.at, e) for n, e in enumerate(events, start=1)])
    rows = told["charts"]["gantt"]["rows"]
    assert told["charts"]["gantt"]["by"] == "group"
    assert [row["steps"] for row in sorted(rows, key=lambda row: row["name"])] == [143] * 6 + [142]
    assert len(told["charts"]["burn_up"]["points"]) <= 250
    page = alone(told, "en")
    assert len(page) < 400_000
    assert "each line is one group" in words_of(page)
    assert "60 of 1000 are shown here" in words_of(page)  # proposals: none has a check


def test_a_large_run_without_groups_is_drawn_by_parts() -> None:
    steps = [task(f"s{n}", vm("x").action) for n in range(MOST_ROWS + 1)]
    run = Script(*steps, parallel=1000)
    run.later(5)
    chart = after_action(recorded(run))["charts"]["gantt"]
    assert chart["by"] == "part"
    assert sum(row["steps"] for row in chart["rows"]) == MOST_ROWS + 1
    assert len(chart["rows"]) <= MOST_ROWS


@pytest.mark.parametrize("until", [0, 1, 5, 20])
def test_a_report_can_be_made_at_any_moment(until: int) -> None:
    log = recorded(eventful())
    for end in range(1, len(log) + 1):
        told = after_action(log[:end])
        if end % 20 == until:
            for code in ("en", "it"):
                taken_apart(alone(told, code))

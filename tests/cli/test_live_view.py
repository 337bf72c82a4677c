"""The live view fits the terminal, says what is real, and always says why something waits."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from rich.console import Console

from api.cli.behind import count_behind
from api.cli.board import Board, service_time, why
from api.cli.follow import PlainLines
from api.cli.live import View
from api.wording import short_evidence
from drorch.engine.simulation import simulate
from drorch.journal.pages import recorded_json
from drorch.ports.journal import Recorded
from drorch.run.events import Event, RunRequested
from drorch.run.evolve import fold
from drorch.run.status import Mode
from drorch.run.views import run_with_steps
from plans import load_file
from plans.catalog import example

AT = datetime(2026, 11, 22, 3, 7, tzinfo=UTC)
SIZES = [(80, 24), (120, 40), (40, 12), (200, 60)]


@pytest.fixture(scope="module")
def journal() -> Sequence[Event]:
    """The whole story, simulated, and told as if it were live."""
    plan = load_file(example("piacenza"))
    asked = RunRequested(at=AT, run="piacenza-1", plan=plan, mode=Mode.SIMULATE, by="ada")
    with_live = RunRequested(at=AT, run="piacenza-1", plan=plan, mode=Mode.LIVE, by="ada")
    return (with_live, *simulate(asked)[1:])


def seen(journal: Sequence[Event], share: float) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    events = journal[: max(1, int(len(journal) * share))]
    records = [Recorded(seq=n, at=e.at, event=e) for n, e in enumerate(events, start=1)]
    return run_with_steps(fold(events)), [recorded_json(record) for record in records]


def drawn(view: View, run: dict[str, Any], width: int, height: int, now: datetime) -> list[str]:
    console = Console(file=io.StringIO(), width=width, height=height, no_color=True)
    with console.capture() as capture:
        console.print(view.draw(run, width, height, now))
    return capture.get().splitlines()


@pytest.mark.parametrize(("width", "height"), SIZES)
@pytest.mark.parametrize("share", [0.0, 0.02, 0.2, 0.5, 0.9, 1.0])
def test_it_fits(journal: Sequence[Event], width: int, height: int, share: float) -> None:
    run, events = seen(journal, share)
    view = View(story="A long story. " * 30)
    view.hear(events)
    lines = drawn(view, run, width, height, AT + timedelta(minutes=2))
    assert len(lines) <= height
    assert max(len(line) for line in lines) <= width
    assert lines[0].startswith(" LIVE RUN")


def test_the_mode_is_unmistakable(journal: Sequence[Event]) -> None:
    run, _ = seen(journal, 0.1)
    assert "SIMULATED" in drawn(View(simulated=True), run, 80, 24, AT)[0]
    for mode, words in (("dry-run", "DRY RUN"), ("simulate", "SIMULATION"), ("live", "LIVE RUN")):
        assert words in drawn(View(), run | {"mode": mode}, 80, 24, AT)[0]


def test_who_must_act_is_on_the_screen(journal: Sequence[Event]) -> None:
    plan = load_file(example("piacenza"))
    run, _ = seen(journal, 0.0)
    step = next(s for s in run["steps"] if s["id"] == "san")
    who = {"id": "presidio", "name": "On-call desk", "phone": "+39 0000 000101", "email": ""}
    step |= {"status": "waiting", "asks": "manual", "question": "Are both green?", "who": who}
    text = "\n".join(drawn(View(), run, 100, 30, AT))
    assert "Are both green?" in text
    assert f"{len(plan.steps) - 1} steps wait behind it" in text
    assert "+39 0000 000101" in text
    assert "drorch approve piacenza-1 san --comment '..'   (or reject)" in text
    narrow = "\n".join(drawn(View(), run, 60, 24, AT))
    assert "drorch approve piacenza-1 san" in narrow


def test_no_row_is_without_a_reason(journal: Sequence[Event]) -> None:
    rows = 0
    for share in (0.0, 0.1, 0.3, 0.5, 0.7, 0.95):
        run, _ = seen(journal, share)
        now = AT + timedelta(minutes=5)
        for step in run["steps"]:
            if step["status"] not in ("healthy", "skipped", "cancelled"):
                assert why(step, now).strip(), step["id"]
        found = Board().rows(run, now, 12)
        assert len(found) <= 12
        rows += len(found)
    assert rows > 30


def test_counting_what_waits_behind() -> None:
    def step(name: str, *needs: str, group: str | None = None) -> dict[str, Any]:
        return {"id": name, "group": group, "depends_on": [{"step": n} for n in needs]}

    steps = [step("a"), step("b", "a", group="g"), step("c", group="g"), step("d", "g"), step("e")]
    assert count_behind(steps) == {"a": 2, "b": 1, "c": 1, "d": 0, "e": 0}


def test_evidence_is_cut_to_what_came_back() -> None:
    asked = "asked GET http://127.0.0.1:21136/health: 503 Service Unavailable"
    assert short_evidence(asked) == "503 Service Unavailable"
    assert short_evidence("connection refused: nothing listens") == (
        "connection refused: nothing listens"
    )


def test_plain_lines_are_plain(journal: Sequence[Event]) -> None:
    run, events = seen(journal, 1.0)
    file = io.StringIO()
    PlainLines(Console(file=file, width=400)).show(run, events)
    text = file.getvalue()
    assert "\x1b" not in text
    assert "dc01 healthy" in text
    assert text.rstrip().endswith("the run has ended: succeeded")
    assert len(text.splitlines()) < len(events) + 1


def test_drawing_the_story_is_quick_enough_to_follow(journal: Sequence[Event]) -> None:
    """Not a benchmark: drawing must never be what a terminal waits for."""
    run, _ = seen(journal, 0.5)
    view = View()

    async def draw() -> float:
        loop = asyncio.get_running_loop()
        began = loop.time()
        for _ in range(10):
            view.draw(run, 120, 40)
        return (loop.time() - began) / 10

    assert asyncio.run(draw()) < 0.25


@pytest.mark.parametrize(
    ("seconds", "words"), [(45, "45 s of 20 min"), (260, "4 min of 20 min"), (1230, "20 min 30 s of 20 min LATE")]
)  # fmt: skip
def test_a_service_that_is_not_back_is_told_to_the_minute(seconds: int, words: str) -> None:
    began = datetime(2026, 11, 22, 3, 7, tzinfo=UTC)
    run = {"started_at": began.isoformat(), "ended_at": None}
    service = {"rta": None, "rto": 1200.0, "external": False, "met": None}
    assert service_time(service, run, began + timedelta(seconds=seconds)) == words

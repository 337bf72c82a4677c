"""Nothing that a person reads goes past the catalogues: an invented language marks all it says."""

from __future__ import annotations

import io
import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from rich.console import Console

from api.cli.commands import app
from api.cli.follow import PlainLines
from api.cli.live import View
from api.locale import speaking
from api.locale.catalogue import invite
from drorch.engine.simulation import simulate
from drorch.journal.pages import recorded_json
from drorch.ports.journal import Recorded
from drorch.run.events import Event, RunRequested
from drorch.run.evolve import fold
from drorch.run.status import Mode
from drorch.run.views import run_with_steps
from plans import load_file
from plans.catalog import example
from tests.cli.conftest import Drorch, asking, plan, write_config
from tests.fakes.invented import Invented, unsaid

MARKED = "qps"
AT = datetime(2026, 11, 22, 3, 7, tzinfo=UTC)


_NOT_WORDS = re.compile(
    r"\d{4}-\d\d-\d\d|\b(\d+[dhms]+)+\b|Europe/Rome|\bUTC\b|\bRTO\b|\bT\d\b"
    r"|\bFILE\.(?:sig|csv)\b|\{[a-z]+\}|(?<=\n  )[a-z]+(?= +<)|\b[a-z]+(?:\|[a-z]+)+\b|(?<=\s)--?[a-z-]+|<[^>\n]*>|\b[A-Z][A-Z.|-]+\b|'drorch [^'\n]*'|\bdrorch [^·)⟧\n]*"
)


def unmarked(text: str, *data: str) -> list[str]:
    """Return the words of *text* that came from no catalogue, and are neither data nor typed."""
    text = re.sub(r"⟦[^⟦⟧\n]*$", " ", unsaid(text), flags=re.MULTILINE)  # cut for want of room
    for one in sorted(data, key=len, reverse=True):
        text = text.replace(one, " ")
    return re.findall(r"[^\W\d_]{2,}", _NOT_WORDS.sub(" ", text))


@pytest.fixture
def marked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, drorch: Drorch) -> Drorch:
    invite(MARKED, Invented())
    write_config(tmp_path, "http://127.0.0.1:9")
    monkeypatch.setenv("DRORCH_LANG", MARKED)
    monkeypatch.setenv("USER", "ada")
    return drorch


def test_a_word_past_the_catalogues_is_found() -> None:
    assert unmarked("⟦a ⟦b⟧ c⟧ plain  1m30s --option", "small") == ["plain"]


def test_a_run_and_all_that_is_told_of_it(marked: Drorch, tmp_path: Path) -> None:
    data = (
        "small-1",
        "who-1",
        "small",
        "A small plan",
        "Negozio",
        "web",
        "db",
        _me(marked, tmp_path),
    )
    began = marked("run", plan(tmp_path), "--mode", "simulate")
    assert began.code == 0, began.err
    for told in (
        began,
        marked("runs"),
        marked("status", "last"),
        marked("report", "last", "--format", "table"),
        marked("show", plan(tmp_path)),
        marked("validate", plan(tmp_path)),
    ):
        assert "⟦" in told.out
        assert unmarked(told.out, *data, str(tmp_path)) == []
        assert unmarked(told.err, *data, str(tmp_path)) == []


def _me(marked: Drorch, folder: Path) -> str:
    """Return who asks for runs here."""
    marked("run", plan(folder, plan="who"), "--mode", "simulate")
    return str(marked("status", "last", "--format", "json").json["started_by"])


@pytest.mark.parametrize(
    "arguments",
    [
        ["holds"],
        ["nodes"],
        ["connectors"],
        ["fleet"],
        ["halt"],
        ["audit"],
        ["audit", "verify"],
        ["token", "list"],
        ["user", "list"],
        ["db", "check"],
        ["tls", "init"],
        ["release", "sim/101"],
        ["export", "last"],
        ["run", "--continue"],
        ["run", "nothing.yaml"],
        ["validate", "nothing.yaml"],
        ["status", "x-1"],
        ["connectors", "check", "x"],
        ["user", "add", "ada", "--role", "viewer"],
        ["--server", "nowhere", "runs"],
        ["--server", "http://127.0.0.1:9", "runs"],
        ["status"],
        ["nonsense"],
        ["runs", "--limit", "x"],
    ],
)
def test_other_commands(marked: Drorch, tmp_path: Path, arguments: Sequence[str]) -> None:
    marked("holds")  # makes the journal
    told = marked(*arguments)
    assert "⟦" in told.out + told.err
    host = re.findall(r"(?<=⟦  for         ).*(?=⟧)", told.out)
    data = (
        *host,
        str(tmp_path),
        "data/drorch.db",
        "sim",
        "simulated",
        "http://127.0.0.1:9",
        "SHA-256",
        "config",
    )
    assert unmarked(told.out, *data) == []
    assert unmarked(told.err, *data) == []


def test_the_help_of_every_command(marked: Drorch) -> None:
    names = [command.name or command.callback.__name__ for command in app.registered_commands]  # type: ignore[union-attr]  # every one has a function
    names = [name.rstrip("_").replace("_", "-") for name in names] + [
        str(g.name) for g in app.registered_groups
    ]
    top = marked("--help").out
    assert unmarked(top, *(f"\n  {name} " for name in names)) == []
    for name in names:
        told = marked(name, "--help").out
        below = re.findall(r"(?m)^  ([a-z-]+)  +⟦", told)
        assert unmarked(told, *(f"\n  {one} " for one in below), "drorch", name) == []


@pytest.fixture(scope="module")
def journal() -> Sequence[Event]:
    document = load_file(example("piacenza"))
    asked = RunRequested(at=AT, run="piacenza-1", plan=document, mode=Mode.SIMULATE, by="ada")
    with_live = RunRequested(at=AT, run="piacenza-1", plan=document, mode=Mode.LIVE, by="ada")
    return (with_live, *simulate(asked)[1:])


@pytest.mark.parametrize("share", [0.02, 0.2, 0.5, 1.0])
def test_the_live_view_and_the_plain_lines(journal: Sequence[Event], share: float) -> None:
    invite(MARKED, Invented())
    events = journal[: max(1, int(len(journal) * share))]
    records = [Recorded(seq=n, at=e.at, event=e) for n, e in enumerate(events, start=1)]
    told = [recorded_json(record) for record in records]
    run = run_with_steps(fold(events))
    people = [step["who"] for step in run["steps"] if step["who"]]
    data = {
        "piacenza-1",
        *(str(text) for who in people for text in who.values()),
        *(step["id"] for step in run["steps"]),
        *(step["title"] for step in run["steps"] if step["title"]),
        *(step["question"] for step in run["steps"] if step["question"]),
        *(part for service in run["services"] for part in _cut(service["title"].values())),
        *(check["kind"] for step in run["steps"] for check in step["checks"]),
        run["title"],
    }
    with speaking(MARKED):
        console = Console(file=io.StringIO(), width=2_000, height=200, no_color=True)
        view = View()
        view.hear(told, run["timezone"])
        console.print(view.draw(run, 2_000, 200, AT + timedelta(minutes=2)))
        PlainLines(console).show(run, told)
        PlainLines(console, told=3).show(run, told)
        file = console.file
        assert isinstance(file, io.StringIO)
        assert unmarked(file.getvalue(), *data) == []


def _cut(titles: Iterable[str]) -> Iterator[str]:
    """Yield titles whole, and as they are where room lacks."""
    for title in titles:
        yield title
        yield from (f"{title[:n]}…" for n in range(1, len(title)))


def test_what_a_person_is_asked(marked: Drorch, tmp_path: Path) -> None:
    told = marked("run", asking(tmp_path), "--mode", "dry-run")
    data = ("asking-1", "asking", "A small plan", "Shop", "web", "db", "san", str(tmp_path))
    assert unmarked(told.out, *data) == []

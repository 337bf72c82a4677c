"""What the journal tells has a sentence for people, in each language, and one for all faces."""

from __future__ import annotations

from typing import Any, get_args

import pytest

from api.cli.words import tell
from api.dashboard.step_history import event_line
from api.event_words import _WORDS, Clock, told_event
from api.locale import speaking
from drorch.journal.pages import recorded_json
from drorch.ports.journal import Recorded
from drorch.run import commands as cmd
from drorch.run import events as ev
from tests.fakes.plans import TWICE, vm
from tests.fakes.script import Script

CLOCK = Clock(str, str)


def told(run: Script) -> list[dict[str, Any]]:
    return [recorded_json(Recorded(n, e.at, e)) for n, e in enumerate(run.log, 1)]


def test_every_event_has_a_sentence() -> None:
    types = {kind.type for kind in get_args(ev.Event)}
    assert len(types) > 30
    assert types == set(_WORDS)


def story() -> Script:
    """A machine whose first attempt fails, whose check changes, and that a person skips."""
    run = Script(vm("db", retry=TWICE))
    run.accepted("db", "UPID:pve1:1")
    run.fails("db")
    run.later(60)
    run.runs("db")
    seen = {"check": "tcp", "healthy": False, "evidence": "asked tcp 10.0.0.1:80: silence"}
    run.send(cmd.ReportCheck(step="db", attempt=2, **seen))  # type: ignore[arg-type]
    run.send(cmd.Pause(by="anna", comment="a moment"))
    return run


@pytest.mark.parametrize(
    ("language", "said"),
    [
        (
            "en",
            {
                "step.started": "db start ordered",
                "order.accepted": "db order accepted",
                "retry.due": "db may be tried again",
                "check.changed": "db check tcp does not hold: silence",
                "run.paused": "paused by anna: a moment",
            },
        ),
        (
            "it",
            {
                "step.started": "db, avvio ordinato",
                "order.accepted": "db, ordine accettato",
                "retry.due": "db si può riprovare",
                "check.changed": "db, il controllo tcp non riesce: silence",
                "run.paused": "messa in pausa da anna: a moment",
            },
        ),
    ],
)
def test_a_page_says_what_the_journal_has(language: str, said: dict[str, str]) -> None:
    with speaking(language):
        lines = [event_line(event, "UTC") for event in told(story())]
    found = {line["type"]: line["words"] for line in reversed(lines)}
    assert {kind: found[kind] for kind in said} == said


def test_a_page_and_the_terminal_say_the_same() -> None:
    events = told(story())
    both = [(line.text, event_line(e, "UTC")["words"]) for e in events if (line := tell(e, "UTC"))]
    assert len(both) > 4
    assert [pair for pair in both if pair[0] != pair[1]] == []


def test_a_person_is_named_once() -> None:
    paused = next(e for e in told(story()) if e["type"] == "run.paused")
    assert event_line(paused, "UTC")["by"] == ""
    rejected = {**paused, "type": "step.failed", "step": "db", "data": {"detail": "no"}}
    assert event_line(rejected, "UTC")["by"] == "anna"


def test_what_is_of_a_newer_version_shows_its_type() -> None:
    line = event_line({"type": "step.dreamt", "step": "db", "actor": "drorch", "data": {}}, "UTC")
    assert (line["type"], line["words"], line["tone"]) == ("step.dreamt", "db", "")
    assert told_event({"type": "step.dreamt"}, CLOCK) is None

"""When each step acted and when it waited for a person, out of the events alone."""

from __future__ import annotations

from drorch.run import commands as cmd
from drorch.run.spans import SpanKind, Spans
from drorch.run.status import PaperResult
from tests.fakes.plans import TWICE, question, vm
from tests.fakes.script import T0, Script


def told(run: Script, step: str) -> list[tuple[SpanKind, float, float | None, bool]]:
    """Return the spans of a step in seconds from the beginning, read in two goes."""
    spans = Spans()
    spans.follow(run.log[: len(run.log) // 2])
    spans.follow(run.log[len(run.log) // 2 :])
    return [
        (
            span.kind,
            (span.begin - T0).total_seconds(),
            (span.end - T0).total_seconds() if span.end else None,
            span.failed,
        )
        for span in spans.of(step)
    ]


def test_each_attempt_is_a_span_and_a_person_has_their_own() -> None:
    run = Script(vm("db", retry=TWICE))
    run.later(10)
    run.fails("db")
    run.later(5)
    run.later(10)
    run.fails("db")
    run.later(60)
    assert told(run, "db") == [
        (SpanKind.MACHINE, 0, 10, True),
        (SpanKind.MACHINE, 15, 25, True),
        (SpanKind.PERSON, 25, None, False),
    ]
    run.retry("db")
    run.later(10)
    run.heals("db")
    assert told(run, "db")[2:] == [
        (SpanKind.PERSON, 25, 85, False),
        (SpanKind.MACHINE, 85, 95, False),
    ]


def test_an_answer_ends_the_time_of_the_person() -> None:
    run = Script(question("san"))
    run.later(30)
    run.approve("san")
    assert told(run, "san")[0] == (SpanKind.PERSON, 0, 30, False)
    assert [end for _, _, end, _ in told(run, "san")] == [30.0] * len(told(run, "san"))


def test_a_tick_from_paper_ends_what_was_under_way() -> None:
    run = Script(vm("db"), vm("web"))
    run.later(30)
    tick = cmd.Paper(by="anna", step="db", done_at=T0, done_by="Maria", result=PaperResult.DONE)
    run.send(tick)
    run.later(60)
    assert told(run, "db") == [(SpanKind.MACHINE, 0, 30, False)]


def test_what_an_abort_leaves_ends_with_the_run() -> None:
    run = Script(question("san"), vm("db", "san"))
    run.later(5)
    run.abort()
    assert run.state.is_over
    assert told(run, "san") == [(SpanKind.PERSON, 0, 5, False)]
    assert told(run, "db") == []

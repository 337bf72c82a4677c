"""What the journal tells of one step: attempts with their ends, and how a check's answers went."""

from __future__ import annotations

from typing import Any

from api.dashboard.step_history import answers_of, attempts_of
from drorch.journal.codec import encode
from drorch.journal.pages import recorded_json
from drorch.ports.journal import Recorded
from drorch.run import commands as cmd
from drorch.run.events import StepFact
from drorch.run.status import Scope
from tests.fakes.plans import TWICE, vm
from tests.fakes.script import Script


def told(run: Script, step: str) -> list[dict[str, Any]]:
    """Return the events of a step as the journal gives them."""
    records = (Recorded(n, event.at, event) for n, event in enumerate(run.log, 1))
    found = [recorded_json(r) for r in records if isinstance(r.event, StepFact)]
    assert all(encode(event) for event in run.log)
    return [event for event in found if event["step"] == step]


def test_each_attempt_has_its_times_its_result_and_its_error() -> None:
    run = Script(vm("db", retry=TWICE))
    run.later(3)
    run.accepted("db", "UPID:pve1:1")
    run.fails("db")
    run.later(5)
    run.runs("db")
    run.later(7)
    run.verified("db")
    first, second = attempts_of(told(run, "db"))
    assert (first.number, first.result, first.detail) == (1, "failed", "it broke")
    assert (first.handle, first.running_at) == ("UPID:pve1:1", None)
    assert first.accepted_at == first.ended_at
    assert (second.number, second.result, second.detail) == (2, "healthy", "")
    assert second.begun_at < (second.ended_at or "")
    assert second.running_at == second.begun_at


def test_what_was_not_received_and_what_is_not_known_are_no_failures() -> None:
    run = Script(vm("a"), vm("b"))
    run.unavailable("a", Scope.CONNECTOR, "pve")
    run.doubted("b")
    assert attempts_of(told(run, "a"))[0].result == "put back"
    assert attempts_of(told(run, "b"))[0].result == "in doubt"
    run.void("b")
    assert attempts_of(told(run, "b"))[0].result == "failed"


def test_an_attempt_that_goes_on_has_no_end() -> None:
    run = Script(vm("db"))
    assert [(a.result, a.ended_at) for a in attempts_of(told(run, "db"))] == [("open", None)]
    assert attempts_of([]) == []


def test_the_answers_of_a_check_come_newest_first() -> None:
    run = Script(vm("db"))
    run.runs("db")
    for healthy, evidence in ((False, "refused"), (False, "503"), (True, "200")):
        run.later(1)
        changed = {"check": "tcp", "healthy": healthy, "evidence": evidence}
        run.send(cmd.ReportCheck(step="db", attempt=1, **changed))  # type: ignore[arg-type]
    seen = answers_of(told(run, "db"), "tcp")
    assert [(a["healthy"], a["evidence"]) for a in seen] == [
        (True, "200"),
        (False, "503"),
        (False, "refused"),
    ]
    assert answers_of(told(run, "db"), "another") == []

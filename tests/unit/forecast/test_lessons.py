"""What a journal teaches: undisturbed first attempts, and nothing else."""

from __future__ import annotations

from datetime import timedelta

from drorch.forecast.lessons import TELLING, Took, lessons, taken
from drorch.model.plan import OnFailure
from drorch.ports.connector import Power
from drorch.run import commands as cmd
from drorch.run.status import OrderKind, PaperResult, Scope
from tests.fakes.exact import Exact, happens
from tests.fakes.plans import TWICE, callout, check, gate, plan, question, vm, wait
from tests.fakes.script import T0, Script


def later(run: Script, seconds: float) -> None:
    """Let time pass without any decision."""
    run.now += timedelta(seconds=seconds)


def boots(run: Script, step: str) -> None:
    later(run, 40)
    run.runs(step)
    later(run, 20)
    run.verified(step)


def test_each_kind_of_step_teaches_its_action_and_its_checks() -> None:
    names = ["machine", "gate", "question", "callout", "pause"]
    verify = {name: (check(name),) for name in names}
    made = plan(
        vm("machine", verify=verify["machine"]),
        gate("gate", verify=verify["gate"]),
        question("question", verify=verify["question"]),
        callout("callout", verify=verify["callout"]),
        wait("pause", 30, verify=verify["pause"]),
    )
    takes = {name: Exact(action=30, checks=12) for name in names} | {"gate": Exact(checks=12)}
    found = taken(e for e in happens(made, takes).events if isinstance(e, TELLING))
    assert found == {
        "machine": Took(OrderKind.START, 30, 12),
        "gate": Took(OrderKind.VERIFY, 0, 12),
        "question": Took(None, 30, 12),
        "callout": Took(OrderKind.CALLOUT, 30, 12),
        "pause": Took(OrderKind.WAIT, 30, 12),
    }


def test_an_attempt_that_was_not_received_is_none() -> None:
    run = Script(vm("db"))
    run.unavailable("db", Scope.MACHINE, "db")
    later(run, 600)
    run.cleared(Scope.MACHINE, "db")
    boots(run, "db")
    assert taken(run.log) == {"db": Took(OrderKind.START, 40, 20)}


def test_a_second_attempt_teaches_nothing() -> None:
    run = Script(vm("db", retry=TWICE))
    run.fails("db")
    run.later(5)
    boots(run, "db")
    assert taken(run.log) == {}


def test_what_was_disturbed_teaches_nothing() -> None:
    doubt, adopted, away = Script(vm("db")), Script(vm("db")), Script(vm("db"))
    doubt.doubted("db")
    boots(doubt, "db")
    adopted.accepted("db")
    adopted.send(cmd.Adopt(driver="you"))
    boots(adopted, "db")
    away.accepted("db")
    away.obstacle(Scope.CONNECTOR, "pve")
    away.later(180)
    away.cleared(Scope.CONNECTOR, "pve")
    boots(away, "db")
    assert [taken(run.log) for run in (doubt, adopted, away)] == [{}, {}, {}]


def test_a_machine_that_ran_already_teaches_nothing_of_booting() -> None:
    found, ran = Script(vm("db"), looked=False), Script(vm("db"))
    found.sees("db", Power.RUNNING)
    found.verified("db")
    ran.send(cmd.ReportAccepted(step="db", attempt=1, already=True))
    boots(ran, "db")
    assert taken(found.log) == taken(ran.log) == {}


def test_what_a_person_vouches_for_teaches_nothing() -> None:
    run = Script(vm("db"))
    run.runs("db")
    run.accept("db")
    assert taken(run.log) == {}


def test_what_was_done_by_the_paper_teaches_nothing_even_if_it_is_verified_later() -> None:
    run = Script(vm("db", on_failure=OnFailure.CONTINUE), vm("web"))
    run.sees("db", Power.OFF)
    tick = cmd.Paper(by="anna", step="db", done_at=T0, done_by="Maria", result=PaperResult.DONE)
    run.send(tick)
    run.sees("db", Power.OFF)
    later(run, 600)
    run.sees("db", Power.RUNNING)
    run.verified("db")
    assert run.status("db") == "healthy"
    assert taken(run.log) == {}


def test_runs_that_taught_nothing_do_not_count() -> None:
    one = {"db": Took(OrderKind.START, 40, 20)}
    found = lessons([one, {}, one])
    assert found.runs == 2
    assert found.steps == {"db": [one["db"], one["db"]]}

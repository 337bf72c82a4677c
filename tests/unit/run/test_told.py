"""What a run says of itself to people: attempts, objectives, what was left how, dry runs."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from api.locale import speaking
from api.locale import told as translated
from drorch.journal import codec
from drorch.model.plan import CheckSpec, Service
from drorch.ports.connector import Finding, Power, Severity
from drorch.run import commands as cmd
from drorch.run import events as ev
from drorch.run.evolve import fold
from drorch.run.seen import Seen
from drorch.run.services import service_json
from drorch.run.status import Mode, RunStatus, Scope, StepStatus
from drorch.run.views import counts, run_json, step_json
from tests.fakes.plans import ONCE, TWICE, callout, plan, question, vm, wait
from tests.fakes.replay import assert_replays
from tests.fakes.script import T0, Script, requested

GOAL = timedelta(minutes=20)


def told(run: Script, step: str) -> Any:
    return step_json(run.state, run.state.index(step))


def shop(**more: Any) -> Service:
    return Service(id="shop", title={"en": "Shop"}, steps=("web",), **more)


# Attempts and times (only what was received counts).


def test_an_order_that_was_not_received_never_happened() -> None:
    run = Script(vm("db", retry=TWICE))
    run.unavailable("db", Scope.MACHINE, "db")
    assert (told(run, "db")["tries"], told(run, "db")["started_at"]) == (0, None)
    run.later(60)
    run.cleared(Scope.MACHINE, "db")
    assert told(run, "db")["tries"] == 1
    assert told(run, "db")["started_at"] == told(run, "db")["attempt_at"]
    assert told(run, "db")["started_at"].startswith("2030-01-01T00:01:00")
    assert_replays(run.state, run.log)


def test_a_later_order_that_was_not_received_keeps_when_the_first_was() -> None:
    run = Script(vm("db", retry=TWICE))
    run.fails("db")
    run.later(5)
    run.unavailable("db", Scope.MACHINE, "db")
    assert told(run, "db")["started_at"].startswith("2030-01-01T00:00:00")
    assert told(run, "db")["tries"] == 1


def test_attempts_before_a_retry_by_a_person_are_told_apart() -> None:
    run = Script(vm("db", retry=TWICE))
    run.fails("db")
    run.later(5)
    run.fails("db")
    run.send(cmd.Retry(by="anna", step="db"))
    shown = told(run, "db")
    assert (shown["attempt"], shown["tries"], shown["tries_before"]) == (3, 1, 2)


def test_a_hold_that_changes_is_shown_with_its_new_reason_everywhere() -> None:
    run = Script(vm("db"))
    run.unavailable("db", Scope.MACHINE, "db")
    run.obstacle(Scope.MACHINE, "db", "held by bruno: encrypted")
    shown = told(run, "db")
    assert (shown["error"], shown["waits_for"]) == ("held by bruno: encrypted",) * 2
    assert run_json(run.state)["obstacles"][0]["reason"] == "held by bruno: encrypted"
    run.cleared(Scope.MACHINE, "db")
    assert told(run, "db")["error"] is None
    assert_replays(run.state, run.log)


def test_what_acts_waits_for_what_it_really_waits_for() -> None:
    run = Script(wait("calm", 90), callout("zone"), vm("db"))
    assert told(run, "calm")["waits_for"] == "its 1m30s to pass"
    assert told(run, "zone")["waits_for"] == "the callout call-zone to return"
    assert told(run, "db")["waits_for"] == "the machine to run"


# What an abort leaves behind.


def aborted(after: float) -> Script:
    """A machine that runs and whose check says 503, left by an abort."""
    run = Script(vm("web"), services=[shop(rto=GOAL)], rto=GOAL)
    run.sees("web", Power.OFF)
    run.runs("web")
    run.sees("web", Power.RUNNING)
    run.send(cmd.ReportCheck(step="web", attempt=1, check="tcp", healthy=False, evidence="503"))
    run.now += timedelta(seconds=after)
    run.send(cmd.Abort(by="anna"))
    assert run.verdict() is RunStatus.ABORTED
    return run


def test_a_step_that_was_given_up_keeps_how_it_was_left() -> None:
    shown = told(aborted(60), "web")
    assert shown["status"] is StepStatus.CANCELLED
    assert shown["error"] == "its machine RUNS, unverified; last seen: tcp: 503"


@pytest.mark.parametrize(("after", "met"), [(60, None), (599, None), (1201, False)])
def test_an_abort_misses_no_objective_whose_time_had_not_passed(after: int, met: object) -> None:
    run = Script(vm("web", verify_timeout=timedelta(hours=2)), services=[], rto=GOAL)
    run.now += timedelta(seconds=after)
    run.accepted("web")
    run.runs("web")
    run.send(cmd.Abort(by="anna"))
    assert run.verdict() is RunStatus.ABORTED
    assert run_json(run.state)["rto"]["met"] is met


def test_a_failed_run_has_missed_its_objective() -> None:
    run = Script(vm("web", retry=ONCE), rto=GOAL)
    run.fails("web")
    run.send(cmd.Reject(by="anna", step="web"))
    assert run.verdict() is RunStatus.FAILED
    assert run_json(run.state)["rto"]["met"] is False


def test_a_service_is_down_only_if_somebody_saw_it() -> None:
    seen = service_json(aborted(60).state, shop())
    assert seen["state"] == "down", "its check said 503"
    assert (seen["met"], seen["contact"]) == (None, None)
    run = Script(question("san"), vm("web", "san"), services=[shop()])
    run.send(cmd.Abort(by="anna"))
    assert run.verdict() is RunStatus.ABORTED
    assert service_json(run.state, shop())["state"] == "unknown", "nobody looked at its machine"


def test_a_service_without_a_contact_has_that_of_the_step_it_is_stuck_at() -> None:
    run = Script(vm("db", retry=ONCE, contact="vendor"), vm("web", "db"), services=[shop()])
    assert service_json(run.state, shop())["contact"] is None
    run.fails("db")
    assert service_json(run.state, shop())["contact"] == "vendor"
    assert service_json(run.state, shop(contact="desk"))["contact"] == "desk"


# Dry runs.


def rehearsed(**unexamined: str) -> list[ev.Event]:
    whole = plan(vm("db"), vm("web"), vm("mail"), question("san"))
    seen = {
        "db": Seen(power=Power.RUNNING, host="h1", machine="db"),
        "mail": Seen(power=Power.OFF, host="h1", machine="mail"),
    }
    return [
        requested(whole, Mode.DRY_RUN),
        ev.RunStarted(at=T0),
        ev.MachinesObserved(at=T0, connector="pve", machines=seen),
        ev.StepsExamined(at=T0, errors={"mail": "it is a template"}, unexamined=unexamined),
        ev.RunEnded(at=T0, status=RunStatus.FAILED),
    ]


def test_what_a_dry_run_could_not_look_at_is_neither_healthy_nor_failed() -> None:
    state = fold(rehearsed(web="pve2 does not answer"))
    shown = [step_json(state, number) for number in range(4)]
    words = ["found running", "not examined", "has an error", "nothing to look at"]
    assert [s["examined"] for s in shown] == words
    assert [s["status"] for s in shown] == ["healthy", "pending", "failed", "healthy"]
    assert (shown[1]["error"], shown[1]["waits_for"]) == ("pve2 does not answer", "")
    assert counts(state)["pending"] == 1
    assert run_json(state)["examined"] == {"machines": 3, "seen": 2}


def test_a_dry_run_from_before_folds_as_it_did() -> None:
    events = rehearsed()
    assert "unexamined" not in codec.encode(events[3])
    state = fold([codec.decode(e.type, codec.encode(e)) for e in events])
    assert [own.status for own in state.steps] == ["healthy", "healthy", "failed", "healthy"]
    assert run_json(state)["examined"] == {"machines": 3, "seen": 3}


def test_other_runs_say_nothing_of_being_examined() -> None:
    run = Script(vm("db"))
    assert (run_json(run.state)["examined"], told(run, "db")["examined"]) == (None, None)


# A preflight's warning.


def test_a_warning_that_a_connector_is_away_is_over_once_it_has_answered() -> None:
    run = Script(vm("db"), looked=False)
    away = Finding(
        severity=Severity.WARNING, code="connector-away", message="pve does not answer yet: refused"
    )
    run.send(cmd.ReportFindings(findings=(away,)))
    assert [f["outdated"] for f in run_json(run.state)["findings"]] == [False]
    run.sees("db", Power.OFF)
    assert [f["outdated"] for f in run_json(run.state)["findings"]] == [True]


URL = "http://10.0.0.1:8080/health"
SAID = "503 Service Unavailable, wanted 200"


def unwell(name: str) -> Script:
    """A machine that runs, and whose page says 503 until its time is over."""
    checks = (CheckSpec(kind="http", name=name, params={"url": URL}),)
    run = Script(vm("web", verify=checks, verify_timeout=timedelta(minutes=1), retry=ONCE))
    run.runs("web")
    seen = {"check": name, "healthy": False, "evidence": f"asked GET {URL}: {SAID}"}
    run.send(cmd.ReportCheck(step="web", attempt=1, **seen))  # type: ignore[arg-type]
    run.later(60)
    assert run.asks("web")
    return run


def test_what_a_check_has_asked_is_said_once() -> None:
    error = unwell(f"http {URL}").own("web").error
    assert error == f"not every check held within 1m: asked GET {URL}: {SAID}"
    with speaking("it"):
        said = translated(error)
    assert said == (
        f"non tutti i controlli hanno retto entro 1m: chiesto GET {URL}: "
        "503 Service Unavailable, atteso 200"
    )


def test_a_name_that_somebody_has_given_to_a_check_is_said() -> None:
    error = unwell("the desk's page").own("web").error
    assert error == f"not every check held within 1m: the desk's page: asked GET {URL}: {SAID}"


def test_a_step_that_was_given_up_says_once_what_was_asked() -> None:
    run = unwell(f"http {URL}")
    run.send(cmd.Retry(step="web", by="anna"))
    run.send(cmd.Abort(by="anna"))
    assert told(run, "web")["error"].count(URL) == 1

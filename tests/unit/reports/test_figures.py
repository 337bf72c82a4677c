"""Every figure of a report, against what was counted by hand."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import yaml

from api.reports.after_action import after_action
from drorch.model.plan import RetryPolicy, Service
from drorch.run import commands as cmd
from drorch.run import events as ev
from drorch.run.status import Mode, Scope
from plans import load
from tests.fakes.plans import ONCE, TWICE, question, started, vm
from tests.fakes.script import T0, Script
from tests.unit.reports.stage import (
    DESK,
    VENDOR,
    of_kind,
    recorded,
    report,
    step,
    unhealthy,
    vendor_story,
)


def test_where_the_time_went_summed_and_on_the_clock() -> None:
    told = report(vendor_story())
    # web: 10 boot, 5 back-off, 5 boot, 30 checks, 300 vendor, 30 after the retry; mail: 40
    assert told["waiting"] == {
        "people_s": 0.0,
        "vendors_s": 300.0,
        "machines_s": 115.0,
        "retries_s": 5.0,
    }
    clock = told["clock"]
    assert clock["run_s"] == 380.0
    assert clock["at_least_one"] == {
        "machines_s": 80.0,  # 0 to 50 (mail fills the back-off), 350 to 380
        "retries_s": 5.0,
        "vendors_s": 300.0,
        "people_s": 0.0,
        "held_s": 0.0,
    }
    assert clock["only"] == {
        "machines_s": 80.0,
        "retries_s": 0.0,
        "vendors_s": 300.0,
        "people_s": 0.0,
        "held_s": 0.0,
        "other_s": 0.0,
    }
    web = step(told, "web")
    assert (web["vendors_s"], web["retries_s"], web["people_s"]) == (300.0, 5.0, 0.0)


def test_who_was_waited_for_has_a_name() -> None:
    (line,) = report(vendor_story())["contacts"]
    assert line == {
        "contact": "vendor",
        "name": "Vendor of the registry",
        "kind": "vendors",
        "times": 1,
        "summed_s": 300.0,
        "clock_s": 300.0,
        "longest_s": 300.0,
        "steps": ["web"],
    }


def test_two_who_wait_for_one_person_count_once_on_the_clock() -> None:
    run = Script(question("a"), question("b"), contacts=(DESK,), owner="desk")
    run.later(60)
    run.approve("a")
    run.later(40)
    run.approve("b")
    told = report(run)
    (line,) = told["contacts"]
    assert (line["times"], line["summed_s"], line["clock_s"]) == (2, 160.0, 100.0)
    assert told["waiting"]["people_s"] == 160.0
    assert told["clock"]["only"]["people_s"] == 100.0
    manual = {line["step"]: line for line in told["manual"]}
    assert (manual["a"]["waited_s"], manual["b"]["waited_s"]) == (60.0, 100.0)
    assert (manual["a"]["by"], manual["a"]["comment"]) == ("anna", "seen")
    assert manual["a"]["assign"] == "On-call desk"


def test_the_critical_path_says_of_each_link_what_it_was() -> None:
    run = Script(vm("db", retry=TWICE), vm("web", "db"), vm("mail", "db"), parallel=1)
    run.later(10)
    run.fails("db")
    run.later(5)
    run.later(15)
    run.runs("db")
    run.later(20)
    run.heals("db")  # at 50; web is first in the plan, mail queues
    run.later(30)
    run.heals("web")  # at 80
    run.later(12)
    run.runs("mail")
    run.later(8)
    run.heals("mail")  # at 100
    told = report(run)
    db, mail = told["critical_path"]
    assert (db["step"], db["took_s"]) == ("db", 50.0)
    assert (db["boot_s"], db["verify_s"], db["retries_s"], db["queued_s"]) == (25.0, 20.0, 5.0, 0.0)
    assert (mail["step"], mail["took_s"]) == ("mail", 50.0)
    assert (mail["queued_s"], mail["boot_s"], mail["verify_s"]) == (30.0, 12.0, 8.0)


def test_the_critical_path_goes_through_a_start_where_a_start_was_enough() -> None:
    run = Script(vm("db"), vm("web", started("db")))
    run.later(10)
    run.runs("db")
    run.later(50)
    run.heals("web")  # at 60
    run.later(5)
    run.heals("db")  # at 65: it was over last, and waited for nobody
    assert [link["step"] for link in report(run)["critical_path"]] == ["db"]
    run = Script(vm("db"), vm("web", started("db")))
    run.later(10)
    run.runs("db")
    run.later(5)
    run.heals("db")
    run.later(5)
    run.heals("web")
    db, web = report(run)["critical_path"]
    assert (db["step"], db["took_s"]) == ("db", 10.0)  # until it ran, not until it was healthy
    assert (web["step"], web["took_s"]) == ("web", 10.0)


def test_a_path_ends_where_a_person_decided_last() -> None:
    run = Script(vm("a", retry=ONCE), vm("b"))
    run.later(10)
    run.heals("b")
    run.fails("a")
    run.later(90)
    run.skip("a")
    (link,) = report(run)["critical_path"]
    assert (link["step"], link["boot_s"], link["people_s"]) == ("a", 10.0, 90.0)


def test_a_failure_tells_how_it_was_solved() -> None:
    (failure,) = report(vendor_story())["failures"]
    assert failure["times"] == 2
    assert (failure["solved"], failure["by"], failure["took_s"]) == ("person-retry", "anna", 370.0)
    run = Script(vm("a", retry=ONCE), vm("b", retry=ONCE), vm("c", retry=ONCE), vm("d", "a"))
    for name in "abc":
        run.fails(name)
    run.later(10)
    run.accept("a")
    run.skip("b")
    run.reject("c")
    run.heals("d")
    told = report(run)
    assert {f["step"]: f["solved"] for f in told["failures"]} == {
        "a": "accepted",
        "b": "skipped",
        "c": "open",
    }
    assert (told["summary"]["failures"], told["summary"]["failures_open"]) == (3, 1)


def test_what_people_did_stands_in_order() -> None:
    run = Script(question("san"), vm("db", "san", retry=ONCE))
    run.later(5)
    run.approve("san")
    run.pause()
    run.later(5)
    run.resume()
    run.fails("db")
    run.obstacle(Scope.SITE, "halt", "halted by anna: gas leak")
    run.later(5)
    run.cleared(Scope.SITE, "halt")
    run.accept("db")
    told = report(run)
    assert [(a["did"], a["by"], a["step"]) for a in told["acts"]] == [
        ("requested", "ops", None),
        ("answered", "anna", "san"),
        ("paused", "anna", None),
        ("resumed", "anna", None),
        ("halted", "", None),
        ("lifted", "", None),
        ("accepted", "anna", "db"),
    ]
    assert told["acts"][4]["comment"] == "halted by anna: gas leak"
    assert told["clock"]["at_least_one"]["held_s"] == 10.0


def differing(run: Script) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for line in report(run)["differences"]:
        found.setdefault(line["step"], []).append(line["kind"])
    return found


def test_what_went_other_than_planned() -> None:
    quick, slow = timedelta(minutes=10), timedelta(seconds=20)
    run = Script(
        vm("slow", expect=slow),
        vm("quick", expect=quick),
        vm("usual", expect=slow),
        vm("bare", verify=(), expect=slow),
        vm("vouched", retry=ONCE),
        vm("after", "left"),
        vm("left", retry=ONCE),
    )
    run.later(20)
    run.runs("bare")
    run.heals("usual")
    run.fails("vouched")
    run.fails("left")
    run.accept("vouched")
    run.skip("left")
    run.later(70)
    run.heals("slow", "quick", "after")
    assert differing(run) == {
        "slow": ["slower"],
        "quick": ["faster"],
        "bare": ["unchecked"],
        "vouched": ["accepted"],
        "left": ["skipped"],
        "after": ["went-on"],
    }
    slower = of_kind(report(run)["differences"], "slower")
    assert slower[0]["values"] == {"took": "1m30s", "expected": "20s"}


def proposed(run: Script) -> dict[tuple[str, str], Any]:
    return {(p["step"], p["key"]): p for p in report(run)["proposals"]}


def test_proposals_are_keys_of_the_plan_language() -> None:
    run = Script(
        vm("slow", expect=timedelta(seconds=20)),
        vm("tight", start_timeout=timedelta(seconds=100), expect=timedelta(seconds=95)),
        vm("loose", verify_timeout=timedelta(hours=2), expect=timedelta(seconds=95)),
        vm("bare", verify=(), expect=timedelta(seconds=95)),
        vm("late", retry=TWICE, verify_timeout=timedelta(minutes=2)),
        vm("mended", retry=ONCE, expect=timedelta(seconds=95)),
        vm("last", retry=TWICE, expect=timedelta(seconds=95)),
        contacts=(DESK, VENDOR),
        owner="desk",
    )
    run.fails("last")
    run.later(5)
    run.runs("loose", "late", "last", "mended")
    run.later(90)
    run.runs("tight", "slow", "bare")
    run.heals("tight", "slow", "loose", "last")
    unhealthy(run, "late")
    unhealthy(run, "mended")
    run.later(5)  # the back-off
    run.retry("mended")  # after somebody has mended it: no number would have helped
    run.later(60)
    run.heals("late", "mended")
    found = {key: line["value"] for key, line in proposed(run).items()}
    assert found == {
        ("slow", "expect"): "95s",
        ("tight", "start_timeout"): "4m",  # twice the 95 s, in whole minutes
        ("loose", "verify_timeout"): "6m",  # four times the 90 s
        ("bare", "verify"): "[{agent: {}}]",
        ("late", "verify_timeout"): "4m",  # twice the 2 m that ran out
        ("late", "contact"): "desk",
        ("mended", "contact"): "desk",
        ("last", "retry"): "{attempts: 3, wait: 5s, max_wait: 1m}",
        ("last", "contact"): "desk",
    }


def test_a_proposal_can_be_merged_into_the_plan() -> None:
    run = Script(
        vm("slow", expect=timedelta(seconds=20)),
        vm("bare", verify=(), retry=RetryPolicy(attempts=2, wait=timedelta(seconds=5))),
        contacts=(DESK,),
        owner="desk",
    )
    run.fails("bare")
    run.later(5)
    run.later(90)
    run.runs("bare")
    run.heals("slow")
    document: Any = {
        "drorch": 1,
        "plan": "town",
        "owner": "desk",
        "contacts": {"desk": {"name": "Desk"}},
        "steps": {"slow": {"vm": "pve/1", "verify": [{"agent": {}}]}, "bare": {"vm": "pve/2"}},
    }
    before = load(yaml.safe_dump(document).encode(), "before.yaml")
    lines = proposed(run).values()
    assert {line["key"] for line in lines} == {"expect", "verify", "retry", "contact"}
    for line in lines:
        for name, keys in yaml.safe_load(line["yaml"])["steps"].items():
            document["steps"][name] |= keys
    after = load(yaml.safe_dump(document).encode(), "after.yaml")
    steps = {step.id: step for step in after.steps}
    assert {step.expect for step in before.steps} == {timedelta(minutes=1)}
    assert steps["slow"].expect == timedelta(seconds=95)
    assert (steps["bare"].retry.attempts, steps["bare"].contact) == (3, "desk")
    assert [check.kind for check in steps["bare"].verify] == ["agent"]


def test_a_simulation_learns_nothing_about_times() -> None:
    run = Script(vm("slow", expect=timedelta(seconds=20)), mode=Mode.SIMULATE)
    run.later(200)
    run.heals("slow")
    assert report(run)["differences"] == report(run)["proposals"] == []


def test_the_curve_and_the_bars_are_those_of_the_run() -> None:
    shop = Service(id="shop", title={"en": "Shop"}, steps=("web",))
    run = Script(vm("db"), vm("web", "db"), services=(shop,), rto=timedelta(minutes=1))
    run.later(10)
    run.runs("db")
    run.later(10)
    run.heals("db")
    run.later(20)
    run.heals("web")
    charts = report(run)["charts"]
    rows = {row["name"]: row["bars"] for row in charts["gantt"]["rows"]}
    assert rows["db"] == [("boot", 0.0, 10.0), ("check", 10.0, 20.0)]
    assert rows["web"][0] == ("boot", 20.0, 40.0)
    burn = charts["burn_up"]
    assert burn["points"] == [(0.0, 0, 0), (20.0, 1, 0), (40.0, 2, 1)]
    assert (burn["steps"], burn["services"], burn["rto_s"]) == (2, 1, 60.0)
    assert [line["steps"] for line in burn["table"]][-1] == 2


def test_a_clock_that_was_set_back_is_flagged() -> None:
    run = Script(vm("db"))
    run.later(60)
    run.heals("db")
    back = recorded(run)
    late = [
        record._replace(at=record.at - timedelta(hours=1))
        if isinstance(record.event, ev.StepHealthy | ev.RunEnded)
        else record
        for record in back
    ]
    (gap,) = after_action(late)["clock_gaps"]
    assert (gap["kind"], gap["seconds"]) == ("back", 3600.0)


def test_an_absence_of_drorch_is_flagged() -> None:
    run = Script(vm("db"))
    run.now = T0 + timedelta(minutes=20)
    run.send(cmd.Adopt(driver="other"))
    run.heals("db")
    (gap,) = report(run)["clock_gaps"]
    assert (gap["kind"], gap["seconds"]) == ("away", 1200.0)


def test_what_goes_on_is_counted_up_to_what_is_recorded() -> None:
    run = Script(question("san"), vm("db"))
    run.later(30)
    run.heals("db")
    told = report(run)
    assert told["clock"]["run_s"] == 30.0
    assert told["waiting"]["people_s"] == 30.0
    assert told["summary"]["took_s"] is None


def test_an_abort_ends_every_wait() -> None:
    run = Script(question("san"), vm("db", "san"))
    run.later(30)
    run.abort()
    told = report(run)
    assert told["waiting"]["people_s"] == 30.0
    assert told["run"]["status"] == "aborted"

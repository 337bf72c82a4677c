"""What a forecast makes of a run as it stands: what counts, what does not, and what it says so."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from drorch.forecast.forecast import Forecast, forecast, samples_for
from drorch.forecast.lengths import Known
from drorch.forecast.lessons import NOTHING, Lessons, Took
from drorch.forecast.views import with_forecast
from drorch.model.plan import OnFailure, RetryPolicy, Service, Step
from drorch.ports.connector import Power
from drorch.run.evolve import evolve
from drorch.run.state import HALT
from drorch.run.status import OrderKind, Scope, StepStatus
from drorch.run.views import run_json
from tests.fakes.plans import ONCE, callout, gate, group, plan, question, started, vm, wait
from tests.fakes.script import T0, Script, requested

LONG = timedelta(hours=3)


def minutes(many: float) -> timedelta:
    return timedelta(minutes=many)


def seen(run: Script, **took: float) -> Forecast:
    """Forecast *run*; ``took`` is what earlier runs took, in seconds, ten times each."""
    each = {name: [Took(OrderKind.START, 0.8 * s, 0.2 * s)] * 10 for name, s in took.items()}
    taught = Lessons(runs=10, steps=each) if took else NOTHING
    return forecast(run.state, run.now, Known(run.state.plan, taught), seed=1)


def left(run: Script, **took: float) -> float:
    """Return the median of what is left, in minutes."""
    found = seen(run, **took)
    assert found.end is not None
    return (found.end.p50 - run.now).total_seconds() / 60


def db(*after: Any, name: str = "db", **more: Any) -> Step:
    return vm(name, *after, **{"expect": minutes(10), "start_timeout": LONG} | more)


# What counts.


def test_a_chain_takes_its_sum_and_the_range_is_one() -> None:
    found = seen(Script(db(), db("db", name="web")))
    assert found.end is not None
    assert found.end.p10 < found.end.p50 < found.end.p90
    assert 15 <= left(Script(db(), db("db", name="web"))) <= 30
    assert found.critical_path == ("db", "web")
    assert found.basis[:4] == (0, 0, 2, 0)


def test_limits_make_it_longer() -> None:
    many = [db(name=f"m{n}") for n in range(6)]
    wide, narrow = Script(*many), Script(*many, parallel=1)
    assert left(narrow) > 3 * left(wide)
    assert len(seen(narrow).critical_path) == 6
    assert left(Script(*many, per_connector={"pve": 2})) > 1.5 * left(wide)


def test_earlier_runs_are_believed_more_than_the_plan() -> None:
    run = Script(db(), db("db", name="web"))
    assert left(run, db=60, web=60) == pytest.approx(2, rel=0.3)
    found = seen(run, db=60)
    assert found.basis[:3] == (10, 1, 1)
    known, guessed = seen(run, db=600, web=600), seen(run)
    assert known.end is not None
    assert guessed.end is not None
    assert known.end.p90 - known.end.p10 < guessed.end.p90 - guessed.end.p10


def test_a_step_under_way_uses_up_its_time_and_then_takes_longer_and_longer() -> None:
    run = Script(db(), db("db", name="web"))
    before = left(run)
    run.now += minutes(5)
    assert before - 6 < left(run) < before
    run.now += minutes(25)
    assert left(run) > 11, "late, and what comes after it still takes its time"
    run.heals("db")
    slow = left(run)
    assert slow > 13, "the next one will be slow, too"


def test_what_this_run_has_taught_scales_the_rest() -> None:
    steps = [db(name=f"m{n}") for n in range(8)]
    slow, fast = (Script(*steps, db(*[s.id for s in steps], name="web")) for _ in range(2))
    for run, took in ((slow, 20), (fast, 5)):
        run.now += minutes(took)
        run.heals(*[s.id for s in steps])
    assert left(slow) > 14
    assert left(fast) < 7


def test_a_question_takes_what_people_took_or_what_the_plan_says() -> None:
    run = Script(question("san", expect=minutes(4)), db("san"))
    found = seen(run)
    assert found.basis.answers == 1
    assert 10 < left(run) < 25
    taught = Lessons(runs=3, steps={"san": [Took(None, 3600, 0)] * 3})
    slow = forecast(run.state, run.now, Known(run.state.plan, taught))
    assert slow.end is not None
    assert slow.end.p50 - run.now > minutes(45)


def test_people_do_not_make_machines_slow() -> None:
    run = Script(question("san", expect=minutes(1)), db("san"))
    run.now += minutes(90)
    run.approve("san")
    assert left(run) < 14


def test_a_pause_of_the_plan_is_exact() -> None:
    run = Script(wait("calm", 600))
    run.now += minutes(4)
    found = seen(run)
    assert found.end is not None
    assert found.end == (T0 + minutes(10),) * 3


def test_started_is_enough_for_those_who_wait_for_it() -> None:
    steps = db(), db(started("db"), name="web", expect=minutes(1))
    run = Script(*steps)
    boot = {
        "db": [Took(OrderKind.START, 60, 540)] * 10,
        "web": [Took(OrderKind.START, 50, 10)] * 10,
    }
    found = forecast(run.state, run.now, Known(run.state.plan, Lessons(runs=10, steps=boot)))
    assert found.end is not None
    assert found.end.p50 - run.now == pytest.approx(minutes(10), rel=0.1)
    assert found.critical_path == ("db",)


def test_a_machine_that_runs_already_has_only_its_checks_ahead() -> None:
    run = Script(question("san"), db("san"))
    run.sees("db", Power.RUNNING)
    assert run.status("db") is StepStatus.VERIFYING
    run.approve("san")
    assert left(run) < 1


def test_a_retry_waits_for_its_time() -> None:
    run = Script(db(retry=RetryPolicy(attempts=3, wait=minutes(30), max_wait=LONG)))
    run.fails("db")
    assert left(run) > 35


# What is left out, and what is taken for granted.


def test_what_a_failure_blocks_is_left_out_and_said() -> None:
    run = Script(db(retry=ONCE), db("db", name="web"), db(name="mail"))
    run.fails("db")
    found = seen(run)
    assert found.incomplete
    assert set(found.basis.left_out) == {"db", "web"}
    assert found.critical_path == ("mail",)
    run.heals("mail")
    nothing = seen(run)
    assert (nothing.end, nothing.critical_path) == (None, ())
    assert with_forecast(run_json(run.state), nothing)["eta"] is None
    run.retry("db")
    assert not seen(run).incomplete


def test_who_goes_on_after_a_failure_is_forecast() -> None:
    run = Script(db(retry=ONCE, on_failure=OnFailure.CONTINUE), db("db", name="web"))
    run.fails("db")
    found = seen(run)
    assert not found.incomplete
    assert found.critical_path == ("web",)


def test_nothing_begins_after_a_stop() -> None:
    run = Script(db(retry=ONCE, on_failure=OnFailure.STOP), db(name="mail"), db("mail", name="web"))
    run.fails("db")
    assert set(seen(run).basis.left_out) == {"db", "web"}


def test_what_a_person_holds_is_left_out_with_all_that_needs_it() -> None:
    run = Script(db(), db("db", name="web"), db(name="mail"))
    run.unavailable("db", Scope.MACHINE, "db")
    run.later(60)
    assert set(seen(run).basis.left_out) == {"db", "web"}


def test_what_is_in_the_way_is_taken_to_end_now_and_said() -> None:
    run = Script(db(), gate("net"), callout("zone", "net"), looked=False)
    assert seen(run).basis.assumes == (), "nobody has looked yet: that is not in the way"
    run.obstacle(Scope.CONNECTOR, "pve")
    run.obstacle(*HALT)
    run.pause()
    found = seen(run)
    assert set(found.basis.assumes) == {"the pause", "connector pve being away", "the halt"}
    assert found.end is not None
    assert not found.incomplete


def test_services_have_ranges_of_their_own() -> None:
    services = [
        Service(id="up", title={}, steps=("db",)),
        Service(id="soon", title={}, steps=("db", "web")),
        Service(id="stuck", title={}, steps=("mail",)),
        Service(id="elsewhere", title={}, external=True),
    ]
    run = Script(db(), db("db", name="web"), db(name="mail", retry=ONCE), services=services)
    run.fails("mail")
    run.heals("db")
    found = seen(run)
    assert found.services.keys() == {"soon", "stuck"}
    assert found.services["soon"] == found.end
    assert found.services["stuck"] is None
    told = with_forecast(run_json(run.state), found)
    assert [s["eta"] is None for s in told["services"]] == [True, False, True, True]
    assert told["eta"].keys() == {"p10", "p50", "p90"}
    assert told["eta_basis"]["left_out"] == 1


# The forecast itself.


def test_the_same_question_has_the_same_answer() -> None:
    run = Script(db(), db("db", name="web"))
    assert seen(run) == seen(run)
    assert forecast(run.state, run.now, seed=2).end != forecast(run.state, run.now, seed=3).end


def test_a_run_that_has_not_begun_can_be_forecast() -> None:
    state = evolve(None, requested(plan(db(group="g"), groups=[group("g")])))
    found = forecast(state, T0)
    assert found.end is not None
    assert found.end.p50 > T0 + minutes(5)


def test_more_of_anything_never_makes_it_shorter_without_limits() -> None:
    short, long = (
        Script(*(db(*([f"m{n - 1}"] if n else []), name=f"m{n}") for n in range(size)))
        for size in (5, 6)
    )
    assert left(short) < left(long)


@pytest.mark.parametrize(("steps", "many"), [(0, 200), (140, 200), (2_000, 80), (10_000, 24)])
def test_a_large_run_gets_fewer_samples(steps: int, many: int) -> None:
    assert samples_for(steps) == many

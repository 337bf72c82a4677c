"""The forecast's own scheduler against the real engine: the same order, limits and needs."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from drorch.forecast.forecast import Forecast, forecast
from drorch.forecast.lengths import Known, Length
from drorch.forecast.lessons import NOTHING
from drorch.forecast.outline import Outline, outline
from drorch.forecast.scheduler import schedule
from drorch.model.plan import Dependency, Group, Limits, Plan, Step, When
from drorch.run import events as ev
from drorch.run.evolve import evolve, fold
from drorch.run.services import service_up_at
from drorch.run.status import RunStatus
from tests.fakes.exact import Exact, Happened, happens
from tests.fakes.plans import callout, check, gate, group, plan, question, service, vm, wait
from tests.fakes.script import T0, requested

_HOURS = timedelta(hours=9)
"""No deadline shall be in the way: what fails is not forecast."""
_CLOSE = 0.01
_MORE = int(os.environ.get("DRORCH_SEEDS", "1"))
_SLOW = (HealthCheck.too_slow, HealthCheck.data_too_large)


@dataclass(frozen=True)
class Case:
    plan: Plan
    takes: Mapping[str, Exact]
    hosts: Mapping[str, str]


@st.composite
def cases(draw: st.DrawFn) -> Case:
    """A plan with everything that orders or limits a run, and what each step takes."""
    size = draw(st.integers(2, 24))
    block = draw(st.integers(3, 9))
    groups = {f"g{n}": draw(st.none() | st.integers(1, 3)) for n in range(1 + size // block)}
    steps: list[Step] = []
    takes: dict[str, Exact] = {}
    for number in range(size):
        own = f"g{number // block}"
        step, exact = _step(draw, number, own, steps)
        steps.append(step)
        takes[step.id] = exact
    names = [step.id for step in steps]
    some = st.lists(st.sampled_from(names), min_size=1, max_size=3, unique=True)
    services = [
        service(f"v{n}", draw(st.integers(1, 3)), *draw(some))
        for n in range(draw(st.integers(0, 3)))
    ]
    made = plan(
        *steps,
        groups=[group(name, limit) for name, limit in groups.items()],
        services=services,
        parallel=draw(st.sampled_from((1, 2, 3, 5, 20))),
        per_connector=draw(st.dictionaries(st.sampled_from("ab"), st.integers(1, 4))),
        per_host=draw(st.none() | st.integers(1, 2)),
    )
    hosts = {name: draw(st.sampled_from(("h1", "h2", "h3"))) for name in names}
    return Case(made, takes, hosts if draw(st.booleans()) else {})


def _step(draw: st.DrawFn, number: int, own: str, before: Sequence[Step]) -> tuple[Step, Exact]:
    name = f"s{number}"
    needs = _needs(draw, own, before)
    verified = draw(st.booleans())
    more: dict[str, Any] = {
        "group": draw(st.sampled_from([None, own])),
        "start_timeout": _HOURS,
        "verify_timeout": _HOURS,
        "expect": timedelta(seconds=draw(st.integers(10, 300))),
        "verify": (check(name),) if verified else (),
    }
    # No two steps take the same time: at a tie either of two may be first, and both are right.
    action = draw(st.integers(20, 300)) + number * 0.0137
    checks = draw(st.integers(1, 200)) + number * 0.0071 if verified else 0.0
    both = Exact(action=action, checks=checks)
    kind = draw(st.sampled_from("mmmmmgwqc"))
    if kind == "g":
        alone = checks or 30 + number * 0.0137
        return gate(name, *needs, **{**more, "verify": (check(name),)}), Exact(checks=alone)
    if kind == "w":
        return wait(name, action, *needs, **more), both
    if kind == "q":
        return question(name, *needs, **more), both
    if kind == "c":
        return callout(name, *needs, **more), both
    return vm(name, *needs, connector=draw(st.sampled_from("ab")), **more), both


def _needs(draw: st.DrawFn, own: str, before: Sequence[Step]) -> list[Dependency]:
    """Return steps before, and groups that get no more members."""
    targets = [step.id for step in before]
    targets += sorted({step.group for step in before if step.group} - {own})
    if not targets:
        return []
    found = draw(st.lists(st.sampled_from(targets), max_size=3, unique=True))
    return [Dependency(target=target, when=draw(st.sampled_from(When))) for target in found]


def known(case: Case) -> Known:
    """Return what the steps of *case* take as if it were known for certain."""
    found = Known(case.plan, NOTHING)
    for number, step in enumerate(case.plan.steps):
        exact = case.takes[step.id]
        begun = exact.action if step.machine is not None else 0.0
        found.whole[number] = Length(exact.whole, 0.0, begun, learned=True, cell=None)
        found.checks[number] = Length(exact.checks, 0.0, 0.0, learned=True, cell=None)
    return found


def foreseen(case: Case, told: Happened, events: int) -> tuple[Forecast, datetime]:
    """Return the forecast when so many *events* had happened, and when that was."""
    now = told.events[events - 1].at
    state = fold(told.events[:events])
    return forecast(state, now, known(case), samples=1), now


@settings(max_examples=60 * _MORE, deadline=None, suppress_health_check=_SLOW)
@given(cases(), st.floats(0, 1))
def test_a_forecast_of_known_durations_is_what_the_engine_does(case: Case, share: float) -> None:
    told = happens(case.plan, case.takes, case.hosts)
    whole = fold(told.events)
    assert whole.status is RunStatus.SUCCEEDED
    assert whole.started_at is not None
    end = told.events[-1].at
    took = (end - whole.started_at).total_seconds()
    begin = next(n for n in told.cuts if not fold(told.events[:n]).obstacles)
    cuts = [n for n in told.cuts if begin <= n < len(told.events)]
    for cut in {cuts[0], cuts[int(share * (len(cuts) - 1))]}:
        found, now = foreseen(case, told, cut)
        assert found.end is not None
        assert not found.incomplete
        assert abs((found.end.p50 - end).total_seconds()) <= _CLOSE * took
        for one in case.plan.services:
            back = service_up_at(whole, one)
            assert back is not None
            if back > now:
                eta = found.services[one.id]
                assert eta is not None
                assert abs((eta.p50 - back).total_seconds()) <= _CLOSE * took


@settings(max_examples=60 * _MORE, deadline=None, suppress_health_check=_SLOW)
@given(cases(), st.integers(0, 23), st.floats(0, 500))
def test_without_limits_a_slower_step_makes_nothing_quicker(
    case: Case, which: int, more: float
) -> None:
    """With limits it may: that a place is free later can be a better order (Graham's anomaly)."""
    names = [step.id for step in case.plan.steps]
    free = replace(case.plan, limits=Limits(parallel=100), groups=_unlimited(case.plan))
    state = evolve(evolve(None, requested(free)), ev.RunStarted(at=T0))
    left = outline(state, T0)
    lengths = [case.takes[names[number]].whole for number in left.steps]
    slower = list(lengths)
    slower[which % len(names)] += more
    before, after = (schedule(left, all_of, _starts(left, all_of)) for all_of in (lengths, slower))
    assert all(b <= a + 1e-6 for b, a in zip(before.ends, after.ends, strict=True))


def _unlimited(made: Plan) -> tuple[Group, ...]:
    return tuple(replace(one, parallel=None) for one in made.groups)


def _starts(left: Outline, lengths: Sequence[float]) -> dict[int, float]:
    return {rank: lengths[rank] / 2 for rank in left.at_start}

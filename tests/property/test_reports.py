"""Whatever happened in a run: its report is made, and its figures cannot contradict each other."""

from __future__ import annotations

import math
import os
from itertools import pairwise

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from api.reports.after_action import after_action
from api.reports.history import read_history
from api.reports.page import standalone
from drorch.model.plan import Plan
from drorch.ports.journal import Recorded
from drorch.run.status import Mode
from tests.property.history import History
from tests.property.wide import Move, moves, plans

_MORE = int(os.environ.get("DRORCH_SEEDS", "1"))
_SLOW = (HealthCheck.too_slow, HealthCheck.data_too_large)
_PARTS = ("queued_s", "boot_s", "verify_s", "people_s", "vendors_s", "retries_s")
_NEAR = 0.01
_MODES = st.sampled_from([Mode.LIVE, Mode.LIVE, Mode.SIMULATE])


def played(plan: Plan, mode: Mode, script: list[Move]) -> tuple[History, list[Recorded]]:
    history = History(plan, mode)
    for move in script:
        history.play(move)
    log = [Recorded(n, event.at, event) for n, event in enumerate(history.log, start=1)]
    return history, log


@settings(max_examples=100 * _MORE, deadline=None, suppress_health_check=_SLOW)
@given(plan=plans(), mode=_MODES, script=moves())
def test_waiting_never_exceeds_what_there_was(plan: Plan, mode: Mode, script: list[Move]) -> None:
    run, log = played(plan, mode, script)
    told = after_action(log)
    clock = told["clock"]
    assert sum(told["waiting"].values()) <= clock["run_s"] * len(plan.steps) + _NEAR
    assert math.isclose(sum(clock["only"].values()), clock["run_s"], abs_tol=_NEAR)
    for kind, seconds in clock["at_least_one"].items():
        assert 0 <= clock["only"][kind] <= seconds + _NEAR
        assert seconds <= clock["run_s"] + _NEAR
    for line in told["contacts"]:
        assert line["longest_s"] <= line["clock_s"] + _NEAR
        assert line["clock_s"] <= line["summed_s"] + _NEAR
    for spans in read_history(log, run.state).spans:
        assert all(span.began <= span.ended for span in spans)
        assert all(before.ended <= after.began for before, after in pairwise(spans))


@settings(max_examples=80 * _MORE, deadline=None, suppress_health_check=_SLOW)
@given(plan=plans(), script=moves())
def test_the_path_is_a_chain_and_its_parts_are_the_whole(plan: Plan, script: list[Move]) -> None:
    _, log = played(plan, Mode.LIVE, script)
    path = after_action(log)["critical_path"]
    for link in path:
        parts = [link[part] for part in _PARTS]
        assert all(part >= 0 for part in parts)
        if link["took_s"] is not None and link["took_s"] >= 0:
            assert math.isclose(sum(parts), link["took_s"], abs_tol=_NEAR)
    assert len({link["step"] for link in path}) == len(path)
    needs = {step.id: {d.target for d in step.depends_on} for step in plan.steps}
    groups = {step.id: step.group for step in plan.steps}
    for before, after in pairwise(path):
        wanted = needs[after["step"]]
        assert before["step"] in wanted or groups[before["step"]] in wanted


@settings(max_examples=25 * _MORE, deadline=None, suppress_health_check=_SLOW)
@given(plan=plans(), mode=_MODES, script=moves())
def test_it_can_be_printed(plan: Plan, mode: Mode, script: list[Move]) -> None:
    _, log = played(plan, mode, script)
    assert standalone(after_action(log), log[-1].at).endswith("</html>")

"""A dry run tells what it has seen, and never calls well what it could not look at."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import pytest
from typing_extensions import override

from drorch.engine.preflight import Preflight
from drorch.engine.rehearsal import Rehearsal
from drorch.engine.rehearsing import Rehearser
from drorch.engine.simulation import ImaginedCallouts
from drorch.engine.virtual import VirtualClock, run_virtually
from drorch.errors import AuthenticationError, ConnectorError, UnavailableError
from drorch.journal.memory import MemoryJournal
from drorch.model.plan import CheckSpec, MachineRef, Step
from drorch.ports.check import CheckResult, Verdict
from drorch.ports.connector import Finding, Power
from drorch.run.state import RunState
from drorch.run.status import Mode, RunStatus
from drorch.run.views import counts, run_json, step_json
from tests.fakes.estate import CountedEstate
from tests.fakes.plans import gate, plan, vm
from tests.fakes.script import T0, requested

RUN = "test-1"
BEHIND = (gate("power"), vm("m0", "power"), vm("m1", "m0"))
"""A black start: something comes before the first machine."""


class Everything:
    """Every check holds."""

    async def probe(self, check: CheckSpec, machine: MachineRef | None) -> CheckResult:
        del check, machine
        return CheckResult(verdict=Verdict.HEALTHY, evidence="200")


class Forgetful(CountedEstate):
    """Shows its machines, and then cannot be asked about them."""

    @override
    async def examine(self, machines: Collection[str]) -> list[Finding]:
        raise UnavailableError("it went away")


def rehearsed(estate: CountedEstate, *steps: Step, holds: str = "") -> RunState:
    async def held(connector: str, machine: str, name: str) -> str:
        return "held by rita: encrypted" if machine == holds else ""

    async def play() -> RunState:
        journal = MemoryJournal()
        journal.create(RUN, (requested(plan(*steps), Mode.DRY_RUN),))
        preflight = Preflight({"pve": estate}, ImaginedCallouts(), lambda _: "", held)
        rehearser = Rehearser(
            journal=journal,
            rehearsal=Rehearsal(preflight, Everything()),
            clock=VirtualClock(T0),
            driver="here",
        )
        return await rehearser.drive(RUN, await journal.read(RUN))

    return run_virtually(play())


def words(state: RunState) -> list[Any]:
    return [step_json(state, number)["examined"] for number in range(len(state.steps))]


def away(error: ConnectorError) -> CountedEstate:
    estate = CountedEstate(2)
    estate.failure = error
    return estate


def test_machines_that_nobody_saw_are_no_success() -> None:
    state = rehearsed(away(UnavailableError("connection refused")), *BEHIND)
    assert state.status is RunStatus.FAILED
    assert run_json(state)["examined"] == {"machines": 2, "seen": 0}
    assert words(state) == ["no error", "not examined", "not examined"]
    assert (counts(state)["pending"], counts(state)["healthy"]) == (2, 1)
    first = state.findings[0]
    assert (first.code, first.severity) == ("connector-away", "error")
    assert "connection refused" in first.message
    assert "run the dry run again" in first.hint
    assert [o["reason"] for o in run_json(state)["obstacles"]] == ["connection refused"]


@pytest.mark.parametrize(
    "error", [UnavailableError("connection refused"), AuthenticationError("the token is wrong")]
)
def test_what_refuses_a_live_run_leaves_every_step_unexamined(error: ConnectorError) -> None:
    state = rehearsed(away(error), vm("m0"), vm("m1"))
    assert state.status is RunStatus.FAILED
    assert words(state) == ["not examined"] * 2
    assert [own.error for own in state.steps] == [error.message] * 2


def test_machines_that_were_seen_and_not_asked_about_are_not_examined() -> None:
    state = rehearsed(Forgetful(2), vm("m0", verify=()), vm("m1", verify=()))
    assert state.status is RunStatus.FAILED
    assert words(state) == ["not examined"] * 2
    assert state.steps[0].error == "seen, but not examined: it went away"


def test_what_was_seen_is_told_as_it_is() -> None:
    estate = CountedEstate(3)
    estate.becomes("m1", Power.RUNNING)
    state = rehearsed(estate, vm("m0"), vm("m1"), vm("m2"), holds="m2")
    assert state.status is RunStatus.FAILED, "something answers for machines that are off"
    assert words(state) == ["has an error", "found running", "has an error"]
    bare = [vm(name, verify=()) for name in ("m0", "m1", "m2")]
    state = rehearsed(estate, *bare, holds="m2")
    assert state.status is RunStatus.SUCCEEDED
    assert words(state) == ["could start", "found running", "held"]
    assert run_json(state)["examined"] == {"machines": 3, "seen": 3}
    assert step_json(state, 1)["power"] is Power.RUNNING

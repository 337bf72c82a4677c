"""A live run that takes two people: approved by a second one, in time, for exactly this plan."""

from __future__ import annotations

from datetime import timedelta

import pytest

from drorch.access.policy import APPROVAL_WITHIN
from drorch.errors import CommandRejectedError
from drorch.run import commands as cmd
from drorch.run import events as ev
from drorch.run.decide import decide
from drorch.run.decisions import approval_digest
from drorch.run.effects import next_due
from drorch.run.evolve import evolve
from drorch.run.state import RunState
from drorch.run.status import Mode, RunStatus
from tests.fakes.plans import plan, vm
from tests.fakes.script import T0

ANNA, BRUNO = "person:anna", "person:bruno"
START, ADVANCE = cmd.Start(driver="me"), cmd.Advance()


def awaiting(*, only: tuple[str, ...] = ()) -> RunState:
    asked = ev.RunRequested(
        at=T0,
        run="town-1",
        plan=plan(vm("db"), vm("web", "db")),
        mode=Mode.LIVE,
        by="anna",
        identity=ANNA,
        only=only,
        approve_by=T0 + APPROVAL_WITHIN,
    )
    return evolve(None, asked)


def yes(state: RunState, identity: str = BRUNO, **more: str) -> cmd.ApproveRun:
    told = {"by": identity.partition(":")[2], "digest": approval_digest(state), **more}
    return cmd.ApproveRun(identity=identity, **told)


def play(state: RunState, command: cmd.Command, after: timedelta = timedelta(0)) -> list[str]:
    events = decide(state, command, T0 + after)
    for event in events:
        evolve(state, event)
    return [event.type for event in events]


def test_nothing_begins_before_the_approval_and_everything_after_it() -> None:
    state = awaiting()
    assert state.status == "awaiting_approval"
    assert play(state, START) == []
    assert play(state, ADVANCE) == []
    assert next_due(state) == T0 + timedelta(minutes=15)
    assert play(state, yes(state)) == ["run.approved"]
    assert play(state, START) == ["run.started"]
    assert state.status == "running"
    assert state.approval is not None
    assert (state.approval.by, state.requested_by) == ("bruno", "anna")


def test_who_asked_cannot_approve_but_can_break_the_glass() -> None:
    state = awaiting()
    with pytest.raises(CommandRejectedError, match="a second person has to approve") as refused:
        play(state, yes(state, ANNA))
    assert "--break-glass" in refused.value.hint
    assert play(state, yes(state, ANNA, break_glass="nobody answers")) == ["run.approved"]
    assert state.approval is not None
    assert state.approval.break_glass == "nobody answers"


def test_an_approval_is_bound_to_the_plan_and_its_selection() -> None:
    state, part = awaiting(), awaiting(only=("db",))
    assert approval_digest(state) != approval_digest(part)
    with pytest.raises(CommandRejectedError, match="another plan, or another part"):
        play(state, yes(part))
    with pytest.raises(CommandRejectedError, match="another plan, or another part"):
        play(state, yes(state, digest="0" * 64))


def test_after_fifteen_minutes_it_is_too_late_and_the_run_ends_by_itself() -> None:
    state, late = awaiting(), timedelta(minutes=15)
    assert play(state, ADVANCE, late - timedelta(seconds=1)) == []
    with pytest.raises(CommandRejectedError, match="time for its approval is over"):
        play(state, yes(state), late)
    assert play(state, ADVANCE, late) == ["run.abort-requested"]
    while play(state, ADVANCE, late):
        pass
    assert state.status is RunStatus.ABORTED
    assert {own.status for own in state.steps} == {"cancelled"}
    assert state.started_at is None


@pytest.mark.parametrize(
    "decision",
    [
        cmd.Pause(by="bruno"),
        cmd.Skip(by="bruno", step="db"),
        cmd.Accept(by="bruno", step="db"),
        cmd.Retry(by="bruno", step="db"),
    ],
)
def test_nothing_else_is_decided_about_it_meanwhile(decision: cmd.Command) -> None:
    with pytest.raises(CommandRejectedError, match="awaits its approval"):
        play(awaiting(), decision)


def test_it_can_be_aborted_instead() -> None:
    state = awaiting()
    assert play(state, cmd.Abort(by="anna")) == ["run.abort-requested"]
    while play(state, ADVANCE):
        pass
    assert state.status is RunStatus.ABORTED


def test_a_run_is_approved_once() -> None:
    state = awaiting()
    play(state, yes(state))
    with pytest.raises(CommandRejectedError, match="needs no approval now: bruno has given it"):
        play(state, yes(state, "person:carla"))

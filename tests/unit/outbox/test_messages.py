"""What a message says: chosen fields, bounded, and JSON whatever people and machines wrote."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from drorch.outbox.messages import MOST_BYTES, Happened, payload
from drorch.run import events as ev
from drorch.run.status import Ask, FailureKind, Mode, RunStatus
from tests.fakes.plans import plan, vm
from tests.fakes.script import T0


def told(event: ev.Event) -> dict[str, Any]:
    text = payload(Happened(run="town-1", plan="town", mode="live", seq=7, event=event))
    assert len(text.encode()) <= MOST_BYTES
    content: dict[str, Any] = json.loads(text)
    return content


def test_a_message_names_run_plan_step_and_actor() -> None:
    event = ev.StepFailed(
        at=T0, step="db", kind=FailureKind.REFUSED, detail="no disk", by="anna", comment="gone"
    )
    content = told(event)
    assert content["type"] == "step.failed"
    assert content["timestamp"].endswith("Z")
    assert content["data"] == {
        "run": "town-1",
        "plan": "town",
        "mode": "live",
        "seq": 7,
        "step": "db",
        "actor": "anna",
        "kind": "refused",
        "detail": "no disk",
        "comment": "gone",
    }


def test_what_has_no_actor_and_no_step_says_null() -> None:
    data = told(ev.RunEnded(at=T0, status=RunStatus.SUCCEEDED))["data"]
    assert (data["step"], data["actor"], data["status"]) == (None, None, "succeeded")


def test_the_plan_does_not_leave() -> None:
    big = plan(*(vm(f"machine-{n}") for n in range(500)))
    event = ev.RunRequested(at=T0, run="town-1", plan=big, mode=Mode.LIVE, by="anna", reason="fire")
    content = told(event)
    assert content["data"]["reason"] == "fire"
    assert "machine-1" not in json.dumps(content)


@given(st.text(), st.sampled_from(["", "\x00", "\U0001f4a5", '"', "\ud800", "\\", "\x1b[2J"]))
def test_hostile_text_is_bounded_json(text: str, filler: str) -> None:
    hostile = text + filler * 20_000
    event = ev.StepAsked(
        at=T0, step="db", ask=Ask.MANUAL, question=hostile, assign=hostile, overdue_at=T0
    )
    data = told(event)["data"]
    if len(hostile) < 200 and "\ud800" not in hostile:
        assert data.get("question", "") == hostile


def test_every_text_too_long_at_once_still_fits() -> None:
    wide = "\x01" * 5000
    event = ev.RunApproved(
        at=T0, by=wide, identity=wide, digest=wide, comment=wide, break_glass=wide
    )
    assert len(told(event)["data"]["comment"]) < 5000
    failed = ev.StepFailed(
        at=T0, step=wide, kind=FailureKind.REFUSED, detail=wide, by=wide, comment=wide
    )
    told(failed)

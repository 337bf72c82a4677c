"""Every event and every decision survives the journal, whole."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from drorch.errors import JournalError
from drorch.journal import codec
from drorch.model.plan import CheckSpec, Contact, OpeningHours, Plan, Service
from drorch.run import commands as cmd
from drorch.run import events as ev
from drorch.run.status import Mode, Scope
from tests.fakes.plans import callout, finished, gate, group, plan, question, started, vm, wait
from tests.fakes.script import T0

_KINDS = (*get_args(ev.RunEvent), *get_args(ev.StepEvent))

FULL = plan(
    vm("db", group="dbs", verify=(CheckSpec(kind="ntp", name="n", params={"max_offset": 0.5}),)),
    gate("net", "dbs", verify=(CheckSpec(kind="tcp", name="t", stable=timedelta(seconds=9)),)),
    question("q", started("db"), timeout=60.0),
    wait("w", 0.5, finished("q")),
    callout("c", contact="anna"),
    groups=[group("dbs", 2)],
    services=[
        Service(
            id="s",
            title={"it": "Anagrafe", "en": "Registry"},
            rto=timedelta(hours=2),
            open_by=OpeningHours(time="08:15", days=("mon",), closed=("2026-12-25",)),
            steps=("db",),
            fallback={"it": "carta d'identità"},
        )
    ],
    per_connector={"pve": 3},
    per_host=1,
)


def test_there_is_a_name_for_every_event() -> None:
    assert set(codec.EVENTS.values()) == set(_KINDS)
    assert len(codec.EVENTS) == len(_KINDS)


@pytest.mark.parametrize("kind", _KINDS, ids=lambda kind: kind.type)
def test_every_event_comes_back_as_it_went(kind: type[ev.Event]) -> None:
    @settings(max_examples=15, deadline=None)
    @given(_instances(kind))
    def comes_back(event: ev.Event) -> None:
        assert codec.decode(event.type, codec.encode(event), codec.version(event)) == event

    comes_back()


def _instances(kind: type[ev.Event]) -> st.SearchStrategy[ev.Event]:
    offsets = st.timedeltas(timedelta(0), timedelta(days=400))
    st.register_type_strategy(Plan, st.just(FULL))
    st.register_type_strategy(datetime, st.builds(T0.__add__, offsets))
    st.register_type_strategy(Mapping, _dictionaries)
    return st.from_type(kind)


def _dictionaries(kind: Any) -> st.SearchStrategy[dict[Any, Any]]:
    keys, values = get_args(kind)
    return st.dictionaries(st.from_type(keys), st.from_type(values), max_size=3)


def test_a_plan_with_everything_in_it_travels_whole() -> None:
    whole = Plan(
        id="p",
        title="Ripartenza à la carte \N{SNOWMAN}",
        steps=FULL.steps,
        groups=FULL.groups,
        services=FULL.services,
        limits=FULL.limits,
        contacts=(Contact(id="anna", name="Anna", phone="+39", email="a@example"),),
        rto=timedelta(hours=4),
        digest="abc",
        owner="anna",
    )
    event = ev.RunRequested(at=T0, run="p-1", plan=whole, mode=Mode.LIVE, by="ops")
    again = codec.decode(event.type, codec.encode(event))
    assert again == event
    assert isinstance(again, ev.RunRequested)
    assert [type(s.action) for s in again.plan.steps] == [type(s.action) for s in FULL.steps]


@pytest.mark.parametrize("kind", get_args(cmd.Decision), ids=lambda kind: kind.__name__)
def test_every_decision_comes_back_as_it_went(kind: type[cmd.Decision]) -> None:
    needed: dict[str, Any] = {"step": "db", "identity": "token:1", "digest": "abc"}
    needed |= {"done_at": T0, "done_by": "maria"}
    more = {name: needed[name] for name in needed if name in kind.__dataclass_fields__}
    decision = kind(by="anna", comment="perché no?", **more)
    assert codec.decode_decision(*codec.encode_decision(decision)) == decision


def test_moments_come_back_in_one_time_zone() -> None:
    """Two that carry zones of their own take twenty times as long to compare."""
    paused = ev.RunPaused(at=T0, by="anna")
    assert codec.decode(paused.type, codec.encode(paused)).at.tzinfo is UTC


@pytest.mark.parametrize("at", ["soon", 5, None])
def test_what_is_no_moment_is_refused(at: object) -> None:
    with pytest.raises(ValidationError):
        codec.decode("run.paused", json.dumps({"at": at, "by": "anna"}))


def test_rows_are_decoded_as_each_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(codec, "VERSIONS", {"run.paused": 2})
    monkeypatch.setattr(codec, "UPCASTERS", {("run.paused", 1): lambda d: {**d, "by": "old"}})
    events: list[ev.Event] = [ev.RunPaused(at=T0, by="anna"), ev.RunResumed(at=T0, by="anna")]
    old, new = [codec.encode(event) for event in events]
    rows = [(1, "run.paused", 1, old), (2, "run.paused", 2, old), (3, "run.resumed", 1, new)]
    found = codec.decode_rows(rows)
    assert [record.seq for record in found] == [1, 2, 3]
    assert [record.at for record in found] == [T0, T0, T0]
    assert [record.event for record in found] == [ev.RunPaused(at=T0, by="old"), *events]


@pytest.mark.parametrize(("kind", "version"), [("step.exploded", 1), ("run.paused", 2)])
def test_what_a_newer_drorch_wrote_is_refused_with_help(kind: str, version: int) -> None:
    with pytest.raises(JournalError, match="does not know") as refused:
        codec.decode(kind, "{}", version)
    assert "newer drorch" in refused.value.hint


def test_an_older_version_is_brought_up_to_date(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(codec, "VERSIONS", {"run.paused": 3})
    upcasters = {
        ("run.paused", 1): lambda data: {**data, "by": data["who"]},
        ("run.paused", 2): lambda data: {"at": data["at"], "by": data["by"].upper()},
    }
    monkeypatch.setattr(codec, "UPCASTERS", upcasters)
    old = '{"at": "2030-01-01T00:00:00Z", "who": "anna"}'
    assert codec.decode("run.paused", old, 1) == ev.RunPaused(at=T0, by="ANNA")
    assert codec.version(ev.RunPaused(at=T0, by="x")) == 3


def test_half_a_character_from_outside_keeps_no_event_from_being_recorded() -> None:
    broken = ev.ObstacleGone(at=T0, scope=Scope.HOST, key="pve/no\ud83dde \u00e0 1\0")
    mended = codec.encode(broken)
    decoded = codec.decode(broken.type, mended)
    assert decoded == ev.ObstacleGone(at=T0, scope=Scope.HOST, key="pve/no?de \u00e0 1\0")
    assert mended == codec.encode(decoded), "and nothing else is written in another way"

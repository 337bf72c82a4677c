"""Services in a run: the opening that they have to be back for, and those that run elsewhere."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from api.reports.after_action import after_action
from drorch.journal import codec
from drorch.model.plan import OpeningHours, Service
from drorch.ports.journal import Recorded
from drorch.run import commands as cmd
from drorch.run import events as ev
from drorch.run.evolve import evolve, fold
from drorch.run.services import service_json, was_spared
from drorch.run.state import RunState
from drorch.run.status import Mode, OrderKind, RunStatus
from drorch.run.views import run_json
from tests.fakes.plans import ONCE, check, plan, vm
from tests.fakes.replay import assert_replays
from tests.fakes.script import T0, Script

HOURS = OpeningHours(time="08:15", days=("mon", "tue", "wed", "thu", "fri"))
REGISTRY = Service(id="registry", title={"en": "Registry"}, steps=("web",), open_by=HOURS)
TAXES = Service(id="taxes", title={"en": "Taxes"}, external=True, verify=(check("front"),))
FRIDAY = datetime(2026, 11, 20, 17, 0, tzinfo=UTC)
MONDAY = "2026-11-23T07:15:00.000Z"


def begun(mode: Mode = Mode.LIVE, zone: str = "Europe/Rome", *services: Service) -> RunState:
    town = plan(vm("web", retry=ONCE), services=services or (REGISTRY,))
    asked = ev.RunRequested(at=FRIDAY, run="test-1", plan=town, mode=mode, by="ops", timezone=zone)
    return evolve(evolve(None, asked), ev.RunStarted(at=FRIDAY, driver="me"))


def healthy(state: RunState, at: datetime) -> RunState:
    return evolve(state, ev.StepHealthy(at=at, step="web", attempt=1))


def opening(state: RunState) -> Any:
    return service_json(state, state.plan.services[0])["open_by"]


def test_an_opening_is_that_after_the_run_began_in_the_zone_of_the_run() -> None:
    told = opening(begun())
    days = ["mon", "tue", "wed", "thu", "fri"]
    assert told == {"time": "08:15", "days": days, "closed": [], "at": MONDAY, "met": None}
    assert opening(begun(zone="America/New_York"))["at"] == "2026-11-23T13:15:00.000Z"
    assert run_json(begun())["timezone"] == "Europe/Rome"


def test_the_opening_is_met_by_what_is_up_at_that_moment() -> None:
    at = datetime.fromisoformat(MONDAY)
    assert opening(healthy(begun(), at))["met"] is True
    assert opening(healthy(begun(), at + timedelta(seconds=1)))["met"] is False


def test_a_run_that_ended_without_the_service_has_missed_its_opening() -> None:
    ended = ev.RunEnded(at=FRIDAY + timedelta(hours=1), status=RunStatus.FAILED)
    assert opening(evolve(begun(), ended))["met"] is False
    assert opening(evolve(begun(Mode.SIMULATE), ended))["met"] is False
    assert opening(evolve(begun(Mode.DRY_RUN), ended))["met"] is None


NEVER = OpeningHours(
    time="08:15",
    closed=tuple((FRIDAY + timedelta(days=n)).date().isoformat() for n in range(-1, 420)),
)


@pytest.mark.parametrize(("zone", "hours"), [("Europe/Atlantis", HOURS), ("Europe/Rome", NEVER)])
def test_where_no_opening_is_known_nothing_is_met_or_missed(zone: str, hours: OpeningHours) -> None:
    state = begun(Mode.LIVE, zone, Service(id="s", title={}, steps=("web",), open_by=hours))
    assert (opening(state)["at"], opening(state)["met"]) == (None, None)
    assert opening(healthy(state, FRIDAY))["met"] is None


def test_a_run_that_has_not_begun_counts_from_when_it_was_asked_for() -> None:
    asked = ev.RunRequested(
        at=FRIDAY, run="r", plan=plan(vm("web"), services=[REGISTRY]), mode=Mode.LIVE, by="ops"
    )
    assert opening(evolve(None, asked))["at"] == "2026-11-23T08:15:00.000Z", "in UTC: none was said"


def test_a_journal_from_before_time_zones_folds() -> None:
    asked = ev.RunRequested(at=T0, run="r", plan=plan(vm("web")), mode=Mode.LIVE, by="ops")
    assert "timezone" not in codec.encode(asked)
    assert fold([codec.decode(asked.type, codec.encode(asked))]).timezone == "UTC"


def test_the_report_counts_openings_that_were_missed() -> None:
    other = Service(id="other", title={}, steps=("web",), open_by=OpeningHours(time="23:00"))
    state = begun(Mode.LIVE, "Europe/Rome", REGISTRY, other)
    asked = ev.RunRequested(
        at=FRIDAY, run="r", plan=state.plan, mode=Mode.LIVE, by="ops", timezone="Europe/Rome"
    )
    log: list[ev.Event] = [
        asked,
        ev.RunStarted(at=FRIDAY, driver="me"),
        ev.StepHealthy(at=FRIDAY + timedelta(hours=10), step="web", attempt=1),
    ]
    told = after_action([Recorded(seq=n, at=e.at, event=e) for n, e in enumerate(log, start=1)])
    assert [s["open_by"]["met"] for s in told["services"]] == [True, False]
    assert (told["summary"]["openings"], told["summary"]["openings_missed"]) == (2, 1)


def watched() -> Script:
    return Script(vm("web"), services=[TAXES])


def taxes(run: Script) -> Any:
    return service_json(run.state, TAXES)


def says(run: Script, healthy: bool | None, evidence: str = "200") -> tuple[ev.Event, ...]:
    return run.send(cmd.ReportService(service="taxes", healthy=healthy, evidence=evidence))


def test_only_a_changed_verdict_of_an_external_service_is_an_event() -> None:
    run = watched()
    assert says(run, True) == (
        ev.ServiceSeen(at=T0, service="taxes", healthy=True, evidence="200"),
    )
    assert says(run, True, "200 in 3 ms") == ()
    assert len(says(run, False, "503")) == 1
    assert says(run, False, "504") == ()
    assert len(says(run, None, "the secret is not configured")) == 1
    assert len(says(run, True)) == 1
    assert [e.healthy for e in run.of(ev.ServiceSeen)] == [True, False, None, True]
    assert_replays(run.state, run.log)


def test_the_view_says_what_is_known_and_since_when() -> None:
    run = watched()
    assert (taxes(run)["state"], taxes(run)["evidence"], taxes(run)["since"]) == (
        "unknown", None, None,
    )  # fmt: skip
    run.later(60)
    says(run, False, "front: 503")
    run.later(60)
    says(run, False, "front: 504")
    told = taxes(run)
    assert (told["state"], told["evidence"]) == ("down", "front: 503")
    assert told["since"] == "2030-01-01T00:01:00.000Z"
    says(run, None, "no secret")
    assert (taxes(run)["state"], taxes(run)["evidence"]) == ("unknown", "no secret")
    says(run, True)
    assert taxes(run)["state"] == "up"
    assert (taxes(run)["up_at"], taxes(run)["met"]) == (None, None), "nothing that we recovered"


def test_what_is_heard_after_the_end_changes_nothing() -> None:
    run = watched()
    run.heals("web")
    assert run.state.is_over
    assert says(run, True) == ()


def test_an_external_service_neither_opens_a_step_nor_wakes_an_effect() -> None:
    run = watched()
    run.state.dirty.clear()
    says(run, False, "503")
    assert run.state.dirty == set()


def test_an_external_service_that_was_well_at_every_look_was_spared() -> None:
    def after(*answers: bool | None) -> bool:
        state = begun(Mode.LIVE, "Europe/Rome", TAXES)
        for answer in answers:
            seen = ev.ServiceSeen(at=FRIDAY, service="taxes", healthy=answer, evidence="")
            state = evolve(state, seen)
        return was_spared(state, TAXES)

    assert after(True)
    assert not any(after(*story) for story in ((), (False,), (None,), (False, True), (None, True)))


FOUND = ev.MachineFound(at=FRIDAY, step="web", outside=False)
ORDERED = ev.StepStarted(
    at=FRIDAY, step="web", attempt=1, order=OrderKind.START, until=FRIDAY + timedelta(hours=1)
)
SICK = ev.CheckChanged(
    at=FRIDAY, step="web", attempt=1, check="tcp", healthy=False, evidence="refused"
)


@pytest.mark.parametrize(
    ("story", "spared"),
    [
        ([FOUND], True),
        ([ORDERED], False),
        ([replace(FOUND, outside=True)], False),
        ([FOUND, SICK], False),
        ([replace(ORDERED, order=OrderKind.VERIFY)], True),
    ],
)
def test_what_was_found_running_and_well_was_spared(story: list[ev.Event], spared: bool) -> None:
    state = begun()
    for event in story:
        state = evolve(state, event)
    assert not was_spared(state, REGISTRY), "nobody knows yet"
    assert was_spared(healthy(state, FRIDAY), REGISTRY) is spared


def test_what_a_person_vouched_for_was_not_seen() -> None:
    state = evolve(evolve(begun(), FOUND), ev.StepHealthy(at=FRIDAY, step="web", attempt=0))
    state.steps[0].accepted_by = "anna"
    assert not was_spared(state, REGISTRY)

"""The after-action report of a run, as data: what was back when, and where the time went."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from api.reports.charts import burn_up, gantt
from api.reports.differences import differences
from api.reports.failures import failures
from api.reports.history import (
    BOOT,
    CHECK,
    PEOPLE,
    RETRIES,
    VENDORS,
    History,
    clock_gaps,
    read_history,
)
from api.reports.measures import Json, between, done_at
from api.reports.path import critical_path
from api.reports.people import acts, manual_actions
from api.reports.proposals import proposals
from api.reports.services import Earlier, earlier_json, services
from api.reports.summary import summary
from api.reports.waiting import by_contact, on_the_clock, summed
from drorch.journal.pages import recorded_json
from drorch.model.collector import collector_paused
from drorch.ports.journal import Recorded
from drorch.run import events as ev
from drorch.run.evolve import fold
from drorch.run.state import RunState
from drorch.run.views import run_json, step_json
from drorch.run.words import stamp

_QUIET = (ev.RunRequested, ev.MachinesObserved, ev.CheckChanged, ev.RetryDue, ev.DeadlineMoved)


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What a report tells besides the run's own journal."""

    imported: bool = False
    """It goes on elsewhere, and is here to be read only."""
    earlier: Sequence[Earlier] = ()
    record: Mapping[str, Any] | None = None
    more: Mapping[str, Any] = field(default_factory=dict)
    """What only the configuration knows of the run."""


_NOTHING = Known()


def after_action(
    recorded: Sequence[Recorded], *, imported: bool = False, known: Known = _NOTHING
) -> Json:
    """Return the report of the run with this journal, also while it goes on."""
    with collector_paused():
        state = fold(record.event for record in recorded)
        state.imported = imported or known.imported
        return _told(recorded, state, known)


def _told(recorded: Sequence[Recorded], state: RunState, known: Known) -> Json:
    history = read_history(recorded, state)
    told_services, failed = services(state, known.earlier), failures(recorded, state)
    return {
        "run": run_json(state) | dict(known.more),
        "summary": summary(state, told_services, failed),
        "services": told_services,
        "steps": [_step(state, history, number) for number in range(len(state.steps))],
        "waiting": summed(history),
        "clock": on_the_clock(recorded, history),
        "contacts": by_contact(history, state),
        "critical_path": critical_path(state, history),
        "acts": acts(recorded),
        "manual": manual_actions(recorded, state),
        "failures": failed,
        "timeline": [
            recorded_json(record) for record in recorded if not isinstance(record.event, _QUIET)
        ],
        "differences": differences(state),
        "proposals": proposals(state),
        "earlier": [earlier_json(run) for run in known.earlier],
        "charts": {"gantt": gantt(state, history), "burn_up": burn_up(state, history)},
        "clock_gaps": [
            {"seq": gap.seq, "at": stamp(gap.at), "seconds": gap.seconds, "kind": gap.kind}
            for gap in clock_gaps(recorded)
        ],
        "as_of": stamp(recorded[-1].at),
        "record": known.record,
    }


def _step(state: RunState, history: History, number: int) -> Json:
    own = state.steps[number]
    spent = dict.fromkeys((BOOT, CHECK, PEOPLE, VENDORS, RETRIES), 0.0)
    for span in history.spans[number]:
        spent[span.kind] += span.seconds
    return step_json(state, number) | {
        "queued_s": between(own.ready_at, own.started_at),
        "boot_s": between(own.started_at, own.running_at),
        "verify_s": between(own.running_at, own.healthy_at),
        "took_s": between(own.ready_at, done_at(own)),
        "expected_s": state.step(number).expect.total_seconds(),
        "acting_s": round(spent[BOOT], 3),
        "checking_s": round(spent[CHECK], 3),
        "people_s": round(spent[PEOPLE], 3),
        "vendors_s": round(spent[VENDORS], 3),
        "retries_s": round(spent[RETRIES], 3),
        "contact": state.step(number).contact,
    }

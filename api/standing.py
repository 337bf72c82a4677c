"""How each service of the stored plans stands now, from all that is known about it.

What a person says goes first; then an open live run, which knows better than anybody who only
looks; then what was seen on an ordinary day, while it is fresh; then the newest live run.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

import structlog

from api.bootstrap import Application
from api.reading import RunReader
from drorch.engine.lookout import FRESH
from drorch.errors import PlanError
from drorch.journal.pages import RunLine, newest_runs, open_runs
from drorch.journal.service_sightings import Kept, Key
from drorch.journal.shelf import StoredPlan
from drorch.journal.site_rules import Notice
from drorch.model.moment import stamp
from drorch.model.plan import Plan, Service
from drorch.run.services import Json, opening_json, was_spared
from drorch.run.state import RunState
from drorch.run.status import Mode

log = structlog.get_logger()

RunJson = Callable[[RunLine], Awaitable[Json]]
"""Shows a run as the API does."""


class _Recovery(NamedTuple):
    """An open live run that has begun; one that awaits its approval tells nothing yet."""

    state: RunState
    services: Mapping[str, Json]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Known:
    """All that is known at one moment. ``fresh_s``: how old a sighting may be."""

    now: datetime
    fresh_s: float
    recoveries: Sequence[_Recovery]
    ended: Mapping[str, Json]
    seen: Mapping[Key, Kept]
    notices: Mapping[str, Notice]


async def standing(
    app: Application, reader: RunReader, plans: Sequence[Plan], run_json: RunJson
) -> list[Json]:
    """Return each service of *plans*, those restored first at the top. Raises `JournalError`."""
    newest = await newest_runs(app.store, Mode.LIVE)
    known = _Known(
        now=app.clock.now(),
        fresh_s=FRESH * app.settings.services.look_every,
        recoveries=await _recoveries(app, reader, run_json),
        ended={line.plan: await run_json(line) for line in newest if line.ended_at is not None},
        seen=await app.sightings.all(),
        notices={one.service: one for one in await app.site.notices()},
    )
    found = [_line(known, plan, service) for plan in plans for service in plan.services]
    return sorted(found, key=lambda line: (line["tier"], line["plan"], line["id"]))


async def readable(
    stored: Sequence[StoredPlan], compiled: Callable[[StoredPlan], Awaitable[Plan]]
) -> list[Plan]:
    """Return the plans of *stored*, without those that an older drorch took and this one not."""
    found = []
    for each in stored:
        try:
            found.append(await compiled(each))
        except PlanError as error:
            log.warning("services.plan-unread", plan=each.plan, reason=error.message)
    return found


async def _recoveries(
    app: Application, reader: RunReader, run_json: RunJson
) -> Sequence[_Recovery]:
    found = []
    for line in await open_runs(app.store):
        if line.mode != Mode.LIVE:
            continue
        state = await reader.state(line.id)
        if state.started_at is not None and not state.is_over:
            told = await run_json(line)
            found.append(_Recovery(state, {s["id"]: s for s in told["services"]}))
    return found


def _line(known: _Known, plan: Plan, service: Service) -> Json:
    line = _derived(known, plan, service)
    notice = known.notices.get(service.id)
    return {
        "seen_at": None,
        **line,
        "state": notice.state if notice else line["state"],
        "derived_state": line["state"],
        "notice": asdict(notice) if notice else None,
    }


def _derived(known: _Known, plan: Plan, service: Service) -> Json:
    """Return what drorch itself knows."""
    for recovery in known.recoveries:
        if recovery.state.plan.id == plan.id and service.id in recovery.services:
            return _restored(recovery, service.id)
    kept = known.seen.get(Key(plan.id, service.id))
    if kept is not None and kept.age_s <= known.fresh_s:
        return _seen(known, plan, service, kept)
    run = known.ended.get(plan.id)
    ended = {line["id"]: line for line in run["services"]} if run else {}
    if run is None or service.id not in ended or _is_older(run, kept, known.now):
        return _blank(plan, service)
    line = ended[service.id]
    return {**line, "known_by": "ended_run", "since": line["since"] or line["up_at"]}


def _is_older(run: Json, kept: Kept | None, now: datetime) -> bool:
    """Tell whether somebody has looked since *run* ended: then what it left is no news."""
    if kept is None:
        return False
    looked_at = now - timedelta(seconds=kept.age_s)
    return datetime.fromisoformat(run["ended_at"]) < looked_at


def _restored(recovery: _Recovery, service: str) -> Json:
    line, state = recovery.services[service], recovery.state
    own = next(each for each in state.plan.services if each.id == service)
    since = line["since"] or line["up_at"] or _stamped(state.started_at)
    if line["state"] == "up" and was_spared(state, own):
        return {**line, "known_by": "run", "state": "not_affected", "since": None}
    return {**line, "known_by": "run", "since": since}


def _stamped(at: datetime | None) -> str | None:
    return stamp(at) if at is not None else None


def _seen(known: _Known, plan: Plan, service: Service, kept: Kept) -> Json:
    seen = kept.sighting
    state = {True: "up", False: "down", None: "unknown"}[seen.healthy]
    if seen.healthy and _was_up_before(known, seen.since):
        state = "not_affected"
    return {
        **_blank(plan, service),
        "known_by": "sighting",
        "state": state,
        "evidence": seen.evidence,
        "since": seen.since,
        "seen_at": stamp(known.now - timedelta(seconds=kept.age_s)),
    }


def _was_up_before(known: _Known, since: str) -> bool:
    """Tell whether recoveries are under way, and all of them began after *since*.

    None of them has the service, else it would not have been looked at.
    """
    began = [each.state.started_at for each in known.recoveries if each.state.started_at]
    return bool(began) and datetime.fromisoformat(since) < min(began)


def _blank(plan: Plan, service: Service) -> Json:
    return {
        "id": service.id,
        "title": dict(service.title),
        "state": "unknown",
        "known_by": "nothing",
        "tier": service.tier,
        "eta": None,
        "rto": service.rto.total_seconds() if service.rto else None,
        "rta": None,
        "met": None,
        "up_at": None,
        "open_by": opening_json(service.open_by),
        "contact": service.contact,
        "fallback": dict(service.fallback),
        "external": service.external,
        "evidence": None,
        "since": None,
        "plan": plan.id,
        "run": None,
    }

"""The services of a run as data: what is up, since when, and against which objective."""

from __future__ import annotations

from datetime import datetime
from typing import Any, TypeAlias

from drorch.model.hours import next_opening, zone_named
from drorch.model.plan import OpeningHours, Service
from drorch.ports.connector import Power
from drorch.run.state import RunState, StepState
from drorch.run.status import Ask, Mode, RunStatus, StepStatus
from drorch.run.words import stamp

Json: TypeAlias = dict[str, Any]

_SEEN_OFF = frozenset({Power.OFF, Power.PAUSED, Power.CRASHED})


def service_json(state: RunState, service: Service) -> Json:
    """Return a service of this run with its state and its recovery time so far."""
    up_at = service_up_at(state, service)
    began = state.started_at
    rto = service.rto.total_seconds() if service.rto else None
    rta = (up_at - began).total_seconds() if up_at and began else None
    seen = state.externals.get(service.id)
    return {
        "id": service.id,
        "title": dict(service.title),
        "state": _service_state(state, service, up_at),
        "tier": service.tier,
        "eta": None,
        "rto": rto,
        "rta": rta,
        "met": met_by(state, service, rto, rta),
        "up_at": stamp(up_at),
        "open_by": open_by_json(state, service),
        "contact": contact_of(state, service),
        "fallback": dict(service.fallback),
        "external": service.external,
        "evidence": seen.evidence if seen else None,
        "since": stamp(seen.since) if seen else None,
        "plan": state.plan.id,
        "run": state.run,
    }


def open_by_json(state: RunState, service: Service) -> Json | None:
    """Return the opening that a service has to be back for; None when the plan names none.

    ``met`` is null while it still can be, or where nobody measures: compare ``at`` with the
    present. ``at`` is null when no opening is in sight or this machine lacks the time zone.
    """
    hours = service.open_by
    at = _opening_at(state, hours) if hours else None
    return opening_json(hours, at, met=_opening_met(state, service, at))


def opening_json(
    hours: OpeningHours | None, at: datetime | None = None, *, met: bool | None = None
) -> Json | None:
    """Return opening hours with the opening that counts, as far as there is one."""
    if hours is None:
        return None
    days, closed = list(hours.days), list(hours.closed)
    return {"time": hours.time, "days": days, "closed": closed, "at": stamp(at), "met": met}


def _opening_at(state: RunState, hours: OpeningHours) -> datetime | None:
    """Return the first opening after the run began (or was asked for, before it begins)."""
    began, zone = state.started_at or state.requested_at, zone_named(state.timezone)
    return next_opening(hours, began, zone) if began and zone else None


def _opening_met(state: RunState, service: Service, at: datetime | None) -> bool | None:
    if at is None or service.external or state.mode is Mode.DRY_RUN:
        return None
    up_at = service_up_at(state, service)
    if up_at is None:
        began = state.started_at or state.requested_at
        assert began is not None  # noqa: S101 (a run begins by being requested)
        return None if may_still_be(state, (at - began).total_seconds()) else False
    return up_at <= at


def met_by(state: RunState, service: Service, rto: float | None, rta: float | None) -> bool | None:
    """Tell whether a service met its objective; None while it can, or where nobody measures."""
    if rto is None or service.external or state.mode is Mode.DRY_RUN:
        return None
    if rta is None:
        return None if may_still_be(state, rto) else False
    return rta <= rto


def may_still_be(state: RunState, rto: float) -> bool:
    """Tell whether an objective that is not met yet was still open when the run stood as it does.

    A person may abort a run long before its objective is due: nothing was missed by that.
    """
    if not state.is_over:
        return True
    if state.ended is not RunStatus.ABORTED or state.ended_at is None:
        return False
    return state.started_at is None or (state.ended_at - state.started_at).total_seconds() < rto


def service_up_at(state: RunState, service: Service) -> datetime | None:
    """Return when the last of the service's steps became healthy, if all are."""
    times: list[datetime] = []
    for step in service.steps:
        own = state.steps[state.index(step)]
        if own.status is not StepStatus.HEALTHY or own.healthy_at is None:
            return None
        times.append(own.healthy_at)
    return max(times, default=None)


def service_up_on_paper(state: RunState, service: Service) -> datetime | None:
    """Return when a service was up as the printed runbook says; None where nothing of it is told.

    Steps that nobody ticked count from when drorch saw them healthy.
    """
    if service_up_at(state, service) is None:
        return None
    steps = [state.steps[state.index(step)] for step in service.steps]
    ticks = [own.from_paper for own in steps]
    if not any(ticks):
        return None
    pairs = zip(steps, ticks, strict=True)
    times = (tick.done_at if tick is not None else own.healthy_at for own, tick in pairs)
    return max((at for at in times if at is not None), default=None)


def _service_state(state: RunState, service: Service, up_at: datetime | None) -> str:
    if state.mode in (Mode.DRY_RUN, Mode.SIMULATE):
        return "unknown"
    if service.external:
        return _external_state(state, service)
    if up_at is not None:
        return "up"
    if any(_is_down(state, n) for n in _needed(state, service)):
        return "down"
    if state.is_over:
        return "unknown"  # it was left before anybody knew
    return "restoring" if state.started_at else "down"


def _needed(state: RunState, service: Service) -> list[int]:
    """Return the steps that a service needs, directly or not, in plan order."""
    nodes = [state.graph.index[step] for step in service.steps]
    return sorted(n for n in state.graph.closure(nodes) if not state.graph.is_group(n))


def contact_of(state: RunState, service: Service) -> str | None:
    """Return who to call about a service: its own contact, or that of the step it is stuck at."""
    if service.contact is not None:
        return service.contact
    stuck = (n for n in _needed(state, service) if _stuck(state, n))
    return next((own for n in stuck if (own := _assigned(state, n)) is not None), None)


def _assigned(state: RunState, number: int) -> str | None:
    return state.steps[number].assign or state.step(number).contact


def was_spared(state: RunState, service: Service) -> bool:
    """Tell whether a service is up and was never seen down in this run.

    One that runs elsewhere was well at every look. For one of our own every machine that it needs
    was found running, none was ordered, and its checks held from the first time on; where a
    person vouched for a step nobody knows.
    """
    if service.external:
        seen = state.externals.get(service.id)
        return seen is not None and seen.healthy is True and not seen.changed
    if service_up_at(state, service) is None:
        return False
    needed = _needed(state, service)
    return any(state.step(n).machine is not None for n in needed) and all(
        _was_spared(state.steps[n]) for n in needed
    )


def _was_spared(own: StepState) -> bool:
    is_sure = own.status is StepStatus.HEALTHY and not own.accepted_by
    return is_sure and not own.was_down


def _external_state(state: RunState, service: Service) -> str:
    seen = state.externals.get(service.id)
    if seen is None or seen.healthy is None:
        return "unknown"
    return "up" if seen.healthy else "down"


def _is_down(state: RunState, number: int) -> bool:
    """Tell whether this step keeps its service down for all that is known.

    Of what an ended run has left alone only what was seen counts: a machine that is off, a check
    that did not hold.
    """
    own = state.steps[number]
    if own.status is StepStatus.WAITING and own.ask is Ask.FAILURE:
        return True
    if own.status is StepStatus.FAILED:
        return True
    if not state.is_over or own.status in (StepStatus.HEALTHY, StepStatus.SKIPPED):
        return False
    return own.power in _SEEN_OFF or any(not seen.healthy for seen, _ in own.checks.values())


_LEFT = frozenset({StepStatus.WAITING, StepStatus.FAILED, StepStatus.CANCELLED})


def _stuck(state: RunState, number: int) -> bool:
    """Tell whether a person has to look at this step, or would have had to."""
    own = state.steps[number]
    tries_in_vain = bool(own.error) and (own.in_flight or own.status is StepStatus.READY)
    return own.status in _LEFT or state.held(number) or tries_in_vain

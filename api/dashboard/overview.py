"""What the first page tells: the open run first; on an ordinary day, whether one could begin."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from api.dashboard.glance import Glance
from api.dashboard.run_now import is_back
from api.dashboard.run_view import band_of
from api.locale import _, ngettext
from api.routes.desk import Desk
from api.telling import connector_types
from drorch.errors import PlanError
from drorch.journal.pages import RunLine, newest_runs, open_runs
from drorch.journal.shelf import StoredPlan
from drorch.model.plan import Plan
from drorch.run.status import Mode, RunStatus
from drorch.run.views import Json, needs_attention

MOST_OPEN = 12
MOST_UNCOVERED = 20
_REHEARSALS = (Mode.DRILL, Mode.DRY_RUN, Mode.SIMULATE, Mode.LIVE)
"""The best proof first: what was booted, what was looked at, what was imagined, the real thing."""


async def open_cards(desk: Desk) -> list[Json]:
    """Return the runs that have not ended: the real ones first, then the newest."""
    types = connector_types(desk.app.settings.connectors)
    cards = []
    for line in list(await open_runs(desk.app.store))[:MOST_OPEN]:
        state = await desk.reader.state(line.id)
        run = await desk.run_json(line)
        done = run["counts"]["healthy"] + run["counts"]["skipped"]
        own = [service for service in run["services"] if not service["external"]]
        cards.append(
            run
            | {
                "band": band_of(state, types),
                "asked": len(needs_attention(state)),
                "done": done,
                "all": len(state.steps),
                "own_services": len(own),
                "own_services_up": sum(is_back(run, service) for service in own),
                "is_live": state.mode is Mode.LIVE,
            }
        )
    return sorted(cards, key=lambda card: not card["is_live"])


async def plan_lines(desk: Desk) -> list[Json]:
    """Return each stored plan with when it was last rehearsed, and how that went."""
    rehearsals = [(mode, await _by_plan(desk, mode)) for mode in _REHEARSALS]
    lines = []
    for stored in await desk.app.shelf.plans():
        plan, unread = await _read(desk, stored)
        newest = [(mode, runs[stored.plan]) for mode, runs in rehearsals if stored.plan in runs]
        told = [_rehearsal(mode, await desk.run_json(line), stored) for mode, line in newest]
        lines.append({**_plan_line(stored, plan, told), "unread": unread})
    return lines


async def _read(desk: Desk, stored: StoredPlan) -> tuple[Plan | None, str]:
    """Return a stored plan, or why this drorch cannot read it: that must not cost the page."""
    try:
        return await desk.compiled(stored), ""
    except PlanError as error:
        return None, error.message


async def _by_plan(desk: Desk, mode: Mode) -> Mapping[str, RunLine]:
    return {line.plan: line for line in await newest_runs(desk.app.store, mode)}


def _rehearsal(mode: Mode, run: Json, stored: StoredPlan) -> Json:
    return {
        "mode": mode,
        "is_imagined": mode is Mode.LIVE and run["simulated"],
        "run": run["id"],
        "status": run["status"],
        "at": (run["ended_at"] if mode is not Mode.SIMULATE else None) or run["created_at"],
        "is_older": run["revision"] is not None and run["revision"] != stored.revision,
        "good": run["status"] == RunStatus.SUCCEEDED,
    }


def _plan_line(stored: StoredPlan, plan: Plan | None, rehearsals: Sequence[Json]) -> Json:
    return {
        "id": stored.plan,
        "title": plan.title if plan else "",
        "revision": stored.revision,
        "stored_at": stored.created_at,
        "machines": sum(step.machine is not None for step in plan.steps) if plan else 0,
        "services": len(plan.services) if plan else 0,
        "rehearsals": rehearsals,
        "is_proven": plan is not None and any(_proves(r) for r in rehearsals),
    }


def _proves(rehearsal: Json) -> bool:
    """Tell whether it shows that the plan as it is now fits the fleet; a simulation asks nobody."""
    asks_nobody = rehearsal["mode"] is Mode.SIMULATE
    return bool(rehearsal["good"]) and not rehearsal["is_older"] and not asks_nobody


def connector_lines(names: Sequence[str], types: Mapping[str, str], seen: Glance) -> list[Json]:
    """Return each connector with who is behind it as it was last seen."""
    away = {one["connector"]: one for one in seen.fleet["away"]}
    lines = []
    for name in names:
        machines = [one for one in seen.fleet["items"] if one["connector"] == name]
        lines.append(
            {
                "name": name,
                "type": types.get(name, ""),
                "away": away.get(name),
                "machines": len(machines),
                "running": sum(one["power"] == "running" for one in machines),
            }
        )
    return lines


def coverage(seen: Glance) -> Json:
    """Return how much of the fleet some plan would bring back, and what none would."""
    machines = seen.fleet["items"]
    uncovered = [one for one in machines if not one["plans"]]
    return {
        "machines": len(machines),
        "covered": len(machines) - len(uncovered),
        "uncovered": uncovered[:MOST_UNCOVERED],
        "more": max(0, len(uncovered) - MOST_UNCOVERED),
        "held": [one for one in machines if one["hold"]],
    }


def readiness_words(plans: Sequence[Json], seen: Glance | None) -> list[tuple[str, str]]:
    """Return what has to be said first of an ordinary day, each with ``good`` or ``warn``."""
    if not plans:
        told = _("No plan is stored: nothing could be recovered with drorch yet.")
        return [("warn", told)]
    told_of = [_proven(plans)]
    if seen is not None:
        told_of += _covered(coverage(seen), seen)
    return told_of


def _proven(plans: Sequence[Json]) -> tuple[str, str]:
    unproven = [one["id"] for one in plans if not one["is_proven"]]
    if not unproven:
        return "good", _("Every plan was rehearsed as it is now.")
    many = ngettext(
        "{n} plan was never rehearsed successfully as it is now: {plans}",
        "{n} plans were never rehearsed successfully as they are now: {plans}",
        len(unproven),
        plans=", ".join(unproven[:5]),
    )
    return "warn", many


def _covered(found: Json, seen: Glance) -> list[tuple[str, str]]:
    told = []
    missing = found["machines"] - found["covered"]
    if missing:
        words = ngettext("{n} machine is in no plan", "{n} machines are in no plan", missing)
        told.append(("warn", words))
    away = [one["connector"] for one in seen.fleet["away"]]
    return told + [("warn", _("{connector} does not answer", connector=name)) for name in away]


def run_lines(runs: Sequence[Json]) -> list[dict[str, Any]]:
    """Return runs for a table: how far each came, in numbers."""
    return [
        {
            **run,
            "done": run["counts"]["healthy"] + run["counts"]["skipped"],
            "all": sum(run["counts"].values()),
        }
        for run in runs
    ]

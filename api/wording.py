"""What the screens and the pages say alike: attempts, lateness, what a dry run has seen."""

from __future__ import annotations

from collections import Counter
from datetime import datetime
from typing import Any, TypeAlias

from api.locale import _, ngettext, spelt
from drorch.ports.check import ASKED
from drorch.run.status import Mode

Json: TypeAlias = dict[str, Any]


def tries(step: Json) -> str:
    """Return how often a step was tried, as ``1 of 2``; empty before anything was received.

    An order that was not received, or was held back, is no attempt that anybody has to hear of.
    """
    spent, before = step["tries"], step["tries_before"]
    if step["action"] == "wait":
        return ""
    if before:
        return _("{n} ({before} before the retry)", n=before + spent, before=before)
    return _("{spent} of {all}", spent=spent, all=step["attempts"]) if spent else ""


def late(service: Json, run: Json, now: datetime) -> str:
    """Return by how much a service is over its objective while it is not up; empty if it is not."""
    measured = service["rto"] and service["rta"] is None and not service["external"]
    if not measured or run["started_at"] is None or run["ended_at"] or run["mode"] != "live":
        return ""
    over = used(run, now) - service["rto"]
    return _("LATE by {time}", time=spelt(over)) if over >= 1 else ""


def used(run: Json, now: datetime) -> float:
    """Return the seconds since a run began, or that it took; none before it begins."""
    if run["started_at"] is None:
        return 0.0
    ended = datetime.fromisoformat(run["ended_at"]) if run["ended_at"] else now
    return max(0.0, (ended - datetime.fromisoformat(run["started_at"])).total_seconds())


def simulated_end(run: Json) -> str:
    """Return when a simulation ended, by its own clock; empty for any other run.

    That clock runs ahead of ours: as a time of day the end would lie in the future.
    """
    if run["mode"] != Mode.SIMULATE or not run["ended_at"]:
        return ""
    span = used(run, datetime.fromisoformat(run["ended_at"]))
    return _("after {span} of simulated time", span=spelt(span))


def objective(run: Json, now: datetime) -> str:
    """Return how a run stands against the plan's objective; empty when the plan has none."""
    if not run["rto"]:
        return ""
    goal, met, took = run["rto"]["seconds"], run["rto"]["met"], used(run, now)
    told = spelt(goal)
    if met is not None:
        if met:
            return _("the objective of {goal} is met", goal=told)
        return _("the objective of {goal} is MISSED", goal=told)
    if run["mode"] != "live" or run["started_at"] is None:
        return _("the objective is {goal}", goal=told)
    if took > goal:
        over = spelt(took - goal)
        return _("the objective of {goal} is MISSED by {over} so far", goal=told, over=over)
    return _("the objective is open ({used} of {goal} used)", used=spelt(took), goal=told)


def seen(run: Json) -> str:
    """Return of how many machines a dry run can tell something; empty for other runs."""
    if not run["examined"] or not run["examined"]["machines"]:
        return ""
    machines = run["examined"]["machines"]
    return ngettext(
        "{seen} of {n} machine could be examined",
        "{seen} of {n} machines could be examined",
        machines,
        seen=run["examined"]["seen"],
    )


def tally(run: Json) -> list[tuple[str, int]]:
    """Return how many steps stand how; a dry run's own words, as it brings nothing to health."""
    if not run["examined"] or "steps" not in run:
        return [(word, many) for word, many in run["counts"].items() if many]
    return Counter(step["examined"] for step in run["steps"]).most_common()


def short_evidence(evidence: str) -> str:
    """Return what came back, without what was asked: a row has room for one of them."""
    _asked, colon, answer = evidence.partition(": ")
    return answer if colon and evidence.startswith(ASKED) else evidence

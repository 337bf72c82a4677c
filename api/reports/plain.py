"""A run in plain words, for somebody who was not there and knows no word of this trade."""

from __future__ import annotations

from api.locale import _, long_day, ngettext, spelt, time_of_day, told
from api.reports.measures import Json
from api.reports.sentences import solved

_MOST = 5


def opening_words(report: Json) -> list[str]:
    """Return what it was, when it began and ended, and how."""
    run, zone = report["run"], report["run"]["timezone"]
    found = [_mode_words(run)]
    if run["started_at"] is None:
        found.append(_("Nothing has begun yet."))
        return found
    if run["mode"] == "dry-run":
        return [*found, _dry_words(report)]
    day, time = long_day(run["started_at"], zone), time_of_day(run["started_at"], zone)[:5]
    if run["mode"] == "simulate" and run["ended_at"]:
        return [
            *found,
            _("It was made on {day} at {time}.", day=day, time=time),
            _simulated(report),
        ]
    found.append(_("It began on {day} at {time}.", day=day, time=time))
    if run["ended_at"] is None:
        at = time_of_day(report["as_of"], zone)
        found.append(_("It goes on; this report tells how it stood at {time}.", time=at))
    else:
        found.append(_end_words(run, zone, report["summary"]["took_s"]))
    return found


def _mode_words(run: Json) -> str:
    if run["mode"] == "simulate":
        return _("This was a simulation: no machine was touched, and the times are estimates.")
    if run["mode"] == "dry-run":
        return _("This was a dry run: the machines were looked at, and none was touched.")
    if run["mode"] == "drill":
        return _("This was a drill: isolated copies were started, and nothing real was touched.")
    if run["mode"] == "shutdown":
        return _("This was an orderly shutdown: machines were stopped, one after the other.")
    if run.get("simulated"):
        return _("This was a rehearsal on a simulated hypervisor: no real machine was touched.")
    return _("This was a real recovery: machines were powered on, and each application checked.")


def _end_words(run: Json, zone: str, took: float | None) -> str:
    day, time = long_day(run["ended_at"], zone), time_of_day(run["ended_at"], zone)[:5]
    values = {"day": day, "time": time, "took": spelt(took)}
    if run["status"] == "succeeded":
        return _("It ended on {day} at {time}, after {took}: everything is back.", **values)
    if run["status"] == "aborted":
        return _("It was stopped by a person on {day} at {time}, after {took}.", **values)
    return _("It ended on {day} at {time}, after {took}: not everything came back.", **values)


def _simulated(report: Json) -> str:
    """Tell the end by the simulated clock: as a time of day it would lie in the future."""
    took = spelt(report["summary"]["took_s"])
    if report["run"]["status"] == "succeeded":
        return _("It ended after {took} of simulated time: everything is back.", took=took)
    return _("It ended after {took} of simulated time: not everything came back.", took=took)


def _dry_words(report: Json) -> str:
    errors = sum(f["severity"] == "error" for f in report["run"]["findings"])
    if not errors:
        return _("Nothing was found that would keep the recovery from beginning.")
    return ngettext(
        "{n} thing was found that has to be mended before a recovery.",
        "{n} things were found that have to be mended before a recovery.",
        errors,
    )


def service_words(report: Json) -> list[str]:
    """Return how many services were back, in time and before they open."""
    s, run = report["summary"], report["run"]
    if run["mode"] == "dry-run" or run["started_at"] is None or not s["services"]:
        return _objective(run)
    if s["services_back"] == s["services"]:
        found = [ngettext("The {n} service is back.", "All {n} services are back.", s["services"])]
    else:
        counted = {"back": s["services_back"], "all": s["services"]}
        found = [_("{back} of {all} services are back.", **counted)]
    if s["services_with_rto"]:
        values = {"met": s["services_met"], "all": s["services_with_rto"]}
        found.append(_("Within their objective: {met} of {all}.", **values))
    if s["openings"]:
        values = {"met": s["openings"] - s["openings_missed"], "all": s["openings"]}
        found.append(_("In time for the next opening of their counters: {met} of {all}.", **values))
    return found + _objective(run)


def _objective(run: Json) -> list[str]:
    goal = run["rto"]
    if goal is None or run["mode"] == "dry-run":
        return []
    told_goal = spelt(goal["seconds"])
    if goal["met"] is None:
        return [_("The objective for the whole plan is {goal}.", goal=told_goal)]
    if goal["met"]:
        return [_("The objective for the whole plan, {goal}, was met.", goal=told_goal)]
    return [_("The objective for the whole plan, {goal}, was missed.", goal=told_goal)]


def trouble_words(report: Json) -> list[str]:
    """Return what went wrong, the worst first: what is still open, then what took longest."""
    found = sorted(report["failures"], key=lambda f: (f["solved"] != "open", -(f["took_s"] or 0.0)))
    lines = [_trouble(failure) for failure in found[:_MOST]]
    if len(found) > _MOST:
        more = len(found) - _MOST
        lines.append(ngettext("and {n} more, see below", "and {n} more, see below", more))
    return lines


def _trouble(failure: Json) -> str:
    values = {
        "step": failure["title"] or failure["step"],
        "detail": _short(told(failure["detail"])),
    }
    return _("{step}: {detail}. {solved}", solved=solved(failure), **values)


def people_words(report: Json) -> list[str]:
    """Return who was waited for, who was waited for longest first."""
    lines = [
        ngettext(
            "{name} was asked {n} time; the recovery waited {time} for the answer.",
            "{name} was asked {n} times; the recovery waited {time} for the answers.",
            c["times"],
            name=c["name"] or _("nobody in particular"),
            time=spelt(c["clock_s"]),
        )
        for c in report["contacts"][:_MOST]
    ]
    if (waited := report["summary"]["approval_s"]) is not None:
        lines.insert(0, _("The approval of a second person took {time}.", time=spelt(waited)))
    return lines


def _short(words: str) -> str:
    line = " ".join(words.split()).rstrip(".")
    return line if len(line) <= 160 else f"{line[:159]}…"

"""The after-action report for reading at a terminal; the JSON has all of it."""

from __future__ import annotations

from collections.abc import Sequence

from rich.text import Text

from api.cli.access import Json
from api.cli.board import GLYPHS, MODES, SIMULATED, service_title
from api.cli.screen import print_table, say
from api.cli.spans import clock_time, counted, day_and_time, span, zone_words

_SLOWEST = 15
_SPENT = {
    "people_s": "people's answers",
    "vendors_s": "vendors' answers",
    "machines_s": "machines that boot and checks",
    "retries_s": "pauses between attempts",
}


def print_report(report: Json, program: str = "drorch") -> None:
    """Print how it went: the times against the objectives, and where the time went."""
    run, summary = report["run"], report["summary"]
    mode = MODES.get(run["mode"], (str(run["mode"]),))[0]
    if run["mode"] == "live" and run.get("simulated"):
        mode = SIMULATED[0]
    say(f"After-action report: {run['id']} - {run['title'] or run['plan']}", style="bold")
    say(f"  {mode}; {summary['status']}; asked for by {run['started_by']}{_reason(run)}")
    zone = run["timezone"]
    began = day_and_time(run["started_at"], zone) or "not yet"
    ended = day_and_time(run["ended_at"], zone) or "not yet"
    say(f"  began {began}, ended {ended} ({zone_words(zone)}), took {span(summary['took_s'])}")
    say(
        f"  objective {span(summary['rto_s'])}; {counted(summary['machines'], 'machine')}, "
        f"{counted(summary['attempts'], 'attempt')}; "
        + ", ".join(f"{many} {word}" for word, many in summary["counts"].items() if many)
    )
    _print_services(report["services"], zone)
    _print_troubles(report["steps"])
    _print_slowest(report["steps"], zone)
    _print_rest(report)
    whole = f"{program} report {run['id']} --format json"
    say(f"every step and the whole journal: {whole}", style="dim")


def _reason(run: Json) -> str:
    return f" ({run['reason']})" if run["reason"] else ""


def _print_services(services: Sequence[Json], zone: str) -> None:
    rows = [
        (
            service_title(s),
            str(s["tier"]),
            clock_time(s["up_at"], zone),
            span(s["rta_s"]),
            span(s["rto_s"]),
            _met(s["met"], "in time", "LATE"),
            _met(s["open_by"]["met"], "met", "MISSED") if s["open_by"] else Text(""),
        )
        for s in services
        if not s["external"]
    ]
    if rows:
        print_table(("service", "tier", "back at", "after", "objective", "", "opening"), rows)


def _met(met: bool | None, yes: str, no: str) -> Text:
    return Text("") if met is None else Text(yes if met else no, style="" if met else "bold red")


def _print_troubles(steps: Sequence[Json]) -> None:
    for step in steps:
        if step["status"] not in ("healthy", "pending") or step["accepted_by"]:
            glyph, style = GLYPHS[step["status"]]
            by = step["accepted_by"] or step["decided_by"]
            told = step["comment"] or step["error"] or step["waits_for"]
            paper = " (from paper)" if step["from_paper"] else ""
            by = f" by {by}{paper}" if by else ""
            words = f"{step['id']} {step['status']}{by}: {told or '-'}"
            say(Text(f"  {glyph} ", style=style).append(words))


def _print_slowest(steps: Sequence[Json], zone: str) -> None:
    took = [step for step in steps if step["took_s"]]
    took.sort(key=lambda step: -step["took_s"])
    rows = [
        (
            step["id"],
            clock_time(step["healthy_at"], zone),
            span(step["took_s"]),
            span(step["expected_s"]),
            span(step["queued_s"]),
            span(step["boot_s"]),
            span(step["verify_s"]),
            str(step["attempt"] or ""),
        )
        for step in took[:_SLOWEST]
    ]
    if rows:
        head = f"slowest {len(rows)} of {counted(len(steps), 'step')}"
        columns = (head, "healthy at", "took", "expected", "queued", "boot", "checks", "tries")
        print_table(columns, rows)


def _print_rest(report: Json) -> None:
    path = " -> ".join(f"{p['step']} ({span(p['took_s'])})" for p in report["critical_path"])
    if path:
        say(f"critical path: {path}")
    spent = [f"{words} {span(report['waiting'][key])}" for key, words in _SPENT.items()]
    say(f"waited in all, side by side: {', '.join(spent)}")
    for proposal in report["proposals"]:
        what = f"{proposal['key']}: {proposal['value']}"
        say(f"for the plan: {proposal['step']} {what} ({proposal['reason']})")

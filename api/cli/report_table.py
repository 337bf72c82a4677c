"""The after-action report for reading at a terminal; the JSON has all of it."""

from __future__ import annotations

from collections.abc import Sequence

from rich.text import Text

from api.cli.access import Json
from api.cli.board import GLYPHS, MODES, SIMULATED, service_title
from api.cli.screen import print_table, say
from api.cli.spans import clock_time, day_and_time, zone_words
from api.cli.states import state_word
from api.locale import _, ngettext, noted, pgettext, spelt, told
from api.wording import simulated_end

_SLOWEST = 15
_SPENT = {
    "people_s": noted("people's answers"),
    "vendors_s": noted("vendors' answers"),
    "machines_s": noted("machines that boot and checks"),
    "retries_s": noted("pauses between attempts"),
}


def print_report(report: Json, program: str = "drorch") -> None:
    """Print how it went: the times against the objectives, and where the time went."""
    run, summary = report["run"], report["summary"]
    zone = run["timezone"]
    title = run["title"] or run["plan"]
    say(_("After-action report: {run} - {title}", run=run["id"], title=title), style="bold")
    by = _("asked for by {name}", name=run["started_by"])
    say(f"  {_mode(run)}; {state_word(summary['status'])}; {by}{_reason(run)}")
    say(f"  {_when(run, summary)}")
    say(f"  {_size(summary)}")
    _print_services(report["services"], zone)
    _print_troubles(report["steps"])
    _print_slowest(report["steps"], zone)
    _print_rest(report)
    whole = f"{program} report {run['id']} --format json"
    say(_("every step and the whole journal: {command}", command=whole), style="dim")


def _mode(run: Json) -> str:
    if run["mode"] == "live" and run.get("simulated"):
        return _(SIMULATED[0])
    return _(MODES[run["mode"]][0]) if run["mode"] in MODES else state_word(run["mode"])


def _when(run: Json, summary: Json) -> str:
    zone = run["timezone"]
    if end := simulated_end(run):
        began = day_and_time(run["started_at"], zone)
        return _("began {began} ({zone}), ended {end}", began=began, zone=zone_words(zone), end=end)
    return _(
        "began {began}, ended {ended} ({zone}), took {span}",
        began=day_and_time(run["started_at"], zone) or _("not yet"),
        ended=day_and_time(run["ended_at"], zone) or _("not yet"),
        zone=zone_words(zone),
        span=spelt(summary["took_s"]) or "-",
    )


def _size(summary: Json) -> str:
    goal = _("objective {span}", span=spelt(summary["rto_s"]))
    machines = ngettext("{n} machine", "{n} machines", summary["machines"])
    attempts = ngettext("{n} attempt", "{n} attempts", summary["attempts"])
    counts = (f"{many} {state_word(word)}" for word, many in summary["counts"].items() if many)
    return f"{goal}; {machines}, {attempts}; {', '.join(counts)}"


def _reason(run: Json) -> str:
    return f" ({run['reason']})" if run["reason"] else ""


def _print_services(services: Sequence[Json], zone: str) -> None:
    rows = [
        (
            service_title(s),
            str(s["tier"]),
            clock_time(s["up_at"], zone),
            spelt(s["rta_s"]) or "-",
            spelt(s["rto_s"]) or "-",
            _met(s["met"], _("in time"), _("LATE")),
            _opening(s["open_by"]["met"]) if s["open_by"] else Text(""),
        )
        for s in services
        if not s["external"]
    ]
    if rows:
        columns = (
            _("service"),
            _("tier"),
            _("back at"),
            pgettext("so long", "after"),
            _("objective"),
            "",
            _("opening"),
        )
        print_table(columns, rows)


def _opening(met: bool | None) -> Text:
    return _met(met, pgettext("an opening", "met"), pgettext("an opening", "MISSED"))


def _met(met: bool | None, yes: str, no: str) -> Text:
    return Text("") if met is None else Text(yes if met else no, style="" if met else "bold red")


def _print_troubles(steps: Sequence[Json]) -> None:
    for step in steps:
        if step["status"] not in ("healthy", "pending") or step["accepted_by"]:
            glyph, style = GLYPHS[step["status"]]
            say(Text(f"  {glyph} ", style=style).append(_trouble(step)))


def _trouble(step: Json) -> str:
    by = step["accepted_by"] or step["decided_by"]
    if by and step["from_paper"]:
        by = _("{name} (from paper)", name=by)
    why = step["comment"] or told(step["error"] or step["waits_for"] or "") or "-"
    status = state_word(step["status"])
    if by:
        return _(
            "{step} {status} by {name}: {why}", step=step["id"], status=status, name=by, why=why
        )
    return f"{step['id']} {status}: {why}"


def _print_slowest(steps: Sequence[Json], zone: str) -> None:
    took = [step for step in steps if step["took_s"]]
    took.sort(key=lambda step: -step["took_s"])
    rows = [
        (
            step["id"],
            clock_time(step["healthy_at"], zone),
            spelt(step["took_s"]) or "-",
            spelt(step["expected_s"]) or "-",
            spelt(step["queued_s"]) or "-",
            spelt(step["boot_s"]) or "-",
            spelt(step["verify_s"]) or "-",
            str(step["attempt"] or ""),
        )
        for step in took[:_SLOWEST]
    ]
    if rows:
        columns = (
            ngettext(
                "slowest {shown} of {n} step",
                "slowest {shown} of {n} steps",
                len(steps),
                shown=len(rows),
            ),
            _("healthy at"),
            pgettext("a column", "took"),
            pgettext("a column", "expected"),
            pgettext("a column", "queued"),
            pgettext("a column", "boot"),
            pgettext("a column", "checks"),
            pgettext("a column", "tries"),
        )
        print_table(columns, rows)


def _print_rest(report: Json) -> None:
    path = " -> ".join(f"{p['step']} ({spelt(p['took_s'])})" for p in report["critical_path"])
    if path:
        say(_("critical path: {steps}", steps=path))
    spent = [f"{_(words)} {spelt(report['waiting'][key])}" for key, words in _SPENT.items()]
    say(_("waited in all, side by side: {what}", what=", ".join(spent)))
    for proposal in report["proposals"]:
        what = f"{proposal['step']} {proposal['key']}: {proposal['value']}"
        why = told(proposal["reason"])
        say(_("for the plan: {what} ({why})", what=what, why=why))

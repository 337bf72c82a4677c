"""What is printed when a run is over: how it ended, what is back in time, what to do next."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime

from rich.text import Text

from api.cli.access import Json
from api.cli.board import GLYPHS, SERVICE_GLYPHS, elsewhere, service_title
from api.cli.screen import marked, print_table, say
from api.cli.spans import between
from api.cli.states import state_word
from api.expected import expected
from api.locale import _, ngettext, pgettext, spelt, told
from api.openings import opening, openings_line
from api.wording import late, objective, seen

_SEVERITY_STYLES = {"error": "bold red", "warning": "yellow", "info": "cyan"}
_ENDED_STYLES = {"succeeded": "bold green", "failed": "bold red", "aborted": "bold red"}


def print_summary(
    run: Json, critical_path: Sequence[Json] = (), *, program: str = "drorch"
) -> None:
    """Say how a live or simulated run has ended."""
    took = between(run["started_at"], run["ended_at"])
    status = str(run["status"])
    line = Text(f"{_named(run)} ")
    line.append(state_word(status), style=_ENDED_STYLES.get(status, "bold"))
    say(line.append(_(" after {span}", span=spelt(took) or "-") + _against_rto(run)))
    say("  " + _counts(run))
    print_troubles(run)
    print_services(run)
    openings, missed = openings_line(run, datetime.now(UTC))
    if missed:
        say(openings, style="bold red")
    if critical_path:
        longest = " -> ".join(f"{p['step']} ({spelt(p['took_s'])})" for p in critical_path)
        say(_("critical path: {steps}", steps=longest))
    command = f"{program} report {run['id']}"
    say(_("report: {command}", command=command), style="dim")


def _named(run: Json) -> str:
    if run["mode"] == "simulate":
        return _("the simulation {run}", run=run["id"])
    if run["mode"] == "dry-run":
        return _("the dry run {run}", run=run["id"])
    return _("the run {run}", run=run["id"])


def _against_rto(run: Json) -> str:
    against = objective(run, datetime.now(UTC))
    return f"; {against}" if against else ""


def _counts(run: Json) -> str:
    counts = run["counts"].items()
    return ", ".join(f"{count} {state_word(status)}" for status, count in counts if count)


def print_troubles(run: Json) -> None:
    """List what did not come back, with the reason."""
    bad = [s for s in run["steps"] if s["status"] in ("failed", "waiting", "cancelled")]
    for step in bad:
        glyph, style = GLYPHS[step["status"]]
        reason = told(step["error"] or "") or step["question"] or told(step["waits_for"] or "")
        line = marked(f"  {glyph} {step['id']} {state_word(step['status'])}", style)
        say(line.append(f": {reason}" if reason else ""))
    blocked = [s["id"] for s in run["steps"] if s["status"] == "blocked"]
    if blocked:
        shown = ", ".join(blocked[:8])
        if blocked[8:]:
            shown = _("{names} and {n} more", names=shown, n=len(blocked) - 8)
        say(marked(f"  ▲ {len(blocked)} {state_word('blocked')}", "red").append(f": {shown}"))


def print_services(run: Json) -> None:
    """List the services with their recovery times against objectives and opening hours."""
    if not run["services"]:
        return
    now = datetime.now(UTC)
    opens = any(service["open_by"] for service in run["services"])
    foreseen = any(service["eta"] for service in run["services"])
    columns = (
        _("service"),
        _("tier"),
        pgettext("a column", "state"),
        _("back after, at") if foreseen else _("back after"),
        _("objective"),
        "",
    )
    rows = [_service(service, run, now) for service in run["services"]]
    if not opens:
        print_table(columns, rows)
        return
    print_table(
        (*columns, _("opening")),
        [
            (*row, _opening(service, run, now))
            for row, service in zip(rows, run["services"], strict=True)
        ],
    )


def _service(service: Json, run: Json, now: datetime) -> tuple[str | Text, ...]:
    return (
        service_title(service),
        str(service["tier"]),
        _state(service, now, simulated=run["mode"] == "simulate"),
        expected(service["eta"], run["timezone"], now) or spelt(service["rta"]) or "-",
        spelt(service["rto"]) or "-",
        _verdict(service, run, now),
    )


def _opening(service: Json, run: Json, now: datetime) -> Text:
    opens = opening(service, run, now)
    if opens is None:
        return Text("")
    return Text(opens.words, style="bold red" if opens.missed else "")


def _state(service: Json, now: datetime, *, simulated: bool) -> Text:
    state = service["state"]
    if simulated and not service["external"]:
        state = "up" if service["rta"] is not None else "down"
    glyph, style = SERVICE_GLYPHS.get(state, ("?", "dim"))
    if not service["external"]:
        return Text(f"{glyph} {state_word(state)}", style=style)
    why = f" ({told(service['evidence'])})" if service["evidence"] and state != "up" else ""
    return Text(f"{glyph} {elsewhere(service, now)}{why}", style=style)


def _verdict(service: Json, run: Json, now: datetime) -> Text:
    if service["met"] is None:
        return Text(late(service, run, now), style="bold red")
    in_time = Text(_("in time"), style="green")
    return in_time if service["met"] else Text(_("LATE"), style="bold red")


def print_findings(findings: Sequence[Json]) -> None:
    """List findings, the worst first, each with what to do about it."""
    for severity, style in _SEVERITY_STYLES.items():
        for finding in findings:
            if finding["severity"] == severity:
                say(finding_line(finding, style))
                if finding["hint"]:
                    say(f"         {told(finding['hint'])}", style="dim")


def finding_line(finding: Json, style: str | None = None) -> Text:
    """Return one finding as a line: how bad, which step, what."""
    severity = finding["severity"]
    line = marked(f"{state_word(severity):8} ", style or _SEVERITY_STYLES.get(severity, ""))
    where = f"{finding['step']}: " if finding["step"] else ""
    return line.append(f"{where}{told(finding['message'])}")


def print_rehearsal(run: Json) -> None:
    """Say what a dry run has found."""
    findings = run["findings"]
    print_findings(findings)
    many = Counter(finding["severity"] for finding in findings)
    total = sum(run["counts"].values())
    found = ", ".join(
        (
            ngettext("{n} error", "{n} errors", many["error"]),
            ngettext("{n} warning", "{n} warnings", many["warning"]),
            ngettext("{n} info", "{n} infos", many["info"]),
        )
    )
    style = "bold red" if many["error"] else "bold green"
    looked = seen(run) or ngettext("{n} step looked at", "{n} steps looked at", total)
    words = _("dry run {run}: {looked}, nothing touched: ", run=run["id"], looked=looked)
    say(Text(words).append(found, style))

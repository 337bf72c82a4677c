"""What is printed when a run is over: how it ended, what is back in time, what to do next."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime

from rich.text import Text

from api.cli.access import Json
from api.cli.board import GLYPHS, SERVICE_GLYPHS, elsewhere, service_title
from api.cli.screen import marked, print_table, say
from api.cli.spans import between, span
from api.expected import expected
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
    words = {"simulate": "the simulation", "dry-run": "the dry run"}.get(run["mode"], "the run")
    line = Text(f"{words} {run['id']} ").append(status, style=_ENDED_STYLES.get(status, "bold"))
    say(line.append(f" after {span(took)}{_against_rto(run)}"))
    say("  " + _counts(run))
    print_troubles(run)
    print_services(run)
    openings, missed = openings_line(run, datetime.now(UTC))
    if missed:
        say(openings, style="bold red")
    if critical_path:
        longest = " -> ".join(f"{p['step']} ({span(p['took_s'])})" for p in critical_path)
        say(f"critical path: {longest}")
    say(f"report: {program} report {run['id']}", style="dim")


def _against_rto(run: Json) -> str:
    told = objective(run, datetime.now(UTC))
    return f"; {told}" if told else ""


def _counts(run: Json) -> str:
    return ", ".join(f"{count} {status}" for status, count in run["counts"].items() if count)


def print_troubles(run: Json) -> None:
    """List what did not come back, with the reason."""
    bad = [s for s in run["steps"] if s["status"] in ("failed", "waiting", "cancelled")]
    for step in bad:
        glyph, style = GLYPHS[step["status"]]
        reason = step["error"] or step["question"] or step["waits_for"]
        line = marked(f"  {glyph} {step['id']} {step['status']}", style)
        say(line.append(f": {reason}" if reason else ""))
    blocked = [s["id"] for s in run["steps"] if s["status"] == "blocked"]
    if blocked:
        shown = ", ".join(blocked[:8]) + (f" and {len(blocked) - 8} more" if blocked[8:] else "")
        say(marked(f"  ▲ {len(blocked)} blocked", "red").append(f": {shown}"))


def print_services(run: Json) -> None:
    """List the services with their recovery times against objectives and opening hours."""
    if not run["services"]:
        return
    now = datetime.now(UTC)
    opens = any(service["open_by"] for service in run["services"])
    foreseen = any(service["eta"] for service in run["services"])
    back = "back after, at" if foreseen else "back after"
    columns = ("service", "tier", "state", back, "objective", "")
    rows = [_service(service, run, now) for service in run["services"]]
    if not opens:
        print_table(columns, rows)
        return
    print_table(
        (*columns, "opening"),
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
        expected(service["eta"], run["timezone"], now) or span(service["rta"]),
        span(service["rto"]),
        _verdict(service, run, now),
    )


def _opening(service: Json, run: Json, now: datetime) -> Text:
    told = opening(service, run, now)
    if told is None:
        return Text("")
    return Text(told.words, style="bold red" if told.missed else "")


def _state(service: Json, now: datetime, *, simulated: bool) -> Text:
    state = service["state"]
    if simulated and not service["external"]:
        state = "up" if service["rta"] is not None else "down"
    glyph, style = SERVICE_GLYPHS.get(state, ("?", "dim"))
    if not service["external"]:
        return Text(f"{glyph} {state}", style=style)
    why = f" ({service['evidence']})" if service["evidence"] and state != "up" else ""
    return Text(f"{glyph} {elsewhere(service, now)}{why}", style=style)


def _verdict(service: Json, run: Json, now: datetime) -> Text:
    if service["met"] is None:
        return Text(late(service, run, now), style="bold red")
    return Text("in time", style="green") if service["met"] else Text("LATE", style="bold red")


def print_findings(findings: Sequence[Json]) -> None:
    """List findings, the worst first, each with what to do about it."""
    for severity, style in _SEVERITY_STYLES.items():
        for finding in findings:
            if finding["severity"] == severity:
                say(finding_line(finding, style))
                if finding["hint"]:
                    say(f"         {finding['hint']}", style="dim")


def finding_line(finding: Json, style: str | None = None) -> Text:
    """Return one finding as a line: how bad, which step, what."""
    severity = finding["severity"]
    line = marked(f"{severity:8} ", style or _SEVERITY_STYLES.get(severity, ""))
    where = f"{finding['step']}: " if finding["step"] else ""
    return line.append(f"{where}{finding['message']}")


def print_rehearsal(run: Json) -> None:
    """Say what a dry run has found."""
    findings = run["findings"]
    print_findings(findings)
    many = Counter(finding["severity"] for finding in findings)
    total = sum(run["counts"].values())
    told = ", ".join(f"{many[s]} {s}{'s' if many[s] != 1 else ''}" for s in _SEVERITY_STYLES)
    style = "bold red" if many["error"] else "bold green"
    many_steps = f"{total} step{'' if total == 1 else 's'}"
    looked = seen(run) or f"{many_steps} looked at"
    say(Text(f"dry run {run['id']}: {looked}, nothing touched: ").append(told, style))

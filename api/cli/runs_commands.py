"""Commands that read runs: ``runs``, ``status``, ``watch``, ``report``."""

from __future__ import annotations

from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated

import typer
from rich.text import Text

from api.cli.access import Json, RunList, find_run
from api.cli.board import GLYPHS, Board, why
from api.cli.context import Surroundings, finish, run_async, surroundings
from api.cli.exits import Exit, WrongUseError
from api.cli.follow import Silence, follow, showing
from api.cli.live import View
from api.cli.program import repeat_options
from api.cli.screen import Format, marked, note, print_json, print_table, say
from api.cli.spans import between, clock_time, day_and_time, span
from api.cli.summary import print_findings, print_rehearsal, print_services, print_summary
from drorch.run.status import RunStatus

Run = Annotated[str, typer.Argument(metavar="RUN", help="A run's id, or 'last'.")]
As = Annotated[Format, typer.Option("--format", help="How it is printed.")]

_RUN_STYLES = {
    "succeeded": "green",
    "failed": "bold red",
    "aborted": "red",
    "waiting": "bold magenta",
    "paused": "yellow",
    "running": "cyan",
}


class ReportFormat(StrEnum):
    JSON = "json"
    HTML = "html"
    CSV = "csv"


def runs(
    context: typer.Context,
    *,
    limit: Annotated[int, typer.Option(min=1, help="So many of the newest.")] = 50,
    all_: Annotated[bool, typer.Option("--all", help="Every run, however many.")] = False,
    as_: As = Format.TABLE,
) -> None:
    """List what is and was running, the newest first."""
    where = surroundings(context)
    found, more = run_async(_runs(where, None if all_ else limit))
    if as_ is Format.JSON:
        print_json(found)
    elif not found:
        note(repeat_options("there is no run yet: 'drorch run FILE' makes one"))
    else:
        print_table(
            ("run", "mode", "status", "began", "took", "steps", "by"), [_line(r) for r in found]
        )
    if more:
        note(f"these are the newest {len(found)}; '{where.program} runs --all' lists every run")


async def _runs(where: Surroundings, limit: int | None) -> RunList:
    async with where.access() as access:
        return await access.runs(limit)


def _line(run: Json) -> tuple[str | Text, ...]:
    counts = run["counts"]
    status = Text(str(run["status"]), style=_RUN_STYLES.get(run["status"], ""))
    took = between(run["started_at"], run["ended_at"] or datetime.now(UTC).isoformat())
    began = day_and_time(run["started_at"] or run["created_at"])
    done = f"{counts['healthy']}/{sum(counts.values())} healthy"
    return run["id"], run["mode"], status, began, span(took), done, run["started_by"]


def status(context: typer.Context, run: Run, *, as_: As = Format.TABLE) -> None:
    """Show where a run stands: services, who must act, what acts and what waits, and why."""
    where = surroundings(context)
    found = run_async(_status(where, run))
    if as_ is Format.JSON:
        print_json(found)
    else:
        print_status(found, where.program)


async def _status(where: Surroundings, run: str) -> Json:
    async with where.access() as access:
        return await access.run(await find_run(access, run))


def print_status(run: Json, program: str = "drorch") -> None:
    """Print a run as it stands now, in plain tables."""
    now = datetime.now(UTC)
    line = marked(f"{run['id']} ({run['mode']}) ", "bold")
    line.append(str(run["status"]), style=_RUN_STYLES.get(run["status"], ""))
    used = between(run["started_at"], run["ended_at"] or now.isoformat())
    say(line.append(f", began {day_and_time(run['started_at'])}, {span(used)}"))
    say("  " + ", ".join(f"{count} {word}" for word, count in run["counts"].items() if count))
    for obstacle in run["obstacles"]:
        hint = f" ({obstacle['hint']})" if obstacle["hint"] else ""
        say(f"  {obstacle['scope']} {obstacle['key']}: {obstacle['reason']}{hint}", style="yellow")
    print_findings(run["findings"])
    print_services(run)
    for card in Board(program).cards(run, now):
        say(marked(f"☎ {card.step}: ", "bold magenta").append(card.what))
        behind = f" · {card.behind} steps wait behind it" if card.behind else ""
        say(f"    {card.who}{behind}")
        if card.hint:
            say(f"    {card.hint}", style="dim")
        say(f"    {card.command}   ({card.others})", style="cyan")
    print_table(
        ("", "step", "status", "attempt", "healthy at", "why"),
        [_step(step, now) for step in run["steps"]],
    )


def _step(step: Json, now: datetime) -> tuple[str | Text, ...]:
    glyph, style = GLYPHS[step["status"]]
    settled = step["status"] in ("healthy", "skipped", "cancelled")
    accepted = f"accepted by {step['accepted_by']}" if step["accepted_by"] else ""
    reason = accepted or step["comment"] or "" if settled else why(step, now)
    return (
        Text(glyph, style=style),
        step["id"],
        Text(str(step["status"]), style=style),
        f"{step['attempt']}/{step['attempts']}" if step["attempt"] else "",
        clock_time(step["healthy_at"]),
        reason,
    )


def watch(context: typer.Context, run: Run, *, as_: As = Format.TABLE) -> None:
    """Follow a run to its end; ctrl-C ends the watching, never the run."""
    finish(run_async(_watch(surroundings(context), run, as_)))


async def _watch(where: Surroundings, run: str, as_: Format) -> Exit:
    async with where.access() as access:
        found = await find_run(access, run)
        if as_ is Format.JSON:
            told = await follow(access, found, Silence())
            print_json(told)
        else:
            data_dir = None if where.server else where.settings().data_dir
            with showing(data_dir, view=View(board=Board(where.program))) as show:
                told = await follow(access, found, show)
            examined = told["mode"] == "dry-run" and told["status"] != RunStatus.ABORTED
            (print_rehearsal if examined else print_summary)(told)
    return Exit.DONE if told["status"] == RunStatus.SUCCEEDED else Exit.ENDED_BADLY


def report(
    context: typer.Context,
    run: Run,
    *,
    as_: Annotated[
        ReportFormat, typer.Option("--format", help="json; html and csv come later.")
    ] = ReportFormat.JSON,
) -> None:
    """Print the after-action report of a run: times, objectives, where the time went."""
    if as_ is not ReportFormat.JSON:
        raise WrongUseError(
            f"the report as {as_} is not there yet", hint="use --format json; it has everything"
        )
    print_json(run_async(_report(surroundings(context), run)))


async def _report(where: Surroundings, run: str) -> Json:
    async with where.access() as access:
        return await access.report(await find_run(access, run))

"""Commands that read runs: ``runs``, ``status``, ``watch``, ``report``."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated

import typer
from rich.text import Text

from api.cli.access import Json, RunList, find_run
from api.cli.board import Board, status_words
from api.cli.context import Surroundings, finish, run_async, surroundings
from api.cli.exits import Exit, WrongUseError
from api.cli.follow import Silence, follow, showing
from api.cli.live import View
from api.cli.program import repeat_options
from api.cli.report_table import print_report
from api.cli.screen import Format, note, out, print_json, print_table
from api.cli.spans import between, day_and_time
from api.cli.states import state_word
from api.cli.status_table import RUN_STYLES, print_status
from api.cli.summary import print_rehearsal, print_summary
from api.locale import LANGUAGES, _, language, pgettext, speaking, spelt
from api.reports import steps_csv
from api.reports.page import standalone
from api.reports.pdf import as_pdf
from drorch.run.status import RunStatus

Run = Annotated[str, typer.Argument(metavar="RUN", help="A run's id, or 'last'.")]
As = Annotated[Format, typer.Option("--format", help="How it is printed.")]


class ReportFormat(StrEnum):
    TABLE = "table"
    JSON = "json"
    HTML = "html"
    PDF = "pdf"
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
    (found, more), halt = run_async(_runs(where, None if all_ else limit))
    if as_ is Format.JSON:
        print_json(found)
    elif not found:
        note(repeat_options(_("there is no run yet: 'drorch run FILE' makes one")))
    else:
        columns = (
            pgettext("a column", "run"),
            pgettext("a column", "mode"),
            pgettext("a column", "status"),
            pgettext("a column", "began"),
            pgettext("a column", "took"),
            _("steps"),
            pgettext("who did it", "by"),
        )
        print_table(columns, [_line(r) for r in found])
    if halt["halted"]:
        halted = _(
            "DRORCH IS HALTED by {name} (nothing new goes out anywhere): {reason}",
            name=halt["by"],
            reason=halt["reason"],
        )
        note(halted, style="bold red")
    if more:
        command = f"{where.program} runs --all"
        newest = _(
            "these are the newest {n}; '{command}' lists every run",
            n=len(found),
            command=command,
        )
        note(newest)


async def _runs(where: Surroundings, limit: int | None) -> tuple[RunList, Json]:
    async with where.access() as access:
        return await access.runs(limit), await access.halted()


def _line(run: Json) -> tuple[str | Text, ...]:
    counts = run["counts"]
    words = status_words(run)
    alone = words != state_word(run["status"])
    style = "bold red" if alone else RUN_STYLES.get(run["status"], "")
    status = Text(words, style=style)
    took = between(run["started_at"], run["ended_at"] or datetime.now(UTC).isoformat())
    began = day_and_time(run["started_at"] or run["created_at"], run["timezone"])
    done = f"{counts['healthy']}/{sum(counts.values())} {_healthy()}"
    if run["examined"]:
        examined = pgettext("so many of so many machines", "examined")
        done = f"{run['examined']['seen']}/{run['examined']['machines']} {examined}"
    return (
        run["id"],
        state_word(run["mode"]),
        status,
        began,
        spelt(took) or "-",
        done,
        run["started_by"],
    )


def _healthy() -> str:
    return pgettext("so many of so many steps", "healthy")


def status(
    context: typer.Context,
    run: Run,
    *,
    all_: Annotated[bool, typer.Option("--all", help="Every step, also those at rest.")] = False,
    as_: As = Format.TABLE,
) -> None:
    """Show where a run stands, what is stuck, and who must act."""
    where = surroundings(context)
    found = run_async(_status(where, run))
    if as_ is Format.JSON:
        print_json(found)
    else:
        print_status(found, where.program, whole=all_)


async def _status(where: Surroundings, run: str) -> Json:
    async with where.access() as access:
        found = await find_run(access, run, f"{where.program} status {{run}}")
        return await access.run(found)


def watch(context: typer.Context, run: Run, *, as_: As = Format.TABLE) -> None:
    """Follow a run to its end. Ctrl-C ends the watching, never the run."""
    finish(run_async(_watch(surroundings(context), run, as_)))


async def _watch(where: Surroundings, run: str, as_: Format) -> Exit:
    async with where.access() as access:
        found = await find_run(access, run, f"{where.program} watch {{run}}")
        if as_ is Format.JSON:
            told = await follow(access, found, Silence())
            print_json(told)
        else:
            data_dir = None if where.server else where.settings().data_dir
            with showing(data_dir, view=View(board=Board(where.program))) as show:
                told = await follow(access, found, show)
            if told["mode"] == "dry-run" and told["status"] != RunStatus.ABORTED:
                print_rehearsal(told)
            else:
                print_summary(told, program=where.program)
    return Exit.DONE if told["status"] == RunStatus.SUCCEEDED else Exit.ENDED_BADLY


def report(
    context: typer.Context,
    run: Run,
    *,
    as_: Annotated[
        ReportFormat | None,
        typer.Option(
            "--format",
            help="table (at a terminal) or json (elsewhere); html is one file to keep or print, "
            "csv has a row a step, pdf needs drorch[pdf].",
        ),
    ] = None,
    lang: Annotated[
        str,
        typer.Option(metavar="it|en", help="The language of html and pdf; else the terminal's."),
    ] = "",
) -> None:
    """Print the after-action report of a run.

    What was back when, who did what, where the time went, and what the plan could learn.
    """
    where = surroundings(context)
    if lang and lang not in LANGUAGES:
        raise WrongUseError(
            _("--lang {language}: there is none", language=lang),
            hint=_("one of {names}", names=", ".join(LANGUAGES)),
        )
    found = run_async(_report(where, run))
    match as_ or (ReportFormat.TABLE if out().is_terminal else ReportFormat.JSON):
        case ReportFormat.JSON:
            print_json(found)
        case ReportFormat.HTML:
            with speaking(lang or language()):
                sys.stdout.write(standalone(found, datetime.now(UTC)))
        case ReportFormat.PDF:
            with speaking(lang or language()):
                _write_pdf(found)
        case ReportFormat.CSV:
            sys.stdout.write(steps_csv(found))
        case ReportFormat.TABLE:
            print_report(found, where.program)
    sys.stdout.flush()


def _write_pdf(found: Json) -> None:
    if out().is_terminal:
        raise WrongUseError(
            _("a PDF is not for a terminal"), hint=_("send it into a file: > report.pdf")
        )
    sys.stdout.buffer.write(as_pdf(standalone(found, datetime.now(UTC))))


async def _report(where: Surroundings, run: str) -> Json:
    async with where.access() as access:
        found = await find_run(access, run, f"{where.program} report {{run}}")
        return await access.report(found)

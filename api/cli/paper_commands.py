"""``drorch paper``: enter what was done by the printed runbook while drorch was away."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from api.cli.access import Access, Json, find_run
from api.cli.context import Surroundings, finish, run_async, surroundings
from api.cli.exits import Exit, WrongUseError
from api.cli.paper_sheet import Line, result_of, sheet, sheet_of, time_of
from api.cli.program import repeat_options
from api.cli.prompts import confirm, prompt
from api.cli.runs_commands import As, Run
from api.cli.screen import Format, complain, is_interactive, note, print_json, print_table, say
from api.cli.spans import day_and_time
from api.locale import _, ngettext
from api.on_paper import Tick
from api.runbook.codes import CodeError, codes_of, step_of
from drorch.errors import CommandRejectedError
from drorch.model import moment
from drorch.run.status import PaperResult


@dataclass(frozen=True, slots=True, kw_only=True)
class _Entered:
    """A tick, and what became of it."""

    tick: Tick
    outcome: str
    told: str = ""


def paper(
    context: typer.Context,
    run: Run,
    code: Annotated[
        str, typer.Argument(metavar="[CODE]", help="The code beside the box, or the step's id.")
    ] = "",
    time: Annotated[str, typer.Argument(metavar="[TIME]", help="As 03:40; the last one.")] = "",
    by: Annotated[str, typer.Argument(metavar="[NAME]", help="Who did it; else you.")] = "",
    *,
    result: Annotated[PaperResult, typer.Option(help="What the paper says.")] = PaperResult.DONE,
    comment: Annotated[str, typer.Option("--comment", "-c", help="A note on the paper.")] = "",
    from_: Annotated[
        Path | None,
        typer.Option("--from", metavar="FILE.csv", help="Lines of code,time,name,result,note."),
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask before it is entered.")] = False,
    as_: As = Format.TABLE,
) -> None:
    """Enter what was done by the printed runbook while drorch was away.

    Without CODE it asks for one line after the other. Everything is shown, and asked for once,
    before it is entered; nothing is entered while a line is wrong. The run has to be open.
    """
    if code and from_ is not None:
        raise WrongUseError(_("give either CODE and TIME, or --from"), hint=_("not both"))
    if code and not time:
        raise WrongUseError(
            _("when was it done?"), hint=repeat_options(f"'drorch paper {run} {code} 03:40'")
        )
    if not code and from_ is None and not is_interactive():
        raise WrongUseError(
            _("there is nobody to ask here"), hint=_("give CODE and TIME, or --from FILE.csv")
        )
    lines = None if from_ is None else list(sheet(_read(from_)))
    if code:
        place = _("on the command line")
        given = Line(place=place, code=code, at=time, by=by, result=result, comment=comment)
        lines = [given]
    asks = is_interactive() and not yes and not code
    finish(run_async(_paper(surroundings(context), run, lines, asks=asks, as_=as_)))


def _read(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise WrongUseError(
            _("{file} cannot be read: {why}", file=file, why=error), hint=_("it is a CSV in UTF-8")
        ) from error


async def _paper(
    where: Surroundings, name: str, lines: Sequence[Line] | None, *, asks: bool, as_: Format
) -> Exit:
    async with where.access() as access:
        run = await access.run(await find_run(access, name, f"{where.program} paper {{run}}"))
        if run["ended_at"]:
            raise CommandRejectedError(
                _("the run {run} has ended: nothing is entered into it any more", run=run["id"]),
                hint=_("start a new run; machines that run are found running and only verified"),
            )
        ticks = list[Tick]() if lines is None else _understood(run, lines)
        try:
            ticks.extend(_asked(run) if lines is None else ())
            if not ticks:
                note(_("nothing to enter"))
                return Exit.DONE
            if as_ is Format.TABLE:
                _show(run, ticks)
            if asks and not confirm(_("Enter this into {run}?", run=run["id"])):
                note(_("nothing was entered"))
                return Exit.DONE
        except typer.Abort:
            _keep(run, ticks if lines is None else ())
            raise
        entered = [await _enter(access, run, tick) for tick in ticks]
    return _told(run, entered, as_)


def _understood(run: Json, lines: Sequence[Line]) -> list[Tick]:
    """Return the ticks of a sheet, or complain about every line that is wrong."""
    ticks, wrong = [], 0
    for line in lines:
        try:
            ticks.append(_tick(run, line))
        except WrongUseError as error:
            complain(f"{line.place}: {error.message}", error.hint)
            wrong += 1
    if wrong:
        told = ngettext("{n} line is wrong", "{n} lines are wrong", wrong)
        raise WrongUseError(
            _("{wrong}: nothing was entered", wrong=told),
            hint=_("mend it and give the whole sheet again"),
        )
    return ticks


def _tick(run: Json, line: Line) -> Tick:
    return Tick(
        step=_step(run, line.code),
        done_at=time_of(line.at, run["timezone"], datetime.now(UTC)),
        by=line.by,
        result=result_of(line.result),
        comment=line.comment,
    )


def _step(run: Json, code: str) -> str:
    try:
        return step_of(code, run["plan"], [step["id"] for step in run["steps"]])
    except CodeError as error:
        raise WrongUseError(
            f"{code!r}: {_(str(error))}", hint=_("the step's id will do as well")
        ) from error


def _asked(run: Json) -> Iterator[Tick]:
    """Ask for one tick after the other, until there is no code."""
    note(_("one line after the other; Enter without a code when the paper is finished"))
    by = ""
    while code := prompt(_("code"), default="", show_default=False).strip():
        try:
            step = _step(run, code)
            note(f"  {step}  {_title(run, step)}")
            at = prompt(_("time (HH:MM)"))
            by = prompt(_("name or initials"), default=by or None)
            result = prompt(_("done, skipped or failed"), default="done")
            comment = prompt(_("note"), default="", show_default=False)
            line = Line(place="", code=step, at=at, by=by, result=result, comment=comment)
            yield _tick(run, line)
        except WrongUseError as error:
            complain(error.message, error.hint)


def _keep(run: Json, ticks: Sequence[Tick]) -> None:
    """Show what was typed as a sheet: whoever was interrupted need not type it again."""
    note(_("nothing was entered"))
    if not ticks:
        return
    note(_("what was typed, as a sheet for --from:"))
    for row in sheet_of(ticks, run["timezone"]):
        note(row)


def _title(run: Json, step: str) -> str:
    return next(str(one["title"]) for one in run["steps"] if one["id"] == step)


def _show(run: Json, ticks: Sequence[Tick]) -> None:
    codes = codes_of(run["plan"], [step["id"] for step in run["steps"]])
    now = {step["id"]: step["status"] for step in run["steps"]}
    rows = [
        (
            codes[tick.step],
            tick.step,
            day_and_time(moment.stamp(tick.done_at), run["timezone"]),
            tick.by,
            tick.result,
            now[tick.step],
            tick.comment,
        )
        for tick in ticks
    ]
    columns = _("code"), _("step"), _("done at"), _("by"), _("result"), _("now"), _("note")
    print_table(columns, rows)


async def _enter(access: Access, run: Json, tick: Tick) -> _Entered:
    step = next(one for one in run["steps"] if one["id"] == tick.step)
    healed = step["status"] == "healthy" and step["from_paper"] is None and not step["accepted_by"]
    if healed and tick.result is PaperResult.DONE:
        told = _("drorch has verified it itself")
        return _Entered(tick=tick, outcome="known", told=told)
    try:
        taken = await access.paper(run["id"], tick)
    except CommandRejectedError as error:
        return _Entered(tick=tick, outcome="refused", told=error.message)
    return _Entered(tick=tick, outcome="entered" if taken else "waiting")


def _told(run: Json, entered: Sequence[_Entered], as_: Format) -> Exit:
    refused = [one for one in entered if one.outcome == "refused"]
    waiting = sum(one.outcome == "waiting" for one in entered)
    if as_ is Format.JSON:
        print_json([_as_json(one) for one in entered])
    else:
        for one in entered:
            if one.told:
                style = "bold red" if one.outcome == "refused" else ""
                say(f"{one.tick.step}: {one.told}", style=style)
        good = sum(one.outcome in ("entered", "waiting") for one in entered)
        say(ngettext("{n} tick is entered from paper", "{n} ticks are entered from paper", good))
    if waiting:
        note(_("they take effect as soon as a process drives the run"))
        note(repeat_options(f"hint: 'drorch run --continue {run['id']}'"))
    return Exit.ENDED_BADLY if refused else Exit.DONE


def _as_json(one: _Entered) -> Json:
    tick = one.tick
    told = {"step": tick.step, "done_at": moment.stamp(tick.done_at), "by": tick.by}
    result = {"result": tick.result, "comment": tick.comment}
    return {**told, **result, "outcome": one.outcome, "reason": one.told or None}

"""``drorch halt`` and ``drorch audit``: stop everything new, and see who did what."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from api.cli.access import Json
from api.cli.context import Surroundings, finish, run_async, surroundings
from api.cli.exits import Exit, WrongUseError, refuse_unsaid
from api.cli.program import repeat_options
from api.cli.runs_commands import As
from api.cli.screen import Format, note, print_json, print_table, say
from api.cli.spans import day_and_time
from api.locale import _, ngettext, pgettext, told

audit_app = typer.Typer(help="The record of acts: read it, and see that nobody has changed it.")


def halt(
    context: typer.Context,
    *,
    reason: Annotated[str, typer.Option(help="Why; halts drorch.")] = "",
    lift: Annotated[bool, typer.Option("--lift", help="Let things out again.")] = False,
    as_: As = Format.TABLE,
) -> None:
    """Let no start, stop or callout out anywhere until it is lifted.

    Within a second, in all runs. Checks go on; what runs is not stopped. Without an option: tells
    whether drorch is halted.
    """
    if reason:
        refuse_unsaid(reason)
    if reason and lift:
        raise WrongUseError(_("--reason halts and --lift ends that"), hint=_("give one of them"))
    where = surroundings(context)
    found = run_async(_halted(where, reason, lift=lift))
    if as_ is Format.JSON:
        print_json(found)
    elif not found["halted"]:
        lifted = _("drorch is not halted; runs go on by themselves")
        say(lifted if lift else _("drorch is not halted"))
    else:
        _tell_halted(found, where.zone)
        if reason and found["reason"] != reason:
            note(_("it was halted before; that halt stays as it is"))
        note(repeat_options(_("nothing new goes out; an admin lifts it: 'drorch halt --lift'")))


def _tell_halted(found: Json, zone: str) -> None:
    words = _(
        "DRORCH IS HALTED since {time} by {name}: {reason}",
        time=day_and_time(found["at"], zone),
        name=found["by"],
        reason=found["reason"],
    )
    say(words, style="bold red")


async def _halted(where: Surroundings, reason: str, *, lift: bool) -> Json:
    async with where.access() as access:
        if lift:
            await access.lift()
        return await access.halt(reason) if reason else await access.halted()


@audit_app.callback(invoke_without_command=True)
def audit(
    context: typer.Context,
    *,
    limit: Annotated[int, typer.Option(min=1, help="So many of the newest.")] = 50,
    as_: As = Format.TABLE,
) -> None:
    """List who did what, the newest first; 'audit verify' sees that nobody has changed it."""
    if context.invoked_subcommand is not None:
        return
    where = surroundings(context)
    found = run_async(_entries(where, limit))
    if as_ is Format.JSON:
        print_json(found)
    elif not found:
        note(_("nothing is recorded yet"))
    else:
        columns = (
            pgettext("in the record", "entry"),
            pgettext("in the record", "at"),
            pgettext("in the record", "who"),
            pgettext("in the record", "did"),
            pgettext("in the record", "about"),
            pgettext("in the record", "why"),
        )
        print_table(columns, [_line(entry, where.zone) for entry in found])


def _line(found: Json, zone: str) -> tuple[str, ...]:
    entry = found["entry"]
    if "unreadable" in entry:
        return str(found["seq"]), "", "", _("UNREADABLE"), "", ""
    actor = entry.get("actor") or {}
    by = f"{actor.get('name', '')} ({actor.get('identity', '')})"
    rest = (str(entry.get(name) or "") for name in ("action", "object", "reason"))
    return str(found["seq"]), day_and_time(entry.get("at"), zone), by, *rest


async def _entries(where: Surroundings, limit: int) -> list[Json]:
    async with where.access(anchors=False) as access:
        return await access.audit(limit)


@audit_app.command()
def verify(
    context: typer.Context,
    *,
    checkpoint: Annotated[
        bool, typer.Option("--checkpoint", help="Write a check-point first, of what is there.")
    ] = False,
    as_: As = Format.TABLE,
) -> None:
    """Follow the whole record and compare it with its signed check-points.

    Exit code 0 when it is whole, 1 when it is broken (then the first broken entry is named), 3 when
    a person has to look: the entries follow one another, and their check-points do not vouch.
    """
    found = run_async(_verified(surroundings(context), checkpoint=checkpoint))
    if as_ is Format.JSON:
        print_json(found)
    else:
        _tell(found)
    sys.stdout.flush()
    finish(_exit_of(found))


def _exit_of(found: Json) -> Exit:
    if found["broken"] is not None:
        return Exit.ENDED_BADLY
    return Exit.DONE if found["ok"] else Exit.NEEDS_PERSON


def _tell(found: Json) -> None:
    entries = ngettext("{n} entries", "{n} entries", found["entries"])
    points = ngettext("{n} check-points", "{n} check-points", found["checkpoints"])
    if found["ok"]:
        whole = _("the record is whole: {entries}, {points}", entries=entries, points=points)
        say(whole, style="green")
    elif found["broken"] is None:
        doubt = _(
            "THE RECORD IS IN DOUBT: its entries follow one another ({entries}, {points}), but",
            entries=entries,
            points=points,
        )
        say(doubt, style="bold red")
    else:
        _tell_broken(found["broken"])
    for one in found["doubts"]:
        say(f"  {told(one)}", style="red")
    if found["unanchored"]:
        chained = _(
            "entries {first} to {last} are chained, and no check-point vouches for them yet",
            first=found["anchored"] + 1,
            last=found["entries"],
        )
        say(chained, style="yellow")
    for one in found["notes"]:
        say(_("note: {what}", what=told(one)), style="yellow")


def _tell_broken(broken: Json) -> None:
    where, why = broken["seq"], told(broken["reason"])
    say(_("THE RECORD IS BROKEN at entry {n}: {why}", n=where, why=why), style="bold red")
    note(_("entries before it are as they were written; keep the database and audit.checkpoints"))


async def _verified(where: Surroundings, *, checkpoint: bool) -> Json:
    # Whoever only looks must not vouch for what may be spoiled.
    async with where.access(anchors=False) as access:
        return await access.verify_audit(checkpoint=checkpoint)

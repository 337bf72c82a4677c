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
        raise WrongUseError("--reason halts and --lift ends that", hint="give one of them")
    where = surroundings(context)
    told = run_async(_halted(where, reason, lift=lift))
    if as_ is Format.JSON:
        print_json(told)
    elif not told["halted"]:
        say("drorch is not halted" + ("; runs go on by themselves" if lift else ""))
    else:
        since = day_and_time(told["at"], where.zone)
        say(f"DRORCH IS HALTED since {since} by {told['by']}: {told['reason']}", style="bold red")
        if reason and told["reason"] != reason:
            note("it was halted before; that halt stays as it is")
        note(repeat_options("nothing new goes out; an admin lifts it: 'drorch halt --lift'"))


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
        note("nothing is recorded yet")
    else:
        columns = ("entry", "at", "who", "did", "about", "why")
        print_table(columns, [_line(entry, where.zone) for entry in found])


def _line(found: Json, zone: str) -> tuple[str, ...]:
    entry = found["entry"]
    if "unreadable" in entry:
        return str(found["seq"]), "", "", "UNREADABLE", "", ""
    actor = entry.get("actor") or {}
    by = f"{actor.get('name', '')} ({actor.get('identity', '')})"
    told = (str(entry.get(name) or "") for name in ("action", "object", "reason"))
    return str(found["seq"]), day_and_time(entry.get("at"), zone), by, *told


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
    told = run_async(_verified(surroundings(context), checkpoint=checkpoint))
    if as_ is Format.JSON:
        print_json(told)
    else:
        _tell(told)
    sys.stdout.flush()
    finish(_exit_of(told))


def _exit_of(told: Json) -> Exit:
    if told["broken"] is not None:
        return Exit.ENDED_BADLY
    return Exit.DONE if told["ok"] else Exit.NEEDS_PERSON


def _tell(told: Json) -> None:
    broken = told["broken"]
    seen = f"{told['entries']} entries, {told['checkpoints']} check-points"
    if told["ok"]:
        say(f"the record is whole: {seen}", style="green")
    elif broken is None:
        say(
            f"THE RECORD IS IN DOUBT: its entries follow one another ({seen}), but",
            style="bold red",
        )
    else:
        say(f"THE RECORD IS BROKEN at entry {broken['seq']}: {broken['reason']}", style="bold red")
        note("entries before it are as they were written; keep the database and audit.checkpoints")
    for one in told["doubts"]:
        say(f"  {one}", style="red")
    if told["unanchored"]:
        first = told["anchored"] + 1
        say(
            f"entries {first} to {told['entries']} are chained, and no check-point vouches for "
            "them yet",
            style="yellow",
        )
    for one in told["notes"]:
        say(f"note: {one}", style="yellow")


async def _verified(where: Surroundings, *, checkpoint: bool) -> Json:
    # Whoever only looks must not vouch for what may be spoiled.
    async with where.access(anchors=False) as access:
        return await access.verify_audit(checkpoint=checkpoint)

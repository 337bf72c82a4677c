"""``drorch export`` and ``drorch import``: one run as a file."""

from __future__ import annotations

import sys
from dataclasses import replace
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Annotated

import typer

from api.callers import system_caller
from api.cli.access import find_run
from api.cli.context import Surroundings, run_async, surroundings
from api.cli.exits import WrongUseError
from api.cli.local import LocalAccess
from api.cli.runs_commands import Run
from api.cli.screen import note, say
from api.locale import _, ngettext, noted
from drorch.errors import ConfigurationError
from drorch.journal.arrival import Arrival, take_in
from drorch.journal.backup import new_file
from drorch.journal.carrying import RunFile, exported, read_file

_TOLD = {
    Arrival.ENDED: noted(
        "it has ended; read it with '{drorch} status {run}' and '{drorch} report {run}'"
    ),
    Arrival.READABLE: noted(
        "it is open elsewhere and here for reading only: '{drorch} status {run}'"
    ),
    Arrival.KNOWN: noted("the very same journal is here already; nothing was changed"),
    Arrival.CARRIED_ON: noted(
        "it is open here now: 'drorch serve' takes it up by itself, or "
        "'{drorch} run --continue {run}'"
    ),
}
_NEVER = noted(
    "THE OTHER COPY OF {run} MUST NEVER BE CARRIED ON AGAIN: two of them would both start "
    "machines. Where it came from, keep drorch stopped, or end the run there: drorch abort {run} "
    "(that stops nothing that runs). Holds do not come along: place them here again before you "
    "go on."
)


def export(
    context: typer.Context,
    run: Run,
    *,
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="A new file, instead of stdout.")
    ] = None,
) -> None:
    """Write a run's whole journal as one file, to be read or carried on elsewhere."""
    content = run_async(_exported(_local(context, "export"), run))
    if out is None:
        sys.stdout.buffer.write(content)
        sys.stdout.buffer.flush()
        return
    with new_file(out) as fresh:
        fresh.write_bytes(content)
    events = len(content.splitlines()) - 2
    note(ngettext("{file}: {n} events", "{file}: {n} events", events, file=out))


async def _exported(where: Surroundings, run: str) -> bytes:
    async with where.application() as app:
        found = await find_run(LocalAccess(app), run)
        now = datetime.now(UTC)
        return await exported(app.store, found, now=now, version=version("drorch"))


def import_(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(help="What 'drorch export' wrote; - is stdin.")],
    *,
    carry_on: Annotated[
        bool,
        typer.Option("--carry-on", help="Drive an open run from here on, and never there again."),
    ] = False,
    break_glass: Annotated[
        str,
        typer.Option(
            metavar="WHY", help="Carry on alone what the policy wants two people for; recorded."
        ),
    ] = "",
) -> None:
    """Take a run in that was exported elsewhere: to read it, or with --carry-on to go on with it.

    A file that is not whole is refused. Without --carry-on nothing is ever driven.
    """
    where = _local(context, "import")
    found = read_file(_content(file))
    arrival = run_async(_taken_in(where, found, carry_on=carry_on, why=break_glass.strip()))
    say(ngettext("{run}: {n} events", "{run}: {n} events", len(found.lines), run=found.run))
    note(_(_TOLD[arrival], run=found.run, drorch=where.program))
    if arrival is Arrival.CARRIED_ON:
        note(_(_NEVER, run=found.run), style="bold red")


def _content(file: Path) -> bytes:
    try:
        return sys.stdin.buffer.read() if str(file) == "-" else file.read_bytes()
    except OSError as error:
        raise ConfigurationError(
            _("{file} cannot be read: {why}", file=file, why=error.strerror),
            hint=_("check the path"),
        ) from error


async def _taken_in(where: Surroundings, file: RunFile, *, carry_on: bool, why: str) -> Arrival:
    async with where.application() as app:
        alone = carry_on and app.settings.policy.policy().takes_two(file.state.mode)
        if alone and not file.state.is_over and not why:
            raise WrongUseError(
                _(
                    "{run} is a live run, and [policy] live_runs wants two people for one",
                    run=file.run,
                ),
                hint=_(
                    "this machine cannot know who approved it there: --break-glass 'why' carries "
                    "it on alone, which is recorded"
                ),
            )
        after = {"carry_on": carry_on, "mode": str(file.state.mode), "plan": file.state.plan.digest}
        act = system_caller().act("run.import", f"run/{file.run}", after=after, reason=why)
        act = replace(act, also=("run.break-glass",) if alone and why else ())
        return await take_in(app.store, file, carry_on=carry_on, act=act)


def _local(context: typer.Context, verb: str) -> Surroundings:
    where = surroundings(context)
    if where.server:
        raise WrongUseError(
            _(
                "'drorch {command}' works on the journal itself, not through a service",
                command=verb,
            ),
            hint=_("leave --server away, on a machine whose drorch.toml names the journal"),
        )
    return where

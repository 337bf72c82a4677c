"""``drorch db``: the journal's database itself, looked after beside the runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from api.bootstrap import ENGINE
from api.cli.context import finish, surroundings
from api.cli.exits import Exit, WrongUseError
from api.cli.program import repeat_options
from api.cli.runs_commands import As
from api.cli.screen import Format, complain, note, print_json, say
from api.locale import _, ngettext, noted, told
from api.settings import Settings
from drorch.journal.backup import Copied, back_up
from drorch.journal.backup import restore as put_back
from drorch.journal.checking import Flaw, check_journal
from drorch.journal.locks import FileLeases
from drorch.journal.opening import opened, upgrade_database
from drorch.journal.schema import UpgradeRefusedError

db_app = typer.Typer(
    no_args_is_help=True,
    help="The journal's database: upgrade it, check it, back it up, put a backup back.",
)

_FLAWED = noted(
    "do not delete anything, and do not carry the runs above on: drorch will not guess what "
    "happened in them. Keep a copy as it is now, then put back the newest 'drorch db backup' that "
    "passes this check; runs that are not named are whole, and 'drorch export' takes them along"
)


@db_app.command()
def upgrade(context: typer.Context) -> None:
    """Move the tables to this version's schema, all or nothing.

    Refused while a run is open or an orchestrator lives on the journal. Make a backup first.
    """
    settings = _local(context)
    _refuse_engine(settings)
    done = upgrade_database(settings.place)
    if done.old == done.new:
        say(
            _(
                "{journal}: schema {version} already, nothing to do",
                journal=settings.place.shown,
                version=done.new,
            )
        )
    else:
        old = _("empty") if done.old is None else _("schema {version}", version=done.old)
        new = _("schema {version}", version=done.new)
        say(f"{settings.place.shown}: {old} -> {new}")


def _refuse_engine(settings: Settings) -> None:
    """An older service writes down nowhere that it lives; its file lock tells."""
    locks = FileLeases(settings.data_dir / "leases")
    if settings.place.url is None and locks.holds(ENGINE):
        raise UpgradeRefusedError(
            _(
                "'drorch serve' runs on {folder} and would not know the new tables",
                folder=settings.data_dir,
            ),
            hint=_("stop it, upgrade, and start the new version"),
        )


@db_app.command()
def check(context: typer.Context, *, as_: As = Format.TABLE) -> None:
    """Read the whole journal and tell what is missing or unreadable; exit code 1 if anything is.

    Changes nothing, and may be done while runs go on.
    """
    settings = _local(context)
    with opened(settings.place) as backend:
        found = check_journal(backend)
    if as_ is Format.JSON:
        print_json(asdict(found))
    else:
        runs = ngettext("{n} runs", "{n} runs", found.runs)
        read = ngettext("{n} events read", "{n} events read", found.events)
        say(f"{settings.place.shown}: {runs}, {read}")
        _print_flaws(found.flaws)
    finish(Exit.ENDED_BADLY if found.flaws else Exit.DONE)


def _print_flaws(flaws: Sequence[Flaw]) -> None:
    for flaw in flaws:
        where = flaw.run or _("database")
        say(f"{where}: {told(flaw.message)}", style="red")
    if flaws:
        complain(_("the journal is not whole: {n} found", n=len(flaws)), _(_FLAWED))
    else:
        say(_("everything is there and can be read"), style="green")


@db_app.command()
def backup(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(help="A new file: SQLite, whichever database it is of.")],
) -> None:
    """Write the whole journal, as it is at one moment, into a new file, while runs go on.

    A laptop opens it: as drorch.db in an empty data_dir, with url = "sqlite".
    """
    copied = back_up(_local(context).place, file)
    _tell_copied(str(file), copied)
    _tell_open(
        copied,
        noted(
            "open in it: {runs}; whoever starts 'drorch serve' on this copy carries them on, "
            "which must not happen while anybody else does"
        ),
    )


@db_app.command()
def restore(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(help="What 'drorch db backup' wrote.")],
) -> None:
    """Put a backup into the configured database, which has to be empty."""
    place = _local(context).place
    copied = put_back(file, place)
    _tell_copied(place.shown, copied)
    _tell_open(
        copied,
        noted(
            "open in it: {runs}; the next 'drorch serve' here carries them on, which must not "
            "happen while anybody else does"
        ),
    )


def _tell_copied(where: str, copied: Copied) -> None:
    runs = ngettext("{n} runs", "{n} runs", copied.runs)
    events = ngettext("{n} events", "{n} events", copied.events)
    say(f"{where}: {runs}, {events}")


def _tell_open(copied: Copied, words: str) -> None:
    if copied.still_open:
        runs = ", ".join(copied.still_open)
        note(_(words, runs=runs), style="yellow")


def _local(context: typer.Context) -> Settings:
    where = surroundings(context)
    if where.server:
        raise WrongUseError(
            _("'drorch db' works on the database itself, not through a service"),
            hint=repeat_options(_("leave --server away, on a machine whose drorch.toml names it")),
        )
    return where.settings()

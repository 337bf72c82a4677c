"""``drorch user``: people who log in with a browser. On the machine of the service alone."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from api import people
from api.bootstrap import Application
from api.callers import system_caller
from api.cli.access import Json
from api.cli.context import Surroundings, run_async, surroundings
from api.cli.exits import WrongUseError
from api.cli.prompts import prompt
from api.cli.runs_commands import As
from api.cli.screen import Format, note, print_json, print_table, say
from api.locale import _, pgettext
from api.people import NewCodes
from drorch.access.people import LONGEST_PASSWORD, SHORTEST_PASSWORD, WeakPasswordError
from drorch.access.roles import Role

user_app = typer.Typer(
    no_args_is_help=True,
    help="People who log in with a browser: add, list, change, remove. On the service's machine.",
)

Name = Annotated[str, typer.Argument(metavar="NAME", help="With what they log in.")]
PasswordFile = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="Take the password from its first line; - is stdin."),
]


@asynccontextmanager
async def _here(where: Surroundings) -> AsyncIterator[Application]:
    if where.server:
        raise WrongUseError(
            _("people are managed on the machine of the service, not through it"),
            hint=_(
                "log in there and leave --server (DRORCH_SERVER) away; tokens can be made "
                "through it: 'drorch token create'"
            ),
        )
    async with where.application() as app:
        yield app


def _password(file: Path | None) -> str:
    """Return a password, asked for twice where somebody sits, and never shown."""
    if file is not None:
        return _first_line(file)
    if not sys.stdin.isatty():
        raise WrongUseError(
            _("nobody is here to type a password"),
            hint=_("give --password-file FILE, or - for stdin"),
        )
    least = _("at least {n} characters; three or four words are easy to keep", n=SHORTEST_PASSWORD)
    note(least)
    while True:
        first = prompt(_("Password"), hide_input=True)
        if first == prompt(_("Once more"), hide_input=True):
            return first
        typer.echo(_("Error: The two entered values do not match."), err=True)


def _first_line(file: Path) -> str:
    try:
        text = sys.stdin.readline() if str(file) == "-" else file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise WrongUseError(
            _(
                "the password in {file} cannot be read: {why}",
                file=file,
                why=getattr(error, "strerror", None) or error,
            )
        ) from error
    first = (text.splitlines() or [""])[0]
    if len(first) > LONGEST_PASSWORD:
        raise WeakPasswordError(_("a password has at most {n} characters", n=LONGEST_PASSWORD))
    return first


def _tell_codes(codes: NewCodes) -> None:
    say(_("secret   {secret}", secret=codes.secret))
    say(_("address  {address}", address=codes.address))
    note(_("put it into an authenticator now: it is not shown again"))


@user_app.command()
def add(
    context: typer.Context,
    name: Name,
    *,
    role: Annotated[Role, typer.Option(help="What they may do.")],
    password_file: PasswordFile = None,
    totp: Annotated[
        bool, typer.Option("--totp", help="Also ask for one-time codes; prints the secret.")
    ] = False,
    no_password: Annotated[
        bool, typer.Option("--no-password", help="For who logs in by OIDC alone; see 'link'.")
    ] = False,
) -> None:
    """Add somebody. Asks for the password twice, unless a file gives it."""
    people.plain_name(name)
    password = None if no_password else _password(password_file)
    codes = run_async(_added(surroundings(context), name, role, password, totp=totp))
    say(_("{name}: may log in as {role}", name=people.plain_name(name), role=role))
    if codes is not None:
        _tell_codes(codes)


async def _added(
    where: Surroundings, name: str, role: Role, password: str | None, *, totp: bool
) -> NewCodes | None:
    async with _here(where) as app:
        return await people.add_person(
            app, name, role, password, with_codes=totp, caller=system_caller()
        )


@user_app.command("list")
def list_(context: typer.Context, *, as_: As = Format.TABLE) -> None:
    """List who may log in."""
    found = run_async(_listed(surroundings(context)))
    if as_ is Format.JSON:
        print_json(found)
    elif not found:
        note(_("there is nobody yet"))
    else:
        columns = (
            _("name"),
            pgettext("of a person", "role"),
            pgettext("of a person", "password"),
            pgettext("of a person", "codes"),
            pgettext("of a person", "at the provider"),
            pgettext("a column", "state"),
        )
        print_table(columns, [_line(person) for person in found])


def _line(person: Json) -> tuple[str | Text, ...]:
    gone = person["disabled_at"]
    state = Text(_("disabled"), style="red") if gone else Text(_("may log in"), style="green")
    return (
        person["name"],
        person["role"],
        _("yes") if person["password"] else _("no"),
        _("yes") if person["totp"] else _("no"),
        person["subject"] or "",
        state,
    )


async def _listed(where: Surroundings) -> list[Json]:
    async with _here(where) as app:
        return [people.person_json(person) for person in await app.gate.people()]


@user_app.command()
def password(context: typer.Context, name: Name, *, password_file: PasswordFile = None) -> None:
    """Give somebody a new password. Ends their sessions."""

    async def change() -> None:
        async with _here(surroundings(context)) as app:
            await people.set_password(app, name, _password(password_file), system_caller())

    run_async(change())
    say(_("{name}: has a new password, and is logged out everywhere", name=name))


@user_app.command()
def totp(
    context: typer.Context,
    name: Name,
    *,
    off: Annotated[bool, typer.Option("--off", help="Ask for no codes any more.")] = False,
) -> None:
    """Give somebody a new secret for one-time codes, for a lost phone too. Ends their sessions."""

    async def change() -> NewCodes | None:
        async with _here(surroundings(context)) as app:
            return await people.set_codes(app, name, on=not off, caller=system_caller())

    codes = run_async(change())
    none = _("{name}: is asked for no codes any more", name=name)
    say(none if off else _("{name}: has new one-time codes", name=name))
    if codes is not None:
        _tell_codes(codes)


@user_app.command()
def role(
    context: typer.Context,
    name: Name,
    role: Annotated[Role, typer.Argument(metavar="ROLE", help="What they may do from now on.")],
) -> None:
    """Give somebody another role. Ends their sessions."""

    async def change() -> None:
        async with _here(surroundings(context)) as app:
            await people.set_role(app, name, role, system_caller())

    run_async(change())
    say(_("{name}: is {role} now, and logs in again", name=name, role=role))


@user_app.command()
def disable(context: typer.Context, name: Name) -> None:
    """Let somebody not log in any more. Ends their sessions; 'enable' takes it back."""

    async def change() -> None:
        async with _here(surroundings(context)) as app:
            await people.disable(app, name, system_caller())

    run_async(change())
    say(_("{name}: may not log in any more, and is logged out everywhere", name=name))


@user_app.command()
def enable(context: typer.Context, name: Name) -> None:
    """Let somebody log in again."""

    async def change() -> None:
        async with _here(surroundings(context)) as app:
            await people.enable(app, name, system_caller())

    run_async(change())
    say(_("{name}: may log in again", name=name))


@user_app.command()
def remove(context: typer.Context, name: Name) -> None:
    """Forget somebody. What they did stays in the record."""

    async def change() -> None:
        async with _here(surroundings(context)) as app:
            await people.remove(app, name, system_caller())

    run_async(change())
    say(_("{name}: removed, and logged out everywhere", name=name))


@user_app.command()
def link(
    context: typer.Context,
    name: Name,
    *,
    subject: Annotated[
        str, typer.Option(help="Who they are at the OIDC provider, as the log-in page tells it.")
    ] = "",
    off: Annotated[bool, typer.Option("--off", help="Take it back.")] = False,
) -> None:
    """Say who somebody is at the OIDC provider, so that they may log in by it."""
    if bool(subject) == off:
        raise WrongUseError(_("give --subject SUB, or --off to take it back"))

    async def change() -> None:
        async with _here(surroundings(context)) as app:
            await people.link(app, name, subject, system_caller())

    run_async(change())
    alone = _("{name}: logs in by name and password alone", name=name)
    say(alone if off else _("{name}: may log in by the provider", name=name))

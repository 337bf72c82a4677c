"""``drorch token``: API tokens, made and shown once, listed, revoked."""

from __future__ import annotations

import sys
from ipaddress import ip_network
from typing import Annotated

import typer
from rich.text import Text

from api.access import WantedToken
from api.cli.access import Json
from api.cli.context import Surroundings, run_async, surroundings
from api.cli.exits import WrongUseError
from api.cli.runs_commands import As
from api.cli.screen import Format, note, print_json, print_table, say
from api.cli.spans import day_and_time
from api.locale import _, pgettext
from drorch.access.roles import Role

token_app = typer.Typer(
    no_args_is_help=True, help="API tokens: make one (it is shown once), list them, revoke one."
)

_DAYS = 90
_MOST_DAYS = 3650
_LONGEST_NAME = 60


@token_app.command()
def create(
    context: typer.Context,
    *,
    name: Annotated[str, typer.Option(help="What it is for, such as monitoring.")],
    role: Annotated[Role, typer.Option(help="What it may do.")],
    days: Annotated[int, typer.Option(min=1, max=_MOST_DAYS, help="Until it expires.")] = _DAYS,
    never: Annotated[bool, typer.Option("--never", help="It does not expire.")] = False,
    address: Annotated[
        list[str] | None,
        typer.Option(metavar="CIDR", help="Networks from which alone it is taken. Repeatable."),
    ] = None,
    as_: As = Format.TABLE,
) -> None:
    """Make a token. It is printed once, and stored nowhere.

    Into a pipe goes the token and nothing else: TOKEN=$(drorch token create ...).
    """
    wanted = WantedToken(
        name=_named(name),
        role=role,
        days=None if never else days,
        addresses=tuple(_network(one) for one in address or ()),
    )
    made = run_async(_made(surroundings(context), wanted))
    if as_ is Format.JSON:
        print_json(made)
        return
    sys.stdout.write(made["token"] + "\n")
    sys.stdout.flush()
    note(_made_words(made))


def _made_words(made: Json) -> str:
    name, role = made["name"], made["role"]
    if not made["expires_at"]:
        return _("the token {name} is {role} for ever; it is not shown again", name=name, role=role)
    return _(
        "the token {name} is {role} until {day}; it is not shown again",
        name=name,
        role=role,
        day=made["expires_at"][:10],
    )


def _named(name: str) -> str:
    if not name.strip() or not name.isprintable() or len(name) > _LONGEST_NAME:
        raise WrongUseError(
            _("--name {name} is no name", name=repr(name)),
            hint=_("1 to {n} printable characters", n=_LONGEST_NAME),
        )
    return name.strip()


def _network(given: str) -> str:
    try:
        return str(ip_network(given, strict=False))
    except ValueError as error:
        raise WrongUseError(
            _("--address {address} is no network", address=repr(given)),
            hint=_("write 10.1.0.5 or 10.1.0.0/24"),
        ) from error


async def _made(where: Surroundings, wanted: WantedToken) -> Json:
    async with where.access() as access:
        return await access.make_token(wanted)


@token_app.command("list")
def list_(context: typer.Context, *, as_: As = Format.TABLE) -> None:
    """List the tokens, also those that were revoked; never their secrets."""
    where = surroundings(context)
    found = run_async(_listed(where))
    if as_ is Format.JSON:
        print_json(found)
    elif not found:
        note(_("there is no token yet"))
    else:
        columns = (
            _("token"),
            _("name"),
            pgettext("of a person", "role"),
            pgettext("a column", "expires"),
            pgettext("a column", "only from"),
            pgettext("a column", "last used"),
            pgettext("a column", "state"),
        )
        print_table(columns, [_line(token, where.zone) for token in found])


def _line(token: Json, zone: str) -> tuple[str | Text, ...]:
    used = day_and_time(token["last_used_at"], zone) if token["last_used_at"] else _("never")
    valid, revoked = Text(_("valid"), style="green"), Text(_("revoked"), style="red")
    return (
        token["id"],
        token["name"],
        token["role"],
        day_and_time(token["expires_at"], zone) if token["expires_at"] else _("never"),
        ", ".join(token["addresses"]),
        f"{used} {token['last_used_from']}".strip(),
        revoked if token["revoked_at"] else valid,
    )


async def _listed(where: Surroundings) -> list[Json]:
    async with where.access() as access:
        return await access.tokens()


@token_app.command()
def revoke(
    context: typer.Context,
    token: Annotated[str, typer.Argument(metavar="ID|NAME", help="As 'token list' shows it.")],
) -> None:
    """Revoke a token: from now on it opens nothing."""
    run_async(_revoked(surroundings(context), token))
    say(_("{what}: revoked", what=token))


async def _revoked(where: Surroundings, token: str) -> None:
    async with where.access() as access:
        await access.revoke_token(token)

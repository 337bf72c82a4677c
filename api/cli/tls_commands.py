"""``drorch tls``: the service's own certificate, where a town has no authority for it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from api.cli.context import surroundings
from api.cli.exits import WrongUseError
from api.cli.runs_commands import As
from api.cli.screen import Format, note, print_json, say
from api.host_names import canonical, of_this_machine
from api.locale import _
from api.serving_rules import tls_files
from api.settings import Settings
from api.tls import OwnTls, Shown, is_open_to_others, now, read
from drorch.errors import ConfigurationError

tls_app = typer.Typer(
    no_args_is_help=True,
    help="The service's certificate: make an own one, renew it, show what people compare.",
)

Names = Annotated[
    list[str] | None,
    typer.Option("--name", help="A further host name or address; repeat it for several."),
]


@tls_app.command()
def init(
    context: typer.Context,
    *,
    name: Names = None,
    force: Annotated[
        bool, typer.Option("--force", help="Replace the authority: people import it again.")
    ] = False,
    keep: Annotated[
        bool, typer.Option("--keep", help="Do nothing where there is a certificate already.")
    ] = False,
) -> None:
    """Make an authority and a certificate for this machine, in data_dir/tls.

    For its names, its addresses and --name. 'drorch serve' uses and renews it by itself.
    """
    settings = surroundings(context).settings()
    own = OwnTls.of(settings.data_dir)
    if not (keep and own.exists):
        own.make(of_this_machine(*_given_names(settings, name or ())), now(), force=force)
    _tell_own(own)
    port = settings.server.port
    command = f"drorch --server https://NAME:{port} --ca FILE ..."
    note(_("from another machine: {command}", command=command))
    if (given := settings.server.tls_cert) is not None:
        note(_("'drorch serve' does not use it: [server] tls_cert is {file}", file=given))


def _given_names(settings: Settings, given: list[str] | tuple[str, ...]) -> list[str]:
    names = []
    for one in given:
        if (name := canonical(one)) is None:
            raise WrongUseError(
                _("{name} is no host name or address", name=repr(one)),
                hint=_("write it without scheme, port and path: drorch.comune.example"),
            )
        names.append(name)
    return [*names, *settings.server.names]


@tls_app.command()
def renew(context: typer.Context) -> None:
    """Renew the own certificate now, for the same names.

    A running service takes it over within seconds. The authority, its fingerprint and what people
    have imported stay.
    """
    settings = surroundings(context).settings()
    own = OwnTls.of(settings.data_dir)
    if not own.exists:
        raise _none(settings)
    own.renew(now())
    _tell_own(own)


@tls_app.command()
def show(context: typer.Context, *, as_: As = Format.TABLE) -> None:
    """Show the certificate that 'drorch serve' uses: fingerprints, names, how long it is valid."""
    settings = surroundings(context).settings()
    files = tls_files(settings)
    if files is None:
        raise _none(settings)
    own = OwnTls.of(settings.data_dir)
    is_own = files.certificate == own.server
    found = read(files.certificate)
    if as_ is Format.JSON:
        authority = read(own.authority) if is_own else None
        print_json(_document(files.certificate, found, own.authority, authority))
    elif is_own:
        _tell_own(own)
    else:
        file = files.certificate
        say(_("certificate   {file}, given by [server] tls_cert", file=file))
        _tell(found)
    if is_open_to_others(files.key):
        command = f"chmod 600 {files.key}"
        note(_("other users of this machine may read the key: {command}", command=command))


def _none(settings: Settings) -> ConfigurationError:
    folder = OwnTls.of(settings.data_dir).folder
    return ConfigurationError(
        _("there is no certificate in {folder}, and none is configured", folder=folder),
        hint=_("'drorch tls init' makes one"),
    )


def _tell_own(own: OwnTls) -> None:
    authority = read(own.authority)
    until = authority.until.date()
    say(_("authority     {file} (people and programs import this one)", file=own.authority))
    say(_("  SHA-256     {fingerprint}", fingerprint=authority.fingerprint))
    say(_("  valid until {day}; write this fingerprint into the runbook", day=until))
    say(_("certificate   {file}", file=own.server))
    _tell(read(own.server))


def _tell(found: Shown) -> None:
    say(_("  SHA-256     {fingerprint}", fingerprint=found.fingerprint))
    until = found.until.date()
    if found.is_due(now()):
        say(_("  valid until {day}; it is due for renewal", day=until))
    else:
        say(_("  valid until {day}", day=until))
    say(_("  for         {names}", names=", ".join(found.names) or _("no name at all")))


def _document(
    file: Path, found: Shown, authority_file: Path, authority: Shown | None
) -> dict[str, object]:
    told: dict[str, object] = {"certificate": _told(file, found), "authority": None}
    if authority is not None:
        told["authority"] = _told(authority_file, authority)
    return told


def _told(file: Path, found: Shown) -> dict[str, object]:
    return {
        "file": str(file),
        "sha256": found.fingerprint,
        "names": list(found.names),
        "since": found.since.isoformat(),
        "until": found.until.isoformat(),
        "due": found.is_due(now()),
    }

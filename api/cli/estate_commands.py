"""Commands about hypervisors: ``connectors``, ``connectors check``, ``fleet``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from api.cli.access import Json
from api.cli.context import Surroundings, finish, run_async, surroundings
from api.cli.exits import Exit
from api.cli.program import repeat_options
from api.cli.runs_commands import As
from api.cli.screen import Format, complain, note, print_json, print_table, say
from api.cli.states import power_word
from api.cli.summary import print_findings
from api.locale import _, ngettext, pgettext, told
from api.settings import no_configuration

connectors_app = typer.Typer(
    invoke_without_command=True, help="Hypervisors: who answers, which version, which rights lack."
)

_POWER_STYLES = {"running": "green", "starting": "cyan", "off": "dim", "crashed": "bold red"}


@connectors_app.callback()
def connectors(context: typer.Context, *, as_: As = Format.TABLE) -> None:
    """List the configured hypervisors; exit code 4 when one cannot be reached."""
    if context.invoked_subcommand is not None:
        return
    where = surroundings(context)
    source = _configured(where)
    found = run_async(_connectors(where))
    if as_ is Format.JSON:
        print_json(found)
        finish(_reached_all(found))
    if source is not None:
        note(_("config: {file}", file=source), style="dim")
    if not found:
        note(_("no connector is configured: add [connectors.NAME] to it"))
    else:
        columns = (_("connector"), _("type"), _("answers"), _("product"))
        print_table(columns, [_reached(line) for line in found])
    finish(_reached_all(found))


def _reached_all(found: Sequence[Json]) -> Exit:
    bad = any(not line.get("ok", True) for line in found)
    return Exit.UNREACHABLE if bad else Exit.DONE


def _configured(where: Surroundings) -> Path | None:
    """Return the configuration that is used here. Raises `ConfigurationError` if there is none."""
    if where.server:
        return None
    settings = where.settings()
    if (missing := no_configuration(settings)) is not None:
        raise missing
    return settings.source.resolve() if settings.source else None


async def _connectors(where: Surroundings) -> list[Json]:
    async with where.access() as access:
        return await access.connectors()


def _reached(line: Json) -> tuple[str | Text, ...]:
    if line.get("ok", True):
        product = f"{line.get('product') or ''} {line.get('version') or ''}".strip()
        return line["name"], line.get("type") or "", Text(_("yes"), style="green"), product
    no = Text(_("no"), style="bold red")
    return line["name"], line.get("type") or "", no, told(line["error"])


@connectors_app.command("check")
def check(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="The connector's name in drorch.toml.")],
    *,
    as_: As = Format.TABLE,
) -> None:
    """Look closely at one hypervisor: nodes, quorum, rights that are missing. Changes nothing."""
    found = run_async(_checked(surroundings(context), name))
    findings = found.get("findings", [])
    if as_ is Format.JSON:
        print_json(found)
    else:
        _print_checked(found)
    bad = any(finding["severity"] == "error" for finding in findings)
    finish(Exit.ENDED_BADLY if bad else Exit.DONE)


async def _checked(where: Surroundings, name: str) -> Json:
    async with where.access() as access:
        return await access.check(name)


def _print_checked(found: Json) -> None:
    say(f"{found['name']}: {found['product']} {found['version']}", style="bold")
    say(
        _(
            "identity {identity}, {n} machines seen",
            identity=found.get("identity", "?"),
            n=found.get("machines", "?"),
        )
    )
    for host in found.get("hosts", []):
        words = _("node {name}: online", name=host["name"])
        if not host["online"]:
            why = told(host["reason"]) or _("no answer")
            words = _("node {name}: dark: {why}", name=host["name"], why=why)
        say(f"  {words}", style="" if host["online"] else "yellow")
    if not found.get("quorate", True):
        say(_("  the cluster has no quorum: it accepts no starts"), style="bold red")
    print_findings(found.get("findings", []))
    if not found.get("findings"):
        say(_("nothing is missing"), style="green")


def fleet(context: typer.Context, *, as_: As = Format.TABLE) -> None:
    """List every machine that is seen, and which plan covers it.

    Exit code 4 when a connector does not answer; the machines of the others are listed.
    """
    where = surroundings(context)
    _configured(where)
    found = run_async(_fleet(where))
    if as_ is Format.JSON:
        print_json(found)
    elif found["items"]:
        _print_fleet(found["items"])
    elif not found["away"]:
        note(repeat_options(_("no machine is seen: 'drorch connectors' lists the hypervisors")))
    for away in found["away"]:
        name, why = away["connector"], told(away["error"])
        complain(_("{connector} is away: {why}", connector=name, why=why), away["hint"])
    finish(Exit.UNREACHABLE if found["away"] else Exit.DONE)


async def _fleet(where: Surroundings) -> Json:
    async with where.access() as access:
        return await access.fleet()


def _print_fleet(machines: Sequence[Json]) -> None:
    rows = [
        (
            f"{line['connector']}/{line['machine']}",
            line["name"] or "",
            Text(power_word(line["power"]), style=_POWER_STYLES.get(line["power"], "")),
            line["host"] or "",
            ", ".join(line["plans"]) or Text(_("no plan"), style="yellow"),
            _("held: {why}", why=line["hold"]) if line.get("hold") else "",
        )
        for line in machines
    ]
    columns = (_("machine"), _("name"), pgettext("of a machine", "power"), _("host"), _("plan"), "")
    print_table(columns, rows)
    covered = sum(bool(line["plans"]) for line in machines)
    many = ngettext(
        "{n} machine, {covered} covered by a plan",
        "{n} machines, {covered} covered by a plan",
        len(machines),
        covered=covered,
    )
    say(many, style="dim")

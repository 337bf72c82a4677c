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
from api.cli.spans import counted
from api.cli.summary import print_findings
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
        note(f"config: {source}", style="dim")
    if not found:
        note("no connector is configured: add [connectors.NAME] to it")
    else:
        print_table(("connector", "type", "answers", "product"), [_reached(line) for line in found])
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
        return line["name"], line.get("type") or "", Text("yes", style="green"), product
    return line["name"], line.get("type") or "", Text("no", style="bold red"), line["error"]


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
    say(f"identity {found.get('identity', '?')}, {found.get('machines', '?')} machines seen")
    for host in found.get("hosts", []):
        told = "online" if host["online"] else f"dark: {host['reason'] or 'no answer'}"
        say(f"  node {host['name']}: {told}", style="" if host["online"] else "yellow")
    if not found.get("quorate", True):
        say("  the cluster has no quorum: it accepts no starts", style="bold red")
    print_findings(found.get("findings", []))
    if not found.get("findings"):
        say("nothing is missing", style="green")


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
        note(repeat_options("no machine is seen: 'drorch connectors' lists the hypervisors"))
    for away in found["away"]:
        complain(f"{away['connector']} is away: {away['error']}", away["hint"])
    finish(Exit.UNREACHABLE if found["away"] else Exit.DONE)


async def _fleet(where: Surroundings) -> Json:
    async with where.access() as access:
        return await access.fleet()


def _print_fleet(machines: Sequence[Json]) -> None:
    rows = [
        (
            f"{line['connector']}/{line['machine']}",
            line["name"] or "",
            Text(str(line["power"]), style=_POWER_STYLES.get(line["power"], "")),
            line["host"] or "",
            ", ".join(line["plans"]) or Text("no plan", style="yellow"),
            f"held: {line['hold']}" if line.get("hold") else "",
        )
        for line in machines
    ]
    print_table(("machine", "name", "power", "host", "plan", ""), rows)
    covered = sum(bool(line["plans"]) for line in machines)
    say(f"{counted(len(machines), 'machine')}, {covered} covered by a plan", style="dim")

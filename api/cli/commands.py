"""All commands, put together under ``drorch``."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Annotated

import typer

from api.cli import (
    carrying_commands,
    db_commands,
    decision_commands,
    estate_commands,
    node_commands,
    paper_commands,
    plan_commands,
    record_commands,
    run_command,
    runbook_command,
    runs_commands,
    service_commands,
    status_page_command,
    tls_commands,
    token_commands,
    user_commands,
)
from api.cli.context import Surroundings
from api.cli.demo.command import demo
from api.locale import _

app = typer.Typer(
    name="drorch",
    help="Disaster recovery orchestrator: brings virtual machines back in dependency order and "
    "verifies that their applications answer.\n\nNew here? 'drorch demo' shows all of it on "
    "simulated machines. Exit codes: 0 done, 1 it ended badly, 2 wrong use or input, 3 a person "
    "must act, 4 the service or a hypervisor could not be reached.",
    no_args_is_help=True,
    add_completion=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(wanted: bool) -> None:
    if wanted:
        try:
            typer.echo(f"drorch {version('drorch')}")
        except PackageNotFoundError:
            typer.echo(_("drorch (not installed)"))
        raise typer.Exit


@app.callback()
def options(
    context: typer.Context,
    *,
    config: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Instead of ./drorch.toml and its like."),
    ] = None,
    server: Annotated[
        str | None,
        typer.Option(
            metavar="URL", envvar="DRORCH_SERVER", help="A running service, instead of this store."
        ),
    ] = None,
    token: Annotated[
        str | None,
        typer.Option(envvar="DRORCH_TOKEN", show_envvar=True, help="For the service."),
    ] = None,
    ca: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            envvar="DRORCH_CA",
            show_envvar=True,
            help="Trust only this authority (PEM) for an https service.",
        ),
    ] = None,
    debug: Annotated[
        bool, typer.Option("--debug", help="Show where an unforeseen error came from.")
    ] = False,
    version: Annotated[
        bool,
        typer.Option("--version", callback=_print_version, is_eager=True, help="Print it."),
    ] = False,
) -> None:
    """Global options; they may stand before or behind the command."""
    del debug, version  # read where errors are told, and by the callback above
    context.obj = Surroundings(config=config, server=server or None, token=token, ca=ca)


app.command()(demo)
app.command()(plan_commands.validate)
app.command()(plan_commands.show)
app.command()(runbook_command.runbook)
app.command()(run_command.run)
app.command()(runs_commands.runs)
app.command()(runs_commands.status)
app.command()(status_page_command.status_page)
app.command()(runs_commands.watch)
decision_commands.add_decisions(app)
app.command()(runs_commands.report)
app.command()(paper_commands.paper)
app.command()(decision_commands.hold)
app.command()(decision_commands.release)
app.command()(decision_commands.holds)
app.add_typer(estate_commands.connectors_app, name="connectors")
app.command()(estate_commands.fleet)
app.command()(node_commands.nodes)
app.command()(service_commands.serve)
app.add_typer(tls_commands.tls_app, name="tls")
app.add_typer(token_commands.token_app, name="token")
app.add_typer(user_commands.user_app, name="user")
app.command()(record_commands.halt)
app.add_typer(record_commands.audit_app, name="audit")
app.command()(service_commands.simulator)
app.command()(plan_commands.schema)
app.command()(plan_commands.openapi)
app.add_typer(db_commands.db_app, name="db")
app.command("export")(carrying_commands.export)
app.command("import")(carrying_commands.import_)

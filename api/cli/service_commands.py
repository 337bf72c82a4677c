"""Commands that stay: ``serve``, ``simulator``."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Annotated

import typer

from api.cli.context import run_async, surroundings
from connectors.simulated.server import run as run_simulator


def serve(
    context: typer.Context,
    *,
    host: Annotated[str | None, typer.Option(help="Instead of [server] host.")] = None,
    port: Annotated[
        int | None, typer.Option(min=0, max=65535, help="Instead of [server] port.")
    ] = None,
) -> None:
    """Run the service: the API, the pages and the engine."""
    settings = surroundings(context).settings()
    given = {key: value for key, value in (("host", host), ("port", port)) if value is not None}
    server = settings.server.model_copy(update=given)
    # The web side is heavy; no other command should wait for its import.
    serving = import_module("api.serving")
    code = serving.serve(settings.model_copy(update={"server": server}))
    raise typer.Exit(code if isinstance(code, int) else 0)


def simulator(
    fleet: Annotated[Path, typer.Option(help="The fleet file (YAML).")],
    *,
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 finds a free one.")] = 8141,
    seed: Annotated[int | None, typer.Option(help="Makes injected faults reproducible.")] = None,
) -> None:
    """Run the simulated hypervisor.

    Its fleet boots, fails and remembers its orders.
    """
    run_async(run_simulator(fleet, port, seed=seed))

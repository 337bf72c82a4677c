"""``drorch nodes``: who is there, and who drives what."""

from __future__ import annotations

import typer
from rich.text import Text

from api.cli.access import Json
from api.cli.context import Surroundings, run_async, surroundings
from api.cli.program import repeat_options
from api.cli.runs_commands import As
from api.cli.screen import Format, note, print_json, print_table
from api.cli.spans import day_and_time
from api.locale import _, pgettext, spelt, told


def nodes(context: typer.Context, *, as_: As = Format.TABLE) -> None:
    """List the orchestrators on this journal: who lives, since when, and who drives which run."""
    found = run_async(_nodes(surroundings(context)))
    if as_ is Format.JSON:
        print_json(found)
    elif not found:
        note(repeat_options(_("no orchestrator is there: 'drorch serve' starts one")))
    else:
        columns = (
            _("orchestrator"),
            _("address"),
            _("version"),
            pgettext("an orchestrator", "is"),
            pgettext("an orchestrator", "started"),
            pgettext("an orchestrator", "drives"),
            "",
        )
        print_table(columns, [_line(node) for node in found])


async def _nodes(where: Surroundings) -> list[Json]:
    async with where.access() as access:
        return await access.nodes()


def _line(node: Json) -> tuple[str | Text, ...]:
    silent = _("silent for {span}", span=spelt(node["silent_s"] or 0.0))
    return (
        node["name"],
        node["address"] or "",
        node["version"] or "",
        Text(_("alive"), style="green") if node["alive"] else Text(silent, style="bold red"),
        day_and_time(node["started_at"]),
        ", ".join(node["drives"]) or _("nothing"),
        Text(told(node["note"]), style="yellow"),
    )

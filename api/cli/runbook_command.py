"""``drorch runbook``: the plan for the night when no screen works."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from enum import StrEnum
from importlib import import_module
from pathlib import Path
from typing import Annotated

import typer

from api.cli.context import run_async, surroundings
from api.cli.exits import WrongUseError
from api.cli.named_plan import named_plan
from api.cli.screen import note
from api.locale import LANGUAGES, _, language, speaking
from api.runbook.checks import Around
from api.runbook.contents import Runbook
from api.runbook.contents import runbook as contents_of
from api.runbook.text import as_text
from api.telling import connector_types
from plans import select


class Paper(StrEnum):
    HTML = "html"
    TEXT = "text"


Language = StrEnum("Language", {code: code for code in LANGUAGES})  # type: ignore[misc]


def runbook(
    context: typer.Context,
    plan: Annotated[str, typer.Argument(metavar="FILE|PLAN", help="A plan file or a stored plan.")],
    *,
    only: Annotated[
        list[str] | None, typer.Option(help="Steps, groups or services. Repeatable.")
    ] = None,
    lang: Annotated[Language | None, typer.Option(help="Else the terminal's.")] = None,
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Where to write it; else to stdout.")
    ] = None,
    as_: Annotated[
        Paper | None, typer.Option("--format", help="Else by the name of FILE, or text.")
    ] = None,
) -> None:
    """Print a plan for the night when no screen works.

    The whole plan in order, with commands, checks, telephone numbers, boxes to tick and a code for
    each; 'drorch paper' enters the ticks afterwards. HTML is one file that needs nothing else.
    """
    where = surroundings(context)
    found, revision = run_async(named_plan(where, plan))
    with speaking(str(lang) if lang else language()):
        settings = where.settings()
        around = Around(
            types=connector_types(settings.connectors),
            callouts=settings.callouts,
            secrets=settings.secrets,
        )
        book = contents_of(
            select(found, only) if only else found,
            at=datetime.now(UTC),
            zone=settings.server.timezone,
            around=around,
            revision=revision,
        )
        text = _rendered(book, as_ or _kind_of(out))
    if out is None:
        sys.stdout.write(text)
        return
    try:
        out.write_text(text, encoding="utf-8")
    except OSError as error:
        raise WrongUseError(
            _("{file} cannot be written: {why}", file=out, why=error.strerror or error),
            hint=_("name another --out"),
        ) from error
    note(_("written: {file}", file=out))


def _kind_of(out: Path | None) -> Paper:
    named = out is not None and out.suffix.lower() in (".html", ".htm")
    return Paper.HTML if named else Paper.TEXT


def _rendered(book: Runbook, kind: Paper) -> str:
    if kind is Paper.TEXT:
        return as_text(book)
    # The web side is heavy; no other command should wait for its import.
    return str(import_module("api.runbook.page").as_html(book))

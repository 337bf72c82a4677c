"""The help of the commands, and what Typer says in it, in the language spoken here.

Typer keeps texts in its commands and options, in English: where another language is spoken they
are replaced before a command line is read.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import typer
from typer._click.formatting import HelpFormatter
from typing_extensions import override

from api.locale import _

Say = Callable[[str], str]

_EXTRAS = re.compile(r"(?P<before>.*?)(?P<gap>  )?\[(?P<extras>[^\[\]]+)\]", re.DOTALL)


def retell(command: Any, say: Say) -> None:
    """Replace every text in the help of *command* and of those below it by what *say* gives."""
    command.context_class = _Context
    for text in ("help", "options_metavar", "subcommand_metavar"):
        if found := getattr(command, text, None):
            setattr(command, text, say(found))
    for parameter in command.params:
        if getattr(parameter, "help", None):
            parameter.help = say(parameter.help)
    for below in getattr(command, "commands", {}).values():
        retell(below, say)


class _Formatter(HelpFormatter):
    """Writes the words that Typer puts between those of the commands."""

    @override
    def write_usage(self, prog: str, args: str = "", prefix: str | None = None) -> None:
        super().write_usage(prog, args, _("Usage: ") if prefix is None else prefix)

    @override
    @contextmanager
    def section(self, name: str) -> Iterator[None]:
        with super().section(_headings().get(name, name)):
            yield

    @override
    def write_dl(
        self, rows: Sequence[tuple[str, str]], col_max: int = 30, col_spacing: int = 2
    ) -> None:
        super().write_dl([(first, _told(rest)) for first, rest in rows], col_max, col_spacing)


class _Context(typer.Context):
    formatter_class = _Formatter


def _headings() -> Mapping[str, str]:
    return {
        "Arguments": _("Arguments"),
        "Options": _("Options"),
        "Commands": _("Commands"),
    }


def _told(rest: str) -> str:
    if rest == "Show this message and exit.":
        return _("Show this message and exit.")
    if (found := _EXTRAS.fullmatch(rest)) is None:
        return rest
    extras = "; ".join(_extra(one) for one in found["extras"].split("; "))
    return f"{found['before']}{found['gap'] or ''}[{extras}]"


def _extra(words: str) -> str:
    name, colon, value = words.partition(": ")
    if words == "required":
        return _("required")
    if colon and name == "default":
        return _("default: {value}", value=value)
    return _("env var: {value}", value=value) if colon and name == "env var" else words

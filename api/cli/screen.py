"""Where words go: data to stdout, everything else to stderr, plainly when nobody looks."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterable, Sequence
from enum import StrEnum
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from api.cli.program import repeat_options
from api.locale import pgettext, told

_WIDE = 400
"""Columns of a table that goes to a file or a pipe: nothing is cut there."""

_MARK = "\N{REPLACEMENT CHARACTER}"
_UNSAFE = re.compile("[\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069]")
"""What JSON leaves as it is, and terminals act upon."""


class Format(StrEnum):
    TABLE = "table"
    JSON = "json"


def out() -> Console:
    """Return the console for what was asked for."""
    return _console(stderr=False)


def err() -> Console:
    """Return the console for everything said beside it."""
    return _console(stderr=True)


def _console(*, stderr: bool) -> Console:
    stream = sys.stderr if stderr else sys.stdout
    width = None if stream.isatty() else _WIDE
    return Console(
        stderr=stderr, width=width, markup=False, highlight=False, emoji=False, soft_wrap=False
    )


def defused(text: str | Text) -> str | Text:
    """Return *text* with a mark for each control and direction character, styles as they are.

    Names, errors and comments come from everywhere, and none may rewrite a terminal.
    """
    plain = text if isinstance(text, str) else text.plain
    if plain.isprintable():
        return text
    clean = "".join(c if c.isprintable() or c in "\n\t" else _MARK for c in plain)
    if isinstance(text, str):
        return clean
    copy = text.copy()
    copy.plain = clean
    return copy


def say(text: str | Text, *, style: str = "") -> None:
    """Print one line of what was asked for; long lines wrap at the terminal's edge."""
    out().print(defused(text), style=style or None, soft_wrap=True)


def note(text: str | Text, *, style: str = "") -> None:
    """Print one line beside the data: to stderr."""
    err().print(defused(text), style=style or None, soft_wrap=True)


def print_json(document: Any) -> None:
    """Print *document* and nothing else to stdout; what a terminal might obey is escaped."""
    text = json.dumps(document, indent=2, ensure_ascii=False)
    sys.stdout.write(_UNSAFE.sub(lambda found: json.dumps(found[0])[1:-1], text) + "\n")
    sys.stdout.flush()


def print_table(columns: Sequence[str], rows: Iterable[Sequence[str | Text]]) -> None:
    """Print rows under headings, without boxes: readers, pipes and people can all follow."""
    table = Table(box=None, pad_edge=False, show_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*map(defused, row))
    out().print(table)


def marked(lead: str, style: str) -> Text:
    """Return a text of which only *lead* has the style: what is appended stands apart."""
    return Text().append(lead, style=style)


def complain(message: str, hint: str = "") -> None:
    """Say on stderr what went wrong, and what to do about it, as it has to be typed here.

    Sentences of the core are said in the language spoken here; those that are so already stay.
    """
    console = err()
    first = pgettext("before what went wrong", "error: ")
    for number, line in enumerate(told(message).splitlines() or [""]):
        lead = first if number == 0 else " " * len(first)
        console.print(marked(lead, "bold red").append(defused(line)), soft_wrap=True)
    if hint:
        lead = pgettext("before what to do", "hint: ")
        what = defused(repeat_options(told(hint)))
        console.print(marked(lead, "bold cyan").append(what), soft_wrap=True)


def is_interactive() -> bool:
    """Tell whether a person sits at both ends."""
    return sys.stdin.isatty() and sys.stdout.isatty()

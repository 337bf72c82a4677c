"""The reference of the command line: what each command's own ``--help`` says."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout

from typer.main import get_command

from api.cli.commands import app
from api.cli.entry import main

_SURROUNDINGS = {"COLUMNS": "96", "LINES": "40", "TERM": "dumb", "NO_COLOR": "1"}


def commands() -> str:
    """Return the help of every command, each in a block of its own."""
    known = getattr(get_command(app), "commands", {})
    parts = [f"### `drorch {name}`\n\n```text\n{_help(name)}```\n" for name in known]
    return "\n".join(parts)


def _help(name: str) -> str:
    with _plain_terminal(), redirect_stdout(io.StringIO()) as said:
        main([name, "--help"])
    lines = [line.rstrip() for line in said.getvalue().splitlines()]
    return "\n".join(lines).strip() + "\n"


@contextmanager
def _plain_terminal() -> Iterator[None]:
    """Make help look the same wherever it is generated."""
    before = dict(os.environ)
    os.environ.update(_SURROUNDINGS)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)

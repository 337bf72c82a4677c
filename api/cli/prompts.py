"""Questions at a terminal that ctrl-C ends at once, quietly: `typer.Abort`, exit code 130.

The event loop has a handler of its own for ctrl-C, which cancels a task: a question that waits for
a line would not hear of it until somebody presses Enter.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import Iterator
from typing import Any

import typer

_MOST = 4096


def prompt(words: str, *, hide_input: bool = False, **more: Any) -> str:
    """Ask for a line; what the event loop does waits meanwhile. Raises `typer.Abort`."""
    with _interruptible(hidden=hide_input):
        return str(typer.prompt(words, hide_input=hide_input, err=True, **more))


def confirm(words: str) -> bool:
    """Ask yes or no. Raises `typer.Abort`."""
    with _interruptible(hidden=False):
        return bool(typer.confirm(words, err=True))


async def line(words: str) -> str:
    """Ask for a line while the event loop goes on. Raises `typer.Abort` at the end of the input."""
    while True:
        typer.echo(f"{words}: ", nl=False, err=True)
        try:
            text = await _next_line()
        except asyncio.CancelledError:
            typer.echo(err=True)
            raise
        if text is None:
            typer.echo(err=True)
            raise typer.Abort
        if text:
            return text


async def _next_line() -> str | None:
    """Return what is typed until Enter, as the terminal hands it over; None at its end."""
    loop = asyncio.get_running_loop()
    typed: asyncio.Future[bytes] = loop.create_future()
    terminal = sys.stdin.fileno()

    def ready() -> None:
        loop.remove_reader(terminal)
        if not typed.done():
            typed.set_result(os.read(terminal, _MOST))

    loop.add_reader(terminal, ready)
    try:
        data = await typed
    finally:
        loop.remove_reader(terminal)
    return data.decode(errors="replace").strip() if data else None


@contextlib.contextmanager
def _interruptible(*, hidden: bool) -> Iterator[None]:
    """Let ctrl-C interrupt what waits for a line, also inside an event loop."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    except typer.Abort:
        if not hidden:  # else the line has been ended already
            typer.echo(err=True)
        raise
    finally:
        signal.signal(signal.SIGINT, before)

"""Follows a run to its end and shows it: a live view at a terminal, plain lines elsewhere."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterator, Sequence
from pathlib import Path
from typing import Protocol, TypeAlias

from rich.console import Console
from rich.live import Live
from rich.text import Text

from api.cli import logs
from api.cli.access import Access, Json
from api.cli.live import View
from api.cli.screen import out
from api.cli.words import tell

LOOK_EVERY = 0.25
"""Seconds between two looks: a screen that changes more often cannot be read."""
_REST = 9.0
"""A look that takes long is followed by so many times its length of rest: looking is not work."""

Attend: TypeAlias = Callable[[Json], Awaitable[None]]


class Show(Protocol):
    """Somewhere to show a run."""

    def show(self, run: Json, events: Sequence[Json]) -> None: ...

    def pause(self) -> contextlib.AbstractContextManager[None]:
        """Leave the terminal to questions for as long as the context lasts."""


class Silence:
    """For output that a program reads."""

    def show(self, run: Json, events: Sequence[Json]) -> None:
        del run, events

    def pause(self) -> contextlib.AbstractContextManager[None]:
        return contextlib.nullcontext()


class PlainLines:
    """One line for each event that is worth one."""

    def __init__(self, console: Console) -> None:
        self._console = console

    def show(self, run: Json, events: Sequence[Json]) -> None:
        del run
        for event in events:
            if (line := tell(event)) is not None:
                text = Text(f"{line.at} ").append(line.text, style=line.style)
                self._console.print(text, soft_wrap=True)

    def pause(self) -> contextlib.AbstractContextManager[None]:
        return contextlib.nullcontext()


class LiveView:
    """A screen that is drawn anew with each look."""

    def __init__(self, console: Console, view: View, *, full_screen: bool = True) -> None:
        self._console = console
        self._view = view
        self._full = full_screen
        self._live: Live | None = None

    def show(self, run: Json, events: Sequence[Json]) -> None:
        self._view.hear(events)
        if self._live is not None:
            # One line stays free: a full last line would make some terminals scroll.
            height = self._console.height - 1
            self._live.update(self._view.draw(run, self._console.width, height), refresh=True)

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        live = Live(
            console=self._console,
            auto_refresh=False,
            screen=self._full,
            transient=True,
            vertical_overflow="crop",
        )
        with live:
            self._live = live
            try:
                yield
            finally:
                self._live = None

    @contextlib.contextmanager
    def pause(self) -> Iterator[None]:
        live = self._live
        if live is None:
            yield
            return
        live.stop()
        self._live = None
        try:
            yield
        finally:
            live.start(refresh=True)
            self._live = live


@contextlib.contextmanager
def showing(data_dir: Path | None, *, view: View | None = None) -> Iterator[Show]:
    """Yield the way to show a run that fits where stdout goes.

    While the live view owns the terminal, logs go to a file in *data_dir*.
    """
    console = out()
    if not console.is_terminal or console.is_dumb_terminal:
        yield PlainLines(console)
        return
    live = LiveView(console, view or View())
    with contextlib.ExitStack() as stack:
        if data_dir is not None:
            stack.enter_context(logs.logging_to(data_dir / "drorch.log"))
        stack.enter_context(live.running())
        yield live


async def nobody(run: Json) -> None:
    """Attend to nothing."""
    del run


async def follow(access: Access, run: str, show: Show, attend: Attend = nobody) -> Json:
    """Show *run* until it is over and return it; *attend* gets each look."""
    loop = asyncio.get_running_loop()
    seen = 0
    while True:
        began = loop.time()
        told = await access.run(run)
        events = await access.events(run, seen)
        seen = events[-1]["seq"] if events else seen
        show.show(told, events)
        if told["ended_at"]:
            return told
        cost = min(loop.time() - began, 1.0)
        await attend(told)
        await asyncio.sleep(max(LOOK_EVERY, cost * _REST if cost > LOOK_EVERY / _REST else 0.0))

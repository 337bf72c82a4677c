"""Follows a run to its end and shows it: a live view at a terminal, plain lines elsewhere."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol, TypeAlias

from rich.console import Console
from rich.live import Live
from rich.text import Text

from api.cli import logs
from api.cli.access import Access, Json
from api.cli.board import Asking, Board
from api.cli.live import View
from api.cli.screen import out
from api.cli.spans import zone_words
from api.cli.words import ASK, tell
from api.locale import _, ngettext
from drorch.run.status import RunStatus

LOOK_EVERY = 0.25
"""Seconds between two looks: a screen that changes more often cannot be read."""
_REST = 9.0
"""A look that takes long is followed by so many times its length of rest: looking is not work."""

Attend: TypeAlias = Callable[[Json], Awaitable[None]]


class Show(Protocol):
    """Somewhere to show a run."""

    def show(self, run: Json, events: Sequence[Json]) -> None: ...

    def ask(self, asking: Asking) -> None:
        """Show the question that is asked here, with what has been typed, from now on."""


class Silence:
    """For output that a program reads."""

    def show(self, run: Json, events: Sequence[Json]) -> None:
        del run, events

    def ask(self, asking: Asking) -> None:
        del asking


class PlainLines:
    """One line for each event that is worth one. What was *told* before is not repeated."""

    def __init__(self, console: Console, *, told: int = 0, program: str = "drorch") -> None:
        self._console = console
        self._told = told
        self._board = Board(program)
        self._run: Json | None = None
        self._asked = Asking()

    def show(self, run: Json, events: Sequence[Json]) -> None:
        first, self._run = self._run is None, run
        zone = run["timezone"]
        if first:
            self._say(_("times are those of {zone}", zone=zone_words(zone)), "dim")
        before = sum(event["seq"] <= self._told for event in events)
        if before:
            self._say(
                ngettext(
                    "-- before the interruption: {n} event, not told again --",
                    "-- before the interruption: {n} events, not told again --",
                    before,
                )
            )
            for card in self._board.cards(run, datetime.now(UTC)):
                question = f"{card.step}: {card.what}; {card.command}"
                self._say(_("still open: {question}", question=question), ASK)
        for event in events[before:]:
            if (line := tell(event, zone)) is not None:
                text = Text(f"{line.at} ").append(line.text, style=line.style)
                self._console.print(text, soft_wrap=True)

    def ask(self, asking: Asking) -> None:
        """Print a question once, and its remarks; the terminal shows what is typed."""
        before, self._asked = self._asked, asking
        if asking.remark and asking.remark != before.remark:
            self._say(asking.remark)
        if asking.words and (asking.step, asking.words) != (before.step, before.words):
            cards = self._board.cards(self._run, datetime.now(UTC)) if self._run else []
            for card in cards:
                if card.step == asking.step:
                    self._say(f"{card.step}: {card.what}", ASK)
                    self._say(f"  {card.who}  {card.waits_behind}", "dim")
            self._console.print(asking.words, end="", style="bold")

    def _say(self, words: str, style: str = "") -> None:
        self._console.print(Text(words, style=style), soft_wrap=True)


class LiveView:
    """A screen that is drawn anew with each look."""

    def __init__(self, console: Console, view: View, *, full_screen: bool = True) -> None:
        self._console = console
        self._view = view
        self._full = full_screen
        self._live: Live | None = None
        self._run: Json | None = None

    def show(self, run: Json, events: Sequence[Json]) -> None:
        self._run = run
        self._view.hear(events, run["timezone"])
        self._draw()

    def ask(self, asking: Asking) -> None:
        self._view.asking = asking
        self._draw()

    def _draw(self) -> None:
        if self._live is not None and self._run is not None:
            # One line stays free: a full last line would make some terminals scroll.
            height = self._console.height - 1
            drawn = self._view.draw(self._run, self._console.width, height)
            self._live.update(drawn, refresh=True)

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
def showing(data_dir: Path | None, *, view: View, told: int = 0) -> Iterator[Show]:
    """Yield the way to show a run that fits where stdout goes.

    The events up to number *told* belong to the past: nobody shall think that they happen now.
    Meanwhile logs go to a file in *data_dir*: what matters of them is told as events, too.
    """
    console = out()
    with contextlib.ExitStack() as stack:
        if data_dir is not None:
            stack.enter_context(logs.logging_to(data_dir / "drorch.log"))
        if has_screen(console):
            live = LiveView(console, view)
            stack.enter_context(live.running())
            yield live
        else:
            yield PlainLines(console, told=told, program=view.board.program)


def has_screen(console: Console) -> bool:
    """Tell whether a live view can be drawn there."""
    return console.is_terminal and not console.is_dumb_terminal


async def nobody(run: Json) -> None:
    """Attend to nothing."""
    del run


async def follow(access: Access, run: str, show: Show, attend: Attend = nobody) -> Json:
    """Show *run* until it is over and return it; *attend* gets each look.

    One that is here to be read only is shown once: it goes on elsewhere.
    """
    loop = asyncio.get_running_loop()
    seen = 0
    while True:
        began = loop.time()
        told = await access.run(run)
        events = await access.events(run, seen)
        seen = events[-1]["seq"] if events else seen
        show.show(told, events)
        if told["ended_at"] or told["status"] == RunStatus.IMPORTED:
            return told
        cost = min(loop.time() - began, 1.0)
        await attend(told)
        await asyncio.sleep(max(LOOK_EVERY, cost * _REST if cost > LOOK_EVERY / _REST else 0.0))

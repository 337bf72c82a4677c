"""Asks a person at the terminal what a run waits for, and hands the answers to it."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Mapping
from datetime import UTC, datetime

from rich.text import Text

from api.cli.access import Access, Given, Json, Verb
from api.cli.board import Board, Card
from api.cli.follow import Show
from api.cli.screen import marked, out, say
from api.cli.words import ASK
from drorch.errors import CommandRejectedError

_AGAIN_AFTER = 60.0
"""Seconds after which a question that was put off is asked again."""
_LOOK_EVERY = 0.5

_MANUAL = {"y": Verb.APPROVE, "yes": Verb.APPROVE, "n": Verb.REJECT, "no": Verb.REJECT}
_FAILURE = {
    "r": Verb.RETRY,
    "retry": Verb.RETRY,
    "s": Verb.SKIP,
    "skip": Verb.SKIP,
    "a": Verb.ACCEPT,
    "accept": Verb.ACCEPT,
    "j": Verb.REJECT,
    "reject": Verb.REJECT,
}


class Asker:
    """Puts the questions of a run to whoever sits at the terminal, one after the other."""

    def __init__(self, access: Access, show: Show, program: str) -> None:
        self._access = access
        self._show = show
        self._board = Board(program)
        self._later: dict[str, float] = {}

    async def attend(self, run: Json) -> None:
        """Ask what *run* asks now, unless the person has put it off."""
        now = asyncio.get_running_loop().time()
        for card in self._board.cards(run, datetime.now(UTC)):
            if card.asks and self._later.get(card.step, 0.0) <= now:
                with self._show.pause():
                    await self._ask(run["id"], card)

    async def _ask(self, run: str, card: Card) -> None:
        verbs = _MANUAL if card.manual else _FAILURE
        _print_question(card)
        answer = await self._answer(run, card, _choices(card))
        if answer is None:
            say(f"{card.step} was answered elsewhere", style="dim")
            return
        verb = verbs.get(answer.strip().lower())
        if verb is None:
            loop = asyncio.get_running_loop()
            self._later[card.step] = loop.time() + _AGAIN_AFTER
            say(f"put off: asked again in {_AGAIN_AFTER:g} s; elsewhere: {card.command}")
            return
        comment = await self._answer(run, card, "comment (what you saw, for the report): ")
        if comment is not None:
            await self._give(Given(run=run, verb=verb, step=card.step, comment=comment.strip()))

    async def _give(self, given: Given) -> None:
        try:
            await self._access.decide(given)
        except CommandRejectedError as error:
            say(f"refused: {error.message}", style="yellow")

    async def _answer(self, run: str, card: Card, prompt: str) -> str | None:
        """Return the line that was typed, or None when the step needs no answer any more."""
        out().print(Text(prompt, style="bold"), end="")
        typed = asyncio.ensure_future(read_line())
        try:
            while True:
                await asyncio.wait({typed}, timeout=_LOOK_EVERY)
                if typed.done():
                    return typed.result()
                if not _still_asks(await self._access.run(run), card.step):
                    return None
        finally:
            typed.cancel()


def _still_asks(run: Json, step: str) -> bool:
    return any(s["id"] == step and s["status"] == "waiting" for s in run["steps"])


def _print_question(card: Card) -> None:
    say("")
    say(marked(f"☎ {card.step}  ", ASK).append(card.what, style="bold"))
    if card.hint:
        say(f"  {card.hint}")
    behind = f" · {card.behind} steps wait behind it" if card.behind else ""
    say(f"  {card.who}{behind}", style="dim")


def _choices(card: Card) -> str:
    if card.manual:
        return "[y]es, [n]o, Enter for later: "
    return "[r]etry, [s]kip, [a]ccept (you vouch for it), re[j]ect, Enter for later: "


async def read_line() -> str:
    """Return the next line typed at the terminal, without its end; empty at end of file."""
    loop = asyncio.get_running_loop()
    typed: asyncio.Future[str] = loop.create_future()
    descriptor = sys.stdin.fileno()

    def ready() -> None:
        # A terminal hands over whole lines, so this does not block.
        line = os.read(descriptor, 4096).decode(errors="replace")
        if not typed.done():
            typed.set_result(line.rstrip("\r\n"))

    loop.add_reader(descriptor, ready)
    try:
        return await typed
    finally:
        loop.remove_reader(descriptor)


def exact_commands(run: Json, program: str) -> Mapping[str, str]:
    """Return for each step that needs a person the command that answers it."""
    cards = Board(program).cards(run, datetime.now(UTC))
    return {card.step: f"{card.command}   ({card.others})" for card in cards}

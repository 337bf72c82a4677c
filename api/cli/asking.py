"""Asks a person at the terminal what a run waits for, and hands the answers to it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta

from api.cli.access import Access, Given, Json, Verb
from api.cli.board import Asking, Board, Card
from api.cli.follow import Show
from api.cli.keyboard import QUIET, Keyboard
from api.cli.spans import clock_time
from api.locale import _, language, noted, told
from drorch.errors import CommandRejectedError

_AGAIN_AFTER = 60.0
"""Seconds after which a question that was put off is asked again."""
_SETTLE = 2.0
"""Seconds that an answer has to show in the run before the same step may ask here again."""

_MANUAL = {
    **dict.fromkeys(("y", "yes", "s", "si", "sì"), Verb.APPROVE),
    **dict.fromkeys(("n", "no"), Verb.REJECT),
}
_FAILURE = {
    **dict.fromkeys(("r", "retry"), Verb.RETRY),
    **dict.fromkeys(("s", "skip"), Verb.SKIP),
    **dict.fromkeys(("a", "accept"), Verb.ACCEPT),
    **dict.fromkeys(("j", "reject"), Verb.REJECT),
}
_ANSWERS: Mapping[str, tuple[Mapping[str, Verb], Mapping[str, Verb]]] = {
    "it": (
        {**_MANUAL, "n": Verb.REJECT},
        {
            **dict.fromkeys(("r", "riprova", "retry"), Verb.RETRY),
            **dict.fromkeys(("s", "salta", "skip"), Verb.SKIP),
            **dict.fromkeys(("c", "convalida", "accept"), Verb.ACCEPT),
            **dict.fromkeys(("l", "lascia", "lascia fallito", "reject"), Verb.REJECT),
        },
    )
}
"""The answers of a language, to a question and about a failure; those of others are English."""
_TAKEN: Mapping[Verb, str] = {
    Verb.APPROVE: noted("approve {step}"),
    Verb.REJECT: noted("reject {step}"),
    Verb.RETRY: noted("retry {step}"),
    Verb.SKIP: noted("skip {step}"),
    Verb.ACCEPT: noted("accept {step}"),
}


class Asker:
    """Puts the questions of a run to whoever sits at the terminal, one after the other.

    The run goes on being shown meanwhile. What is typed while no question is there counts for
    nothing.
    """

    def __init__(self, access: Access, show: Show, program: str, *, raw: bool) -> None:
        self._access = access
        self._show = show
        self._board = Board(program)
        self._keyboard = Keyboard(raw=raw, changed=self._changed)
        self._later: dict[str, float] = {}
        self._put_off: dict[str, str] = {}
        self._asking = Asking()
        self._card: Card | None = None
        self._task: asyncio.Task[None] | None = None

    @contextlib.contextmanager
    def listening(self) -> Iterator[None]:
        """Own the keyboard; what is asked when the context ends is not asked any more."""
        with self._keyboard.open():
            try:
                yield
            finally:
                if self._task is not None:
                    self._task.cancel()

    async def attend(self, run: Json) -> None:
        """Ask what *run* asks now, unless the person has put it off. Returns at once."""
        cards = [card for card in self._board.cards(run, datetime.now(UTC)) if card.asks]
        self._put_off = {c.step: self._put_off[c.step] for c in cards if c.step in self._put_off}
        if self._task is not None and self._task.done():
            self._task.result()
            self._task = None
        if self._task is None:
            self._begin(run, cards)
        elif self._card and self._card.step not in {card.step for card in cards}:
            self._task.cancel()
            self._task = None
            self._say(remark=_("{step} was answered elsewhere", step=self._card.step))

    def _begin(self, run: Json, cards: list[Card]) -> None:
        now = asyncio.get_running_loop().time()
        for card in cards:
            if self._later.get(card.step, 0.0) <= now:
                self._card = card
                self._put_off.pop(card.step, None)
                self._task = asyncio.create_task(self._ask(run, card))
                return
        if self._asking.put_off != self._put_off:
            self._say()

    async def _ask(self, run: Json, card: Card) -> None:
        manual, failure = _ANSWERS.get(language(), (_MANUAL, _FAILURE))
        verbs = manual if card.manual else failure
        choices, remark = _choices(card), ""
        while (answer := (await self._answer(choices, remark, QUIET)).lower()) not in verbs:
            if not answer:
                self._postpone(run, card)
                return
            remark = _("{answer} is not an answer", answer=repr(answer))
        taken = _(_TAKEN[verbs[answer]], step=card.step)
        comment = await self._answer(_("comment (what you saw, for the report): "), taken, 0.0)
        given = Given(run=run["id"], verb=verbs[answer], step=card.step, comment=comment)
        await self._give(given)

    def _postpone(self, run: Json, card: Card) -> None:
        self._later[card.step] = asyncio.get_running_loop().time() + _AGAIN_AFTER
        until = datetime.now(UTC) + timedelta(seconds=_AGAIN_AFTER)
        self._put_off[card.step] = clock_time(until.isoformat(), run["timezone"])
        again = self._put_off[card.step]
        self._say(remark=_("{step} is asked again at {time}", step=card.step, time=again))

    async def _give(self, given: Given) -> None:
        assert given.step is not None  # noqa: S101 (questions belong to steps)
        self._later[given.step] = asyncio.get_running_loop().time() + _SETTLE
        try:
            await self._access.decide(given)
        except CommandRejectedError as error:
            why = told(error.message)
            self._say(remark=_("{step}: refused: {why}", step=given.step, why=why))
        else:
            self._say()

    async def _answer(self, words: str, remark: str, quiet: float) -> str:
        """Return what was typed in answer to *words*."""
        assert self._card is not None  # noqa: S101 (set before anything is asked)
        self._say(step=self._card.step, words=words, remark=remark)
        return (await self._keyboard.line(quiet=quiet)).strip()

    def _changed(self) -> None:
        """Show what was typed."""
        asked, early = self._asking, _("typed before this could be read: not taken")
        remark = early if self._keyboard.early else asked.remark.replace(early, "")
        self._say(step=asked.step, words=asked.words, typed=self._keyboard.typed, remark=remark)

    def _say(self, *, step: str = "", words: str = "", typed: str = "", remark: str = "") -> None:
        self._asking = Asking(step, words, typed, remark, dict(self._put_off))
        self._show.ask(self._asking)


def _choices(card: Card) -> str:
    if card.manual:
        return _("[y]es, [n]o, Enter for later: ")
    return _("[r]etry, [s]kip, [a]ccept (you vouch for it), re[j]ect, Enter for later: ")


def exact_commands(run: Json, program: str) -> Mapping[str, str]:
    """Return for each step that needs a person the command that answers it."""
    cards = Board(program).cards(run, datetime.now(UTC))
    return {card.step: f"{card.command}   ({card.others})" for card in cards}

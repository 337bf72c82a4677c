"""Renders the board for people, in a language; everything escaped, nothing undefined."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

from jinja2 import Environment

from api.rendering.environment import environment_of
from api.status.board import Board, State
from api.status.words import headline, moment, state_word, window, window_label

HERE = Path(__file__).parent
STATIC = HERE / "static"
ASSETS = tuple(sorted(file.name for file in STATIC.iterdir()))
"""The files that pages name: style, script, and an icon for each overall state."""
_SYMBOLS = {
    State.UP: "✓",
    State.RESTORING: "▶",
    State.DOWN: "✕",
    State.NOT_AFFECTED: "✓",
    State.UNKNOWN: "?",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where pages stand: what is before the names of their files, and each language's page.

    ``policy`` is a Content-Security-Policy for hosts that send none.
    """

    files: str
    page: str
    json: str
    policy: str = ""

    def of(self, language: str) -> str:
        return self.page.format(language)


HERE_SERVED = Place(files="/status/", page="/status?lang={}", json="/status.json")
ELSEWHERE = Place(
    files="",
    page="index.{}.html",
    json="status.json",
    policy="default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "connect-src 'self'; form-action 'none'; base-uri 'none'",
)


@cache
def _environment() -> Environment:
    environment = environment_of(HERE / "templates")
    environment.filters |= {"state_word": state_word, "symbol": _SYMBOLS.__getitem__}
    environment.globals |= {
        "headline": headline,
        "moment": moment,
        "window": window,
        "window_label": window_label,
    }
    return environment


def board_page(board: Board, place: Place) -> str:
    """Return the page in the language spoken here."""
    template = _environment().get_template("board.html")
    return template.render(board=board, place=place, simulated=board.simulated)


def nothing_page(place: Place, *, simulated: bool) -> str:
    """Return the page for when nothing is known at all."""
    template = _environment().get_template("nothing.html")
    return template.render(place=place, simulated=simulated)

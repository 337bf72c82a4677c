"""What the page of a run is made of, kept in pieces: a page shows all of them, a look what changed.

Every piece is known by a key, and by the number of the last event with which it was seen to
change. Somebody who has the page of event 41 gets the pieces that changed at 41 or later; if
this board never looked at event 41 (another process made that page), they get all of them: a
piece may have changed and changed back between two looks.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Collection, Mapping
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from markupsafe import Markup

from api.dashboard.rendering import part
from api.dashboard.run_rows import (
    Row,
    View,
    Window,
    axis_of,
    rows,
    window,
)
from api.locale import language

_KEPT = 64
_LOOKS = 4096
_EVER = -1
_SAME_MOMENT = timedelta(milliseconds=500)


class Piece(NamedTuple):
    """``seen`` is what it was made of; ``seq`` the run's last event when it last changed."""

    seen: object
    text: Markup
    seq: int


class Board:
    """The pieces of one run as one filter shows it, in one language."""

    def __init__(self) -> None:
        self._pieces: dict[str, Piece] = {}
        self._looks: OrderedDict[int, None] = OrderedDict()
        self._seen: tuple[int, datetime] | None = None
        self.window = Window((), 0, 0, None, None)

    def is_of(self, view: View) -> bool:
        """Tell whether it was just made of the same: many look at the same moment."""
        if self._seen is None or self._seen[0] != view.state.seq:
            return False
        return timedelta(0) <= view.now - self._seen[1] < _SAME_MOMENT

    def looked(self, seq: int, now: datetime) -> int:
        """Remember that the run was looked at when event *seq* was its last.

        Return the number for what has changed since: whoever has the page of the first look has
        all of it, so that its pieces count as older than any event.
        """
        is_first = not self._looks
        self._looks[seq], self._seen = None, (seq, now)
        if len(self._looks) > _LOOKS:
            self._looks.popitem(last=False)
        return _EVER if is_first else seq

    def keep(self, key: str, seq: int, seen: object, text: Callable[[], Markup]) -> None:
        """Make a piece anew if what it is made of has changed."""
        known = self._pieces.get(key)
        if known is not None and known.seen == seen:
            return
        made = text()
        if known is not None and known.text == made:
            self._pieces[key] = known._replace(seen=seen)
            return
        self._pieces[key] = Piece(seen, made, seq)

    def forget(self, keys: Collection[str]) -> None:
        """Drop the rows that are not among *keys*."""
        gone = [key for key in self._pieces if key.startswith("row-") and key not in keys]
        for key in gone:
            del self._pieces[key]

    def piece(self, key: str, after: int | None = None) -> Markup | None:
        """Return a piece; None where it is as it was when event *after* was the last."""
        found = self._pieces[key]
        is_same = after is not None and after in self._looks and found.seq < after
        return None if is_same else found.text


class Boards:
    """The boards that somebody looked at last."""

    def __init__(self) -> None:
        self._boards: OrderedDict[tuple[str, ...], Board] = OrderedDict()

    def of(self, view: View) -> Board:
        """Return the board of what *view* shows, in the language spoken here."""
        who = tuple(sorted(view.who)) if view.shown == "mine" else ()
        named = "named" if view.who else ""
        key = (view.state.run, language(), named, view.shown, str(view.first), *who)
        board = self._boards.setdefault(key, Board())
        self._boards.move_to_end(key)
        while len(self._boards) > _KEPT:
            self._boards.popitem(last=False)
        return board


def row_key(view: View, number: int) -> str:
    """Return by which key a page knows the row of a step."""
    return f"row-{view.state.step(number).id}"


def refresh(
    board: Board,
    view: View,
    sections: Mapping[str, Mapping[str, Any]],
    around: Mapping[str, Any],
) -> None:
    """Bring *board* up to date: its rows, and *sections* by name with what each is made of."""
    state = view.state
    seq = board.looked(state.seq, view.now)
    axis = axis_of(state, view.now)
    now_x = None if state.is_over else axis.x(view.now)
    board.window = window(view)
    for row in rows(view, board.window.numbers, axis):
        _keep_row(board, seq, row, around)
    board.forget({row_key(view, n) for n in board.window.numbers})
    own: dict[str, Mapping[str, Any]] = {
        "marks": {"now_x": now_x},
        "scale": {"begin": axis.begin, "middle": axis.at(0.5), "end": axis.at(1.0)},
        "show": {"window": board.window, "shown": view.shown, "first": view.first},
    }
    for name, made_of in {**sections, **own}.items():
        _keep_section(board, seq, name, made_of, around)


def _keep_row(board: Board, seq: int, row: Row, around: Mapping[str, Any]) -> None:
    board.keep(f"row-{row.step['id']}", seq, row, lambda: part("run/row.html", row=row, **around))


def _keep_section(
    board: Board, seq: int, name: str, made_of: Mapping[str, Any], around: Mapping[str, Any]
) -> None:
    board.keep(name, seq, made_of, lambda: part(f"run/{name}.html", **made_of, **around))

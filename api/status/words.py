"""What the public page says, in words for people who know nothing of machines."""

from __future__ import annotations

from datetime import datetime

from api.locale import _, day, hour_and_minute, ngettext, pgettext
from api.status.board import Board, State, Window


def state_word(state: State) -> str:
    """Return how a service is, as citizens read it."""
    words = {
        State.UP: pgettext("public", "Available"),
        State.RESTORING: pgettext("public", "Being restored"),
        State.DOWN: pgettext("public", "Not available"),
        State.NOT_AFFECTED: pgettext("public", "Not affected"),
        State.UNKNOWN: pgettext("public", "No information"),
    }
    return words[state]


def headline(board: Board) -> str:
    """Return the whole page in one sentence."""
    if not board.lines:
        return _("No services are listed here yet")
    match board.overall:
        case State.DOWN:
            n = board.count(State.DOWN)
            down = ngettext("{n} service is not available", "{n} services are not available", n)
            return f"{down} · {_restoring(board)}" if board.count(State.RESTORING) else down
        case State.RESTORING:
            return _restoring(board)
        case State.UNKNOWN:
            n = board.count(State.UNKNOWN)
            return ngettext(
                "No information about {n} service", "No information about {n} services", n
            )
        case _:
            return _("All services are available")


def _restoring(board: Board) -> str:
    n = board.count(State.RESTORING)
    return ngettext("{n} service is being restored", "{n} services are being restored", n)


def moment(at: datetime, board: Board) -> str:
    """Return a moment: its time, and its date where that is not the board's own."""
    time, date = hour_and_minute(at, board.zone), day(at, board.zone)
    if date == day(board.at, board.zone):
        return time
    return f"{date}, {time}"


def window(expected: Window, board: Board) -> str:
    """Return when a service is expected, as it stands behind `window_label`."""
    end = moment(expected.end, board)
    return end if expected.begin is None else f"{moment(expected.begin, board)} \N{EN DASH} {end}"


def window_label(expected: Window) -> str:
    """Return what stands before a window."""
    return _("Expected by") if expected.begin is None else _("Expected between")


def written(folder: str) -> str:
    """Return what is said when the page was written as files."""
    return _("The status page was written to {folder}", folder=folder)

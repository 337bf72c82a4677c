"""What the public may know of the services: copied out by name, so that nothing else can leak.

Moments are as exact as anybody needs who waits for a counter to open: to the minute, and for
what is expected to the quarter of an hour, rounded up.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any, TypeAlias

from drorch.model.moment import stamp

Json: TypeAlias = dict[str, Any]
_QUARTER = timedelta(minutes=15)


class State(StrEnum):
    """How a service is, the worst first."""

    DOWN = "down"
    RESTORING = "restoring"
    UNKNOWN = "unknown"
    NOT_AFFECTED = "not_affected"
    UP = "up"


_WORST = list(State)
_BAD = frozenset({State.DOWN, State.RESTORING})


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """When a service is expected: ``begin`` is None where only an end was said."""

    begin: datetime | None
    end: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A service. ``announced``: a person says so, in the words of ``text``.

    ``fallback`` tells what to do meanwhile, where there is a meanwhile.
    """

    id: str
    title: Mapping[str, str]
    state: State
    announced: bool = False
    text: Mapping[str, str]
    since: datetime | None
    expected: Window | None
    fallback: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Board:
    """All of them as they were ``at`` a moment.

    ``stale_since`` is set when nothing newer could be learned for a while. ``simulated``: there
    are only invented machines behind it.
    """

    at: datetime
    zone: str
    lines: Sequence[Line]
    stale_since: datetime | None = None
    simulated: bool = False

    @property
    def overall(self) -> State:
        """The worst state of any service; of those that are well it does not matter which."""
        worst = min((line.state for line in self.lines), key=_WORST.index, default=State.UNKNOWN)
        return State.UP if worst is State.NOT_AFFECTED else worst

    def count(self, state: State) -> int:
        return sum(line.state is state for line in self.lines)

    def grown_stale(self) -> Board:
        """Return it as what was known last, and is not known any more."""
        return replace(self, stale_since=self.at)


def board_of(
    services: Sequence[Json], now: datetime, zone: str, *, simulated: bool = False
) -> Board:
    """Return the board of *services* as `api.standing` tells them.

    A service that several plans have is one for citizens: whoever restores it is believed first,
    then whoever has seen it, and of equals the worse.
    """
    best: dict[str, Json] = {}
    for told in services:
        known = best.get(told["id"])
        if known is None or _rank(told) < _rank(known):
            best[told["id"]] = told
    lines = [_line(told, now) for told in best.values()]
    return Board(at=_floor(now), zone=zone, lines=lines, simulated=simulated)


_SOURCES = ("run", "sighting", "ended_run", "nothing")


def _rank(told: Json) -> tuple[int, int]:
    return _SOURCES.index(told["known_by"]), _WORST.index(State(told["derived_state"]))


def _line(told: Json, now: datetime) -> Line:
    notice = told["notice"]
    state = State(told["state"])
    since = notice["at"] if notice else told["since"]
    return Line(
        id=told["id"],
        title=dict(told["title"]) or {"it": told["id"]},
        state=state,
        announced=notice is not None,
        text=dict(notice["text"]) if notice else {},
        since=_floor(datetime.fromisoformat(since)) if since else None,
        expected=_expected(told, notice, now) if state in _BAD else None,
        fallback=dict(told["fallback"]) if state in _BAD else {},
    )


def _expected(told: Json, notice: Json | None, now: datetime) -> Window | None:
    """Return the window in which a service is expected; none that has passed already."""
    if notice is not None:
        early, late = None, notice["expected_at"]
    elif isinstance(told["eta"], Mapping):
        early, late = told["eta"].get("p50"), told["eta"].get("p90")
    else:
        early, late = None, told["eta"]
    if not late:
        return None
    end = _quarter(datetime.fromisoformat(late))
    begin = _quarter(datetime.fromisoformat(early)) if early else None
    if end < now:
        return None
    return Window(begin=begin if begin is not None and now < begin < end else None, end=end)


def _floor(at: datetime) -> datetime:
    return at.astimezone(UTC).replace(second=0, microsecond=0)


def _quarter(at: datetime) -> datetime:
    """Return the next full quarter of an hour; every time zone in use has whole ones."""
    hour = at.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    quarters = -((hour - at.astimezone(UTC)) // _QUARTER)
    return hour + quarters * _QUARTER


def board_json(board: Board) -> Json:
    """Return the board as programs read it; `board_from` reads it back."""
    return {
        "at": stamp(board.at),
        "stale_since": _stamped(board.stale_since),
        "timezone": board.zone,
        "simulated": board.simulated,
        "state": board.overall,
        "services": [
            {
                "id": line.id,
                "title": dict(line.title),
                "state": line.state,
                "announced": line.announced,
                "text": dict(line.text),
                "since": _stamped(line.since),
                "expected": {
                    "from": _stamped(line.expected.begin),
                    "by": _stamped(line.expected.end),
                }
                if line.expected
                else None,
                "fallback": dict(line.fallback),
            }
            for line in board.lines
        ],
    }


def board_text(board: Board) -> bytes:
    """Return the board as the text of ``status.json``."""
    return json.dumps(board_json(board), ensure_ascii=False, indent=1).encode() + b"\n"


def board_from(told: Json) -> Board:
    """Return the board of a service's ``/status.json``. Raises `KeyError`, `ValueError`."""
    return Board(
        at=datetime.fromisoformat(told["at"]),
        zone=told["timezone"],
        stale_since=_moment(told["stale_since"]),
        simulated=told.get("simulated", False),  # a service of an older version says nothing of it
        lines=[
            Line(
                id=each["id"],
                title=each["title"],
                state=State(each["state"]),
                announced=each["announced"],
                text=each["text"],
                since=_moment(each["since"]),
                expected=_window(each["expected"]),
                fallback=each["fallback"],
            )
            for each in told["services"]
        ],
    )


def _window(told: Json | None) -> Window | None:
    if told is None:
        return None
    return Window(begin=_moment(told["from"]), end=datetime.fromisoformat(told["by"]))


def _stamped(at: datetime | None) -> str | None:
    return stamp(at) if at is not None else None


def _moment(told: str | None) -> datetime | None:
    return datetime.fromisoformat(told) if told else None

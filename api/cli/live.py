"""The live view: one screen that answers is it real, how far, who must act, what is stuck."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from textwrap import wrap

from rich.console import Group
from rich.text import Text

from api.cli.access import Json
from api.cli.board import (
    GLYPHS,
    MODES,
    SERVICE_GLYPHS,
    SIMULATED,
    Board,
    Card,
    progress,
    service_time,
    service_title,
)
from api.cli.screen import marked
from api.cli.spans import between, clock_time, span
from api.cli.words import ASK, MINOR, Line, tell
from api.openings import opening, openings_line

_MOST_ROWS = 12
_MOST_EVENTS = 8
_MOST_STORY = 3
_TITLE = 16
"""Columns that a service's name keeps when its opening is told beside it."""
_STATUS_STYLES = {"waiting": ASK, "failed": "bold red", "paused": "bold yellow"}


@dataclass(slots=True)
class View:
    """Draws a run into a given size. ``simulated`` marks a live run on invented machines."""

    simulated: bool = False
    footer: str = ""
    story: str = ""
    board: Board = field(default_factory=Board)
    _events: deque[Line] = field(default_factory=lambda: deque(maxlen=50))

    def hear(self, events: Iterable[Json]) -> None:
        """Take what has happened since the last drawing."""
        for event in events:
            if event["type"] not in MINOR and (line := tell(event)) is not None:
                self._events.append(line)

    def draw(self, run: Json, width: int, height: int, now: datetime | None = None) -> Group:
        """Return the screen: never more than *height* lines of *width* columns."""
        now = now or datetime.now(UTC)
        lines = [_band(run, width, simulated=self.simulated), *self._told(width)]
        lines += _progress(run, width, now)
        cards = self.board.cards(run, now)
        asked = _cards(cards, width, most=1 if height < 30 else 3)
        room = height - len(lines) - len(asked) - 1
        services = _services(run, width, min(room // 3, 10), now)
        room -= len(services)
        events = min(_MOST_EVENTS, max(2, room // 3)) if room >= 7 else 0
        rows = self._rows(run, width, min(_MOST_ROWS, room - events - 2), now, len(cards))
        # What the table does not need, the events may have: a quiet hour shows its history.
        events = min(len(self._events), room - len(rows) - 1)
        lines += [*services, *asked, *rows, *self._last(events, width)]
        lines.append(_footer(self.footer, run, width, now))
        return Group(*(_cut(line, width) for line in lines[:height]))

    def _rows(self, run: Json, width: int, most: int, now: datetime, cards: int) -> list[Text]:
        if most < 1 or run["ended_at"]:
            return []
        rows = self.board.rows(run, now, most + cards)
        rows = [row for row in rows if row.status != "waiting"][:most]
        lines = [_rule("acting and waiting", width)] if rows else []
        name = max(14, min(24, width // 4))
        for row in rows:
            glyph, style = GLYPHS[row.status]
            line = marked(f" {glyph} ", style)
            line.append(f"{_short(row.step, name):{name}} ", style="bold")
            line.append(f"{row.status:10} ", style=style)
            line.append(row.why)
            lines.append(line)
        return lines

    def _told(self, width: int) -> list[Text]:
        """Return the beginning of what the storyteller said last."""
        parts = [part for line in self.story.splitlines() for part in wrap(line, width - 4)]
        return [marked(" ▌ ", "magenta").append(part, style="bold") for part in parts[:_MOST_STORY]]

    def _last(self, most: int, width: int) -> list[Text]:
        if most < 1 or not self._events:
            return []
        lines = [_rule("what happened", width)]
        for event in list(self._events)[-most:]:
            line = marked(f" {event.at} ", "dim")
            line.append(event.text, style=event.style)
            lines.append(line)
        return lines


def _band(run: Json, width: int, *, simulated: bool) -> Text:
    words, style = MODES.get(run["mode"], (str(run["mode"]).upper(), "reverse"))
    if simulated and run["mode"] == "live":
        words, style = SIMULATED
    status = str(run["status"]).upper().replace("_", " ")
    left, right = f" {words} ", f" {run['id']}  {status} "
    if len(left) + len(right) > width:
        left = _short(left, width - len(right))
    return Text(f"{left}{right:>{width - len(left)}}", style=style)


def _progress(run: Json, width: int, now: datetime) -> list[Text]:
    done, total, rest = progress(run)
    size = max(10, min(40, width // 4))
    full = size * done // total if total else size
    bar = Text(" ")
    bar.append("━" * full, style="green")
    bar.append("━" * (size - full), style="bright_black")
    bar.append(f" {done}/{total} ", style="bold")
    bar.append(f"healthy · {rest}" if rest else "healthy")
    return [bar, _times(run, now)]


def _times(run: Json, now: datetime) -> Text:
    began = run["started_at"] or run["created_at"]
    used = between(began, run["ended_at"] or now.isoformat())
    goal = run["rto"]["seconds"] if run["rto"] else None
    line = Text(f" since {clock_time(began)}, {span(used)}")
    if goal is not None:
        late = used is not None and used > goal
        line.append(f" of {span(goal)} (RTO)", style="bold red" if late else "")
    own = [s for s in run["services"] if not s["external"]]
    if own:
        up = sum(s["state"] == "up" for s in own)
        line.append(f" · {up} of {len(own)} services up")
    return line.append(f" · {run['title'] or run['plan']}", style="dim")


def _services(run: Json, width: int, most: int, now: datetime) -> list[Text]:
    """Return the services in columns; where room lacks, those that are up go first."""
    services: Sequence[Json] = run["services"]
    if not services or most < 2:
        return []
    columns = max(1, width // 39)
    lines = most - 1
    shown = list(services)
    if len(shown) > lines * columns:
        waiting = [s for s in services if s["state"] != "up"]
        shown = sorted(waiting, key=lambda s: s["tier"])[: lines * columns - 1]
    cells = [_service(service, run, width // columns, now) for service in shown]
    if len(shown) < len(services):
        rest = len(services) - len(shown)
        up = sum(s["state"] == "up" for s in services if s not in shown)
        cells.append(Text(f"   and {rest} more, {up} of them up", style="dim"))
    height = -(-len(cells) // columns)
    grid = [Text() for _ in range(height)]
    for place, cell in enumerate(cells):
        grid[place % height].append_text(cell)
    openings, missed = openings_line(run, now)
    words = f"services · {openings}" if openings else "services"
    return [_rule(_short(words, width - 4), width, "bold red" if missed else "dim"), *grid]


def _service(service: Json, run: Json, width: int, now: datetime) -> Text:
    glyph, style = SERVICE_GLYPHS.get(service["state"], ("?", "dim"))
    time = service_time(service, run, now)
    opens = opening(service, run, now)
    late = "LATE" in time or (opens is not None and opens.missed)
    if opens is not None and width - len(time) - len(opens.words) - 10 >= _TITLE:
        time += f", {opens.words}"
    style = "bold red" if late else style
    room = width - len(time) - 8
    line = marked(f" {glyph} ", style)
    line.append(f"{_short(service_title(service), room):{room}} ")
    line.append(f"T{service['tier']} {time}", style=style)
    line.append(" " * max(0, width - line.cell_len))
    return line


def _cards(cards: Sequence[Card], width: int, most: int) -> list[Text]:
    lines: list[Text] = []
    for card in cards[:most]:
        lines += _card(card, width)
    if len(cards) > most:
        more = ", ".join(card.step for card in cards[most:])
        lines.append(Text(f" ┃ and {len(cards) - most} more: {more}", style=ASK))
    return [_rule("a person must act", width, style=ASK), *lines] if lines else []


def _card(card: Card, width: int) -> list[Text]:
    first = marked(" ┃ ", ASK)
    first.append(f"☎ {card.step}  ", style=ASK)
    if card.behind:
        first.append(f"({card.behind} steps wait behind it)  ", style="bold")
    first.append(card.what, style="bold")
    second = marked(" ┃ ", ASK)
    second.append(f"  {card.who}")
    if card.since:
        second.append(f", asked {card.since} ago")
    third = marked(" ┃ ", ASK)
    third.append(f"  {_fitting(card, width - 5)}", style="cyan")
    return [first, second, third]


def _fitting(card: Card, width: int) -> str:
    """Return the command in the longest form that is not cut: it is there to be typed."""
    bare = card.command.removesuffix(" --comment '..'")
    forms = (f"{card.command}   ({card.others})", card.command, bare)
    return next((form for form in forms if len(form) <= width), bare)


def _footer(footer: str, run: Json, width: int, now: datetime) -> Text:
    alive = f"data of {now.astimezone().strftime('%H:%M:%S')}"
    told = footer or f"driven by {run['driver'] or 'nobody yet'}"
    return Text(_short(f" {alive} · {told}", width), style="dim")


def _rule(words: str, width: int, style: str = "dim") -> Text:
    lead = f"── {words} "
    return Text(lead + "─" * max(0, width - len(lead)), style=style)


def _cut(line: Text, width: int) -> Text:
    line.no_wrap = True
    line.truncate(width, overflow="ellipsis")
    return line


def _short(text: str, room: int) -> str:
    return text if len(text) <= room else text[: max(0, room - 1)] + "…"

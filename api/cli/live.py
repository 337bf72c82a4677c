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
    OUTLOOK_STYLES,
    SERVICE_GLYPHS,
    SIMULATED,
    Asking,
    Board,
    Card,
    progress,
    service_time,
    service_title,
    status_words,
    undriven_words,
)
from api.cli.card_lines import card_lines
from api.cli.screen import marked
from api.cli.spans import between, clock_time, zone_words
from api.cli.states import state_word
from api.cli.words import ASK, BAD, MINOR, Line, tell
from api.expected import ends, outlook
from api.locale import _, ngettext, pgettext, spelt
from api.openings import opening, openings_line

_MOST_ROWS = 12
_MOST_EVENTS = 8
_MOST_STORY = 3
_PATIENCE = 2.0
"""Seconds without a driver that are no news: another process may be taking the run over."""
_STATUS = 10
"""Columns for how a step stands; words of other languages may take more."""
_TITLE = 16
"""Columns that a service's name keeps when its opening is told beside it."""


@dataclass(slots=True)
class View:
    """Draws a run into a given size. ``simulated`` marks a live run on invented machines."""

    simulated: bool = False
    footer: str = ""
    story: str = ""
    board: Board = field(default_factory=Board)
    asking: Asking = field(default_factory=Asking)
    _undriven_since: datetime | None = None
    _events: deque[Line] = field(default_factory=lambda: deque(maxlen=50))

    def hear(self, events: Iterable[Json], zone: str = "") -> None:
        """Take what has happened since the last drawing. Times are shown as in *zone*."""
        for event in events:
            if event["type"] not in MINOR and (line := tell(event, zone)) is not None:
                self._events.append(line)

    def draw(self, run: Json, width: int, height: int, now: datetime | None = None) -> Group:
        """Return the screen: never more than *height* lines of *width* columns."""
        now = now or datetime.now(UTC)
        alone = self._alone(run, width, now)
        status = status_words(run) if alone else state_word(run["status"])
        lines = [_band(run, status, width, simulated=self.simulated), *alone]
        lines += [*self._told(width), *_progress(run, width, now)]
        cards = self.board.cards(run, now)
        lines += self._cards(cards, width, height - len(lines) - 1)
        room = height - len(lines) - 1
        services = _services(run, width, min(room // 2, 10), now)
        room -= len(services)
        events = min(_MOST_EVENTS, max(2, room // 3)) if room >= 7 else 0
        rows = self._rows(run, width, min(_MOST_ROWS, room - events - 2), now, len(cards))
        # What the table does not need, the events may have: a quiet hour shows its history.
        events = min(len(self._events), room - len(rows) - 1)
        lines += [*services, *rows, *self._last(events, width)]
        lines.append(_footer(self.footer, run, width, now, self.asking.remark))
        return Group(*(_cut(line, width) for line in lines[:height]))

    def _alone(self, run: Json, width: int, now: datetime) -> list[Text]:
        """Say that nobody drives the run, once it is more than a change of drivers."""
        if run.get("driven", True) or run["ended_at"]:
            self._undriven_since = None
            return []
        self._undriven_since = self._undriven_since or now
        if (now - self._undriven_since).total_seconds() < _PATIENCE:
            return []
        # A command is there to be typed: it is wrapped, never cut.
        return [
            Text(f" {part}", style=BAD)
            for words in undriven_words(run, self.board.program)
            for part in wrap(words, width - 1, break_on_hyphens=False)
        ]

    def _cards(self, cards: Sequence[Card], width: int, room: int) -> list[Text]:
        # At least a third of the screen is left for what goes on.
        lines = card_lines(cards, self.asking, width, max(4, room * 2 // 3))
        return [_rule(_("a person must act"), width, style=ASK), *lines] if lines else []

    def _rows(self, run: Json, width: int, most: int, now: datetime, cards: int) -> list[Text]:
        if most < 1 or run["ended_at"]:
            return []
        rows = self.board.rows(run, now, most + cards)
        rows = [row for row in rows if row.status != "waiting"][:most]
        if unseen := self.board.unseen(run, rows):
            rows = rows[: most - 1] if len(rows) == most else rows
            unseen = self.board.unseen(run, rows)
        lines = [_rule(_("acting and waiting"), width)] if rows else []
        name = max(14, min(24, width // 4))
        widest = max(_STATUS, *(len(state_word(row.status)) for row in rows)) if rows else _STATUS
        for row in rows:
            glyph, style = GLYPHS[row.status]
            line = marked(f" {glyph} ", style)
            line.append(f"{_short(row.step, name):{name}} ", style="bold")
            line.append(f"{state_word(row.status):{widest}} ", style=style)
            line.append(row.why)
            lines.append(line)
        if unseen:
            lines.append(Text(_("   … and {more}", more=unseen), style="bold"))
        return lines

    def _told(self, width: int) -> list[Text]:
        """Return the beginning of what the storyteller said last."""
        parts = [part for line in self.story.splitlines() for part in wrap(line, width - 4)]
        return [marked(" ▌ ", "magenta").append(part, style="bold") for part in parts[:_MOST_STORY]]

    def _last(self, most: int, width: int) -> list[Text]:
        if most < 1 or not self._events:
            return []
        lines = [_rule(_("what happened"), width)]
        for event in list(self._events)[-most:]:
            line = marked(f" {event.at} ", "dim")
            line.append(event.text, style=event.style)
            lines.append(line)
        return lines


def _band(run: Json, status: str, width: int, *, simulated: bool) -> Text:
    words, style = MODES.get(run["mode"], (str(run["mode"]).upper(), "reverse"))
    if run["mode"] == "live" and (simulated or run.get("simulated")):
        words, style = SIMULATED
    status = status.upper().replace("_", " ")
    left, right = f" {_(words)} ", f" {run['id']}  {status} "
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
    healthy = pgettext("so many of so many steps", "healthy")
    bar.append(f"{healthy} · {rest}" if rest else healthy)
    return [bar, _times(run, now)]


def _times(run: Json, now: datetime) -> Text:
    began = run["started_at"] or run["created_at"]
    used = between(began, run["ended_at"] or now.isoformat())
    goal = run["rto"]["seconds"] if run["rto"] else None
    zone = run["timezone"]
    since = _(
        " since {time} ({zone}), {span}",
        time=clock_time(began, zone),
        zone=zone_words(zone),
        span=spelt(used),
    )
    line = Text(since)
    if goal is not None:
        late = used is not None and used > goal
        line.append(_(" of {span} (RTO)", span=spelt(goal)), style="bold red" if late else "")
    if foreseen := ends(run, zone, now):
        line.append(f" · {foreseen}", style=OUTLOOK_STYLES[outlook(run, zone, now).tone])
    own = [s for s in run["services"] if not s["external"]]
    if own:
        up = sum(s["state"] == "up" for s in own)
        line.append(" · ")
        line.append(ngettext("{up} of {n} services up", "{up} of {n} services up", len(own), up=up))
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
        cells.append(Text(_("   and {n} more, {up} of them up", n=rest, up=up), style="dim"))
    height = -(-len(cells) // columns)
    grid = [Text() for _ in range(height)]
    for place, cell in enumerate(cells):
        grid[place % height].append_text(cell)
    openings, missed = openings_line(run, now)
    words = _("services")
    words = f"{words} · {openings}" if openings else words
    return [_rule(_short(words, width - 4), width, "bold red" if missed else "dim"), *grid]


def _service(service: Json, run: Json, width: int, now: datetime) -> Text:
    glyph, style = SERVICE_GLYPHS.get(service["state"], ("?", "dim"))
    time = service_time(service, run, now)
    opens = opening(service, run, now)
    late = _("LATE") in time or (opens is not None and opens.missed)
    if opens is not None and width - len(time) - len(opens.words) - 10 >= _TITLE:
        time += f", {opens.words}"
    style = "bold red" if late else style
    room = width - len(time) - 8
    line = marked(f" {glyph} ", style)
    line.append(f"{_short(service_title(service), room):{room}} ")
    line.append(f"T{service['tier']} {time}", style=style)
    line.append(" " * max(0, width - line.cell_len))
    return line


def _footer(footer: str, run: Json, width: int, now: datetime, remark: str) -> Text:
    alive = _("data of {time}", time=clock_time(now.isoformat(), run["timezone"]))
    driver = run["driver"] if run.get("driven", True) else ""
    driven = _("driven by {driver}", driver=driver) if driver else _("driven by nobody")
    words = f" {alive} · {remark or footer or driven}"
    return Text(_short(words, width), style="bold" if remark else "dim")


def _rule(words: str, width: int, style: str = "dim") -> Text:
    lead = f"── {words} "
    return Text(lead + "─" * max(0, width - len(lead)), style=style)


def _cut(line: Text, width: int) -> Text:
    line.no_wrap = True
    line.truncate(width, overflow="ellipsis")
    return line


def _short(text: str, room: int) -> str:
    return text if len(text) <= room else text[: max(0, room - 1)] + "…"

"""The charts of a report as SVG: presentation attributes only, so that any policy lets them in.

They carry their own paper, so that they look the same on a dark page and in print; each kind of
bar has its own pattern, so that a copy in black and white still tells them apart.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from markupsafe import Markup, escape

from api.locale import _, hour_and_minute, time_of_day
from api.reports.history import BOOT, CHECK, PEOPLE, RETRIES, VENDORS
from api.reports.measures import Json

_WIDTH, _LEFT, _RIGHT, _TOP = 720, 176, 12, 26
_ROW, _BAR = 14, 9
ROWS_A_CHART = 62
"""So many rows stand on one sheet of A4."""
_LABEL = 27
_INK, _PAPER, _GRID, _QUIET = "#16202b", "#ffffff", "#d5dce3", "#51606f"
_FILLS = {BOOT: "#0b4a86", CHECK: "#8fbce6", PEOPLE: "#6a1fa0", VENDORS: "#a61b1b"}
_FILLS |= {RETRIES: "#b36b00"}
_SIGNS = {"healthy": "✓", "failed": "✕", "skipped": "»", "waiting": "◆", "blocked": "■"}
_SIGNS |= {"cancelled": "\N{EN DASH}"}
_STEPS = (1, 2, 5, 10, 15, 30, *(60 * n for n in (1, 2, 5, 10, 15, 30)))
_STEPS += tuple(3600 * n for n in (1, 2, 3, 6, 12, 24))
_MOST_TICKS = 7


def swatch(kind: str) -> Markup:
    """Return the sample of a kind of bar that stands in the legend."""
    bar, pattern = "".join(_bar(kind, 0, 0, 24, "legend")), _patterns("legend", [kind])
    return Markup(  # noqa: S704 (made of numbers and our own words)
        f'<svg width="24" height="{_BAR}" viewBox="0 0 24 {_BAR}" aria-hidden="true">'
        f"<defs>{pattern}</defs>{bar}</svg>"
    )


def gantt_charts(chart: Json, began: str | None, zone: str) -> list[Markup]:
    """Return the Gantt chart, a picture for each sheet of rows."""
    rows = chart["rows"]
    sheets = [rows[n : n + ROWS_A_CHART] for n in range(0, len(rows), ROWS_A_CHART)]
    axis = _Axis(max(1.0, chart["length_s"]), began, zone)
    return [_sheet(sheet, axis, n, len(sheets)) for n, sheet in enumerate(sheets, start=1)]


class _Axis(NamedTuple):
    """The run's length in seconds, when it began, and the zone of the times that are shown."""

    length: float
    began: str | None
    zone: str
    left: int = _LEFT

    def x(self, seconds: float) -> float:
        return self.left + (_WIDTH - _RIGHT - self.left) * min(1.0, seconds / self.length)

    def lines(self, height: float) -> Iterator[str]:
        """Yield a line with the time of day at each round distance from the start."""
        start = datetime.fromisoformat(self.began) if self.began else None
        every = self._every()
        write = time_of_day if every < 60 else hour_and_minute
        for number in range(int(self.length // every) + 1):
            x = self.x(number * every)
            path = f"M{x:.1f} {_TOP - 6}V{height - 4:.0f}"
            yield f'<path d="{path}" stroke="{_GRID}" stroke-width="0.8"/>'
            if start is not None:
                at = write(start + timedelta(seconds=number * every), self.zone)
                anchor = "end" if x > _WIDTH - _RIGHT - 20 else "middle"
                yield _text(x, _TOP - 10, at, anchor=anchor, fill=_QUIET)

    def _every(self) -> int:
        fits = (step for step in _STEPS if self.length / step <= _MOST_TICKS)
        days = -(-self.length // (_MOST_TICKS * 86400))
        return next(fits, int(days) * 86400)


def _sheet(rows: Sequence[Json], axis: _Axis, number: int, of: int) -> Markup:
    height = _TOP + len(rows) * _ROW + 6
    label = _(
        "Gantt chart, sheet {number} of {of}: {n} rows; the table below tells the same",
        number=number,
        of=of,
        n=len(rows),
    )
    name = f"g{number}"
    parts = [_paper(height), f"<defs>{_patterns(name, _FILLS)}</defs>", *axis.lines(height)]
    for place, row in enumerate(rows):
        parts += _row(row, _TOP + place * _ROW, axis, name)
    return _svg(height, label, parts)


def _svg(height: float, label: str, parts: Sequence[str]) -> Markup:
    return Markup(  # noqa: S704 (what is text in it has been escaped)
        f'<svg class="chart" role="img" aria-label="{escape(label)}" '
        f'viewBox="0 0 {_WIDTH} {height}" width="{_WIDTH}" height="{height}" '
        f'font-family="sans-serif" font-size="9">{"".join(parts)}</svg>'
    )


def _paper(height: float) -> str:
    return f'<rect width="{_WIDTH}" height="{height}" fill="{_PAPER}"/>'


def _patterns(name: str, kinds: Collection[str]) -> str:
    """Return the patterns of *kinds* of bars, named for this picture alone.

    A page may name nothing twice: each sample of the legend has just its own.
    """
    lines = {
        PEOPLE: '<path d="M0 6L6 0" stroke="#fff" stroke-width="1.2"/>',
        VENDORS: '<path d="M0 0L6 6M0 6L6 0" stroke="#fff" stroke-width="1.1"/>',
        RETRIES: '<circle cx="3" cy="3" r="1.3" fill="#fff"/>',
        CHECK: '<path d="M0 3H6" stroke="#0b4a86" stroke-width="0.7"/>',
    }
    return "".join(
        f'<pattern id="{name}-{kind}" width="6" height="6" patternUnits="userSpaceOnUse">'
        f'<rect width="6" height="6" fill="{_FILLS[kind]}"/>{line}</pattern>'
        for kind, line in lines.items()
        if kind in kinds
    )


def _bar(kind: str, x: float, y: float, width: float, name: str) -> Iterator[str]:
    fill = _FILLS[BOOT] if kind == BOOT else f"url(#{name}-{kind})"
    stroke = _FILLS[kind]
    yield (
        f'<rect x="{x:.1f}" y="{y:.1f}" width="{max(1.0, width):.1f}" height="{_BAR}" '
        f'fill="{fill}" stroke="{stroke}" stroke-width="0.6"/>'
    )


def _row(row: Json, top: float, axis: _Axis, name: str) -> Iterator[str]:
    middle = top + _ROW / 2
    ended = row["ended_s"] if row["ended_s"] is not None else axis.length
    first, last = axis.x(row["began_s"]), axis.x(ended)
    yield _text(_LEFT - 18, middle + 3, _cut(_named(row)), anchor="end")
    yield _text(_LEFT - 12, middle + 3, _SIGNS.get(str(row["status"]), "◔"))
    yield (
        f'<path d="M{first:.1f} {middle:.1f}H{max(last, first + 1):.1f}" stroke="{_QUIET}" '
        'stroke-width="1.2" stroke-dasharray="2 1.5"/>'
    )
    for kind, began, until in row["bars"]:
        x = axis.x(began)
        yield from _bar(kind, x, middle - _BAR / 2, axis.x(until) - x, name)


def _named(row: Json) -> str:
    return row["name"] if row["steps"] == 1 else f"{row['name']} ({row['steps']})"


def _text(x: float, y: float, words: str, *, anchor: str = "start", fill: str = _INK) -> str:
    place = f'x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{fill}"'
    return f"<text {place}>{escape(words)}</text>"


def _cut(words: str) -> str:
    shown = "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in words)
    return shown if len(shown) <= _LABEL else f"{shown[: _LABEL - 1]}…"


_CURVE, _BASE, _MARGIN = 190, 214, 48


def burn_up_chart(chart: Json, began: str | None, zone: str) -> Markup | None:
    """Return the curve of what was back when; None where nothing has begun."""
    if not chart["points"]:
        return None
    axis = _Axis(max(1.0, chart["length_s"]), began, zone, _MARGIN)
    label = _(
        "Burn-up: share of steps and services that were back, over time; the table below tells "
        "the same"
    )
    parts = [_paper(_BASE + 30), *axis.lines(_BASE + 4), *_levels(), *_goal(chart, axis)]
    for curve in _curves(chart):
        parts += curve.drawn(chart["points"], axis)
    return _svg(_BASE + 30, label, parts)


def _goal(chart: Json, axis: _Axis) -> Iterator[str]:
    goal, ink = chart["rto_s"], _FILLS[VENDORS]
    if goal is not None and goal <= axis.length:
        x = axis.x(goal)
        yield (
            f'<path d="M{x:.1f} {_TOP}V{_BASE}" stroke="{ink}" stroke-width="1.6" '
            'stroke-dasharray="6 3"/>'
        )
        yield _text(x - 4, _TOP + 8, _("objective"), anchor="end", fill=ink)


def _levels() -> Iterator[str]:
    for share in (0, 25, 50, 75, 100):
        y = _y(share / 100)
        right = _WIDTH - _RIGHT
        yield f'<path d="M{_MARGIN} {y:.1f}H{right}" stroke="{_GRID}" stroke-width="0.8"/>'
        yield _text(_MARGIN - 6, y + 3, f"{share} %", anchor="end", fill=_QUIET)


def _y(share: float) -> float:
    return _BASE - (_CURVE - 10) * share


class _Curve(NamedTuple):
    """The curve of the number at *column* of each point, as a share of *whole*."""

    column: int
    whole: int
    ink: str
    look: str
    words: str

    def drawn(self, points: Sequence[Sequence[float]], axis: _Axis) -> Iterator[str]:
        path = f"M{axis.x(0):.1f} {_y(0):.1f}"
        for point in points:
            path += f"H{axis.x(point[0]):.1f}V{_y(point[self.column] / self.whole):.1f}"
        yield f'<path d="{path}" fill="none" stroke="{self.ink}" {self.look}/>'
        x = axis.left + (self.column - 1) * 200
        yield f'<path d="M{x} {_BASE + 20}H{x + 24}" stroke="{self.ink}" {self.look}/>'
        yield _text(x + 30, _BASE + 23, self.words)


def _curves(chart: Json) -> Iterator[_Curve]:
    last = chart["points"][-1]
    if chart["steps"]:
        words = _("steps: {n} of {all}", n=last[1], all=chart["steps"])
        yield _Curve(1, chart["steps"], _FILLS[BOOT], 'stroke-width="2"', words)
    if chart["services"]:
        words = _("services: {n} of {all}", n=last[2], all=chart["services"])
        dashed = 'stroke-width="2.4" stroke-dasharray="7 3"'
        yield _Curve(2, chart["services"], _FILLS[PEOPLE], dashed, words)

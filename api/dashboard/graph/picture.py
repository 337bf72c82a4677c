"""A view with a place for everything: what is kept, for it never changes while a run goes on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise

from api.dashboard.graph.layout import Layout, Point, Size, arrange
from api.dashboard.graph.views import MOST_BOXES, MOST_LINES_SHOWN, Link, View

MOST_SHRUNK = 1_540
"""The widest picture that is still readable in a window of 1,280, in CSS pixels."""
HEADING = 26
"""The height of the line above, with the numbers of the waves."""


class Detail(StrEnum):
    """How much a box says: name and state in words, the same in brief, a line, or a shape."""

    FULL = "full"
    BRIEF = "brief"
    LINE = "line"
    DOT = "dot"


SIZES = {
    Detail.FULL: Size(166, 60, 30, 12),
    Detail.BRIEF: Size(142, 60, 26, 12),
    Detail.LINE: Size(156, 26, 34, 6),
    Detail.DOT: Size(26, 24, 24, 4),
}
LETTERS = {Detail.FULL: 16, Detail.BRIEF: 14, Detail.LINE: 15, Detail.DOT: 0}
"""How many of a wide font fit into one line of a box."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """A view with its layout; ``paths`` are the drawn links with their lines as SVG has them."""

    view: View
    layout: Layout
    detail: Detail
    paths: tuple[tuple[Link, str], ...]

    @property
    def letters(self) -> int:
        """How many letters fit into one line of a box."""
        return LETTERS[self.detail]

    @property
    def fits(self) -> bool:
        """Whether it may shrink to the width of a wide window: it stays readable then."""
        return self.detail in (Detail.FULL, Detail.BRIEF) and self.layout.width <= MOST_SHRUNK

    @property
    def top(self) -> int:
        """How far below the upper edge the boxes begin."""
        return HEADING if self.view.waves else 0


def picture(view: View) -> Picture:
    """Return *view* with a place for each node and a line for each drawn link."""
    detail = _detail(view)
    drawn = view.drawn
    layout = arrange(
        view.layers,
        [(link.source, link.target) for link in view.links],
        SIZES[detail],
        [(link.source, link.target) for link in drawn],
    )
    paths = zip(drawn, map(_path, layout.routes), strict=True)
    return Picture(view=view, layout=layout, detail=detail, paths=tuple(paths))


def _detail(view: View) -> Detail:
    count = len(view.nodes)
    if count > MOST_LINES_SHOWN:
        return Detail.DOT
    if count > MOST_BOXES:
        return Detail.LINE
    return Detail.FULL if view.waves else Detail.BRIEF


def _path(points: Sequence[Point]) -> str:
    """Return a line that bends between the layers only, and crosses a layer straight on."""
    words = [f"M{points[0].x} {points[0].y}"]
    for number, (here, there) in enumerate(pairwise(points)):
        if number % 2:
            words.append(f"H{there.x}")
        else:
            middle = (here.x + there.x) // 2
            words.append(f"C{middle} {here.y} {middle} {there.y} {there.x} {there.y}")
    return "".join(words)

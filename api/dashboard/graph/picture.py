"""A view with a place for everything: what is kept, for it never changes while a run goes on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise

from api.dashboard.graph.layout import Layout, Point, Size, arrange
from api.dashboard.graph.views import MOST_LINES_SHOWN, MOST_NEAR, Link, View

HEADING = 26
"""The height of the line above, with the numbers of the waves."""


class Detail(StrEnum):
    """How much a box says: name and state, a line, its state's shape alone."""

    FULL = "full"
    LINE = "line"
    DOT = "dot"


SIZES = {
    Detail.FULL: Size(192, 46, 52, 12),
    Detail.LINE: Size(150, 26, 40, 6),
    Detail.DOT: Size(26, 24, 24, 4),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """A view with its layout; ``paths`` are the drawn links with their lines as SVG has them."""

    view: View
    layout: Layout
    detail: Detail
    paths: tuple[tuple[Link, str], ...]

    @property
    def top(self) -> int:
        """How far below the upper edge the boxes begin."""
        return HEADING if self.view.waves else 0


def picture(view: View) -> Picture:
    """Return *view* with a place for each node and a line for each drawn link."""
    count = len(view.nodes)
    detail = Detail.FULL if count <= MOST_NEAR else Detail.LINE
    detail = Detail.DOT if count > MOST_LINES_SHOWN else detail
    drawn = view.drawn
    layout = arrange(
        view.layers,
        [(link.source, link.target) for link in view.links],
        SIZES[detail],
        [(link.source, link.target) for link in drawn],
    )
    paths = zip(drawn, map(_path, layout.routes), strict=True)
    return Picture(view=view, layout=layout, detail=detail, paths=tuple(paths))


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

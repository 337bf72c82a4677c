"""A picture as it is now: each node with its state, what waits behind it, and its neighbours."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from api.dashboard.graph.picture import Picture
from api.dashboard.graph.views import Link, Node, bits
from drorch.model.plan import When

MOST_LISTED = 300
"""So many nodes the list beside the picture names."""
MOST_NAMED = 12
"""So many neighbours it names of each."""

URGENCY = (
    *("waiting", "failed", "has an error", "held", "blocked", "not examined", "verifying"),
    *("starting", "ready", "pending", "cancelled", "healthy", "found running", "could start"),
    *("no error", "skipped", "nothing to look at"),
)
"""What many steps are, when one word has to do: the first of these that one of them is."""
_DONE = frozenset({"healthy", "skipped", "found running", "could start", "no error"})


class Neighbour(NamedTuple):
    node: Node
    when: When


@dataclass(frozen=True, slots=True, kw_only=True)
class Box:
    """A node in its place. ``status`` is empty where there is no run.

    ``tally`` counts the members by status, the most urgent first; ``behind`` the steps that still
    wait behind it, while it is not done. ``needs`` are places of boxes, to walk along the lines.
    """

    node: Node
    x: int
    y: int
    column: int
    status: str
    tally: tuple[tuple[str, int], ...]
    done: int
    behind: int
    place: int
    needs: tuple[int, ...]
    is_focus: bool

    @property
    def rest(self) -> tuple[tuple[str, int], ...]:
        """The part of the tally that is not done."""
        return tuple((word, many) for word, many in self.tally if word not in _DONE)


class Line(NamedTuple):
    link: Link
    path: str


class Row(NamedTuple):
    """A box in the list: some of its neighbours, and how many more there are."""

    box: Box
    needs: tuple[Neighbour, ...]
    more_needs: int
    dependants: tuple[Neighbour, ...]
    more_dependants: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawing:
    """Everything that a template needs to draw the picture and to write the list beside it."""

    picture: Picture
    boxes: tuple[Box, ...]
    lines: tuple[Line, ...]
    rows: tuple[Row, ...]
    headings: tuple[tuple[int, int], ...]
    steps: int
    width: int
    height: int

    @property
    def statuses(self) -> list[str]:
        """Every status that is in the picture, the most urgent first."""
        found = {word for box in self.boxes for word, _ in box.tally}
        return sorted(found, key=URGENCY.index)

    @property
    def unlisted(self) -> int:
        return len(self.boxes) - len(self.rows)

    @property
    def undrawn(self) -> int:
        """How many links have no line in this picture."""
        return len(self.picture.view.links) - len(self.lines)


def draw(picture: Picture, steps: int, words: Sequence[str] = ()) -> Drawing:
    """Return *picture* with the state of each step in *words* (none: it is a plan's picture).

    *steps* is how many the whole plan has.
    """
    still = ~bits([number for number, word in enumerate(words) if word in _DONE])
    needs: list[list[Link]] = [[] for _ in picture.view.nodes]
    dependants: list[list[Link]] = [[] for _ in picture.view.nodes]
    for link in picture.view.links:
        needs[link.target].append(link)
        dependants[link.source].append(link)
    boxes = [
        _box(picture, place, words, still, [link.source for link in needs[place]])
        for place in range(len(picture.view.nodes))
    ]
    order = sorted(range(len(boxes)), key=lambda n: (boxes[n].column, boxes[n].y))
    size, layout = picture.layout.size, picture.layout
    return Drawing(
        picture=picture,
        boxes=tuple(boxes[place] for place in order),
        lines=tuple(Line(*pair) for pair in picture.paths),
        rows=tuple(
            _row(picture, boxes[place], needs[place], dependants[place])
            for place in order[:MOST_LISTED]
        ),
        headings=tuple(
            (layout.corners[picture.view.layers.index(layer)].x + size.width // 2, wave)
            for layer, wave in picture.view.waves
        ),
        steps=steps,
        width=layout.width,
        height=layout.height + picture.top,
    )


def _box(
    picture: Picture, place: int, words: Sequence[str], still: int, needs: Sequence[int]
) -> Box:
    node, corner = picture.view.nodes[place], picture.layout.corners[place]
    found = Counter(words[member] for member in node.members) if words else Counter[str]()
    tally = tuple((word, found[word]) for word in URGENCY if found[word])
    done = sum(many for word, many in tally if word in _DONE)
    is_done = bool(words) and done == len(node.members)
    return Box(
        node=node,
        x=corner.x,
        y=corner.y,
        column=picture.view.layers[place],
        status=tally[0][0] if tally else "",
        tally=tally,
        done=done,
        behind=0 if is_done else (node.behind & still).bit_count(),
        place=place,
        needs=tuple(needs),
        is_focus=place == picture.view.focus,
    )


def _row(picture: Picture, box: Box, needs: Sequence[Link], dependants: Sequence[Link]) -> Row:
    nodes = picture.view.nodes
    before = tuple(Neighbour(nodes[link.source], link.when) for link in needs[:MOST_NAMED])
    behind = tuple(Neighbour(nodes[link.target], link.when) for link in dependants[:MOST_NAMED])
    return Row(
        box,
        before,
        len(needs) - len(before) + box.node.more_needs,
        behind,
        len(dependants) - len(behind) + box.node.more_dependants,
    )

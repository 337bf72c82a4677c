"""The layout: nothing over anything else, lines from left to right, the same each time."""

from __future__ import annotations

from itertools import combinations, pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from api.dashboard.graph.layout import Layout, Size, arrange, longest_paths
from api.dashboard.graph.ordering import Web, crossings, uncross
from api.dashboard.graph.quotient import circles, reduced

SIZE = Size(60, 20, 30, 8)
Line = tuple[int, int]


@st.composite
def webs(draw: st.DrawFn) -> tuple[int, list[Line]]:
    """Draw nodes, and lines from lower to higher ones."""
    count = draw(st.integers(1, 24))
    ends = st.integers(0, count - 1)
    pairs = draw(st.lists(st.tuples(ends, ends), max_size=60))
    return count, sorted({(min(p), max(p)) for p in pairs if p[0] != p[1]})


def layout(count: int, lines: list[Line], drawn: list[Line] | None = None) -> Layout:
    return arrange(longest_paths(count, lines), lines, SIZE, drawn)


@given(webs())
@settings(deadline=None)
def test_no_box_stands_on_another(web: tuple[int, list[Line]]) -> None:
    for one, other in combinations(layout(*web).corners, 2):
        beside = abs(one.x - other.x) >= SIZE.width + SIZE.gap_x
        assert beside or abs(one.y - other.y) >= SIZE.height + SIZE.gap_y


@given(webs())
@settings(deadline=None)
def test_every_line_leads_from_left_to_right_and_under_no_box(
    web: tuple[int, list[Line]],
) -> None:
    found = layout(*web)
    for (source, target), route in zip(web[1], found.routes, strict=True):
        begin, end = found.corners[source], found.corners[target]
        assert route[0] == (begin.x + SIZE.width, begin.y + SIZE.height // 2)
        assert route[-1] == (end.x, end.y + SIZE.height // 2)
        assert all(here.x < there.x for here, there in pairwise(route))
        for enter, leave in zip(route[1:-1:2], route[2:-1:2], strict=True):
            assert enter.y == leave.y
            column = [c for c in found.corners if c.x == enter.x]
            assert leave.x == enter.x + SIZE.width
            assert not [c for c in column if c.y <= enter.y <= c.y + SIZE.height]


@given(webs())
@settings(deadline=None)
def test_between_two_layers_a_line_meets_no_layer(web: tuple[int, list[Line]]) -> None:
    """Where it may bend there is no box: it leaves one layer at its edge and enters the next."""
    found = layout(*web)
    pitch = SIZE.width + SIZE.gap_x
    for route in found.routes:
        for leave, enter in zip(route[::2], route[1::2], strict=True):
            assert enter.x - leave.x == SIZE.gap_x
            assert (leave.x - 12 - SIZE.width) % pitch == 0


@given(webs())
@settings(deadline=None)
def test_the_picture_is_as_big_as_what_is_in_it(web: tuple[int, list[Line]]) -> None:
    found = layout(*web)
    points = [point for route in found.routes for point in route]
    assert min(c.y for c in found.corners) >= 0
    assert all(0 < p.x < found.width and 0 < p.y < found.height for p in points)
    assert max(c.x for c in found.corners) + SIZE.width < found.width
    assert max(c.y for c in found.corners) + SIZE.height < found.height


@given(webs())
@settings(deadline=None)
def test_a_layout_is_the_same_each_time(web: tuple[int, list[Line]]) -> None:
    count, lines = web
    assert layout(count, lines) == layout(count, lines)


@given(webs(), st.data())
@settings(deadline=None)
def test_lines_that_are_not_drawn_take_no_room(
    web: tuple[int, list[Line]], data: st.DataObject
) -> None:
    count, lines = web
    drawn = [line for line in lines if data.draw(st.booleans())]
    laid = Web(longest_paths(count, lines), lines)
    laid.keep(drawn)
    passed = {item for line in drawn for item in laid.route(line)}
    assert {item for row in laid.rows for item in row} == passed | set(range(count))
    assert len(layout(count, lines, drawn).routes) == len(drawn)


@given(webs())
@settings(deadline=None)
def test_ordering_never_makes_more_crossings(web: tuple[int, list[Line]]) -> None:
    count, lines = web
    laid = Web(longest_paths(count, lines), lines)
    before = crossings(laid)
    uncross(laid)
    assert crossings(laid) <= before
    assert sorted(item for row in laid.rows for item in row) == list(range(len(laid.layer)))


def test_what_can_be_uncrossed_is() -> None:
    lines = [(n, 9 - n) for n in range(5)]
    laid = Web([0] * 5 + [1] * 5, lines)
    assert crossings(laid) == 10
    uncross(laid)
    assert crossings(laid) == 0


def test_one_box_needs_no_lines() -> None:
    found = layout(1, [])
    assert (found.corners, found.routes) == (((12, 12),), ())
    assert (found.width, found.height) == (84, 44)


def test_lines_in_a_circle_have_no_layers() -> None:
    with pytest.raises(ValueError, match="circle"):
        longest_paths(3, [(0, 1), (1, 2), (2, 1)])


@given(st.integers(1, 12), st.data())
@settings(max_examples=60, deadline=None)
def test_nodes_in_one_set_need_each_other(count: int, data: st.DataObject) -> None:
    ends = st.integers(0, count - 1)
    lines = data.draw(st.lists(st.tuples(ends, ends), max_size=25))
    reach = [[a == b or (a, b) in lines for b in range(count)] for a in range(count)]
    for middle in range(count):
        for a in range(count):
            for b in range(count):
                reach[a][b] = reach[a][b] or (reach[a][middle] and reach[middle][b])
    together = {
        frozenset(b for b in range(count) if reach[a][b] and reach[b][a]) for a in range(count)
    }
    assert {frozenset(found) for found in circles(count, lines)} == together


@given(webs())
@settings(deadline=None)
def test_a_reduced_web_reaches_as_far_with_no_line_too_many(web: tuple[int, list[Line]]) -> None:
    count, lines = web
    kept = reduced(count, lines)
    assert reached(count, kept) == reached(count, lines)
    for line in kept:
        assert reached(count, [it for it in kept if it != line]) != reached(count, lines)


def reached(count: int, lines: list[Line]) -> list[set[int]]:
    """Return for each node what its lines lead to, in the end."""
    found: list[set[int]] = [set() for _ in range(count)]
    for source, target in sorted(lines, reverse=True):  # they lead to higher numbers
        found[source] |= {target} | found[target]
    return found

"""What is shown of a plan: true at every zoom, never too much, and what is left out is said."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from api.dashboard.graph.drawing import MOST_LISTED, draw
from api.dashboard.graph.near import around, everything, opened
from api.dashboard.graph.overview import overview
from api.dashboard.graph.picture import Detail, picture
from api.dashboard.graph.views import (
    MOST_BOXES,
    MOST_LINES_SHOWN,
    MOST_NEAR,
    MOST_NODES,
    Anatomy,
    Grouping,
    Kind,
    View,
)
from drorch.model.plan import Group, Plan, Service
from plans import load_file
from plans.catalog import example
from tests.fakes.plans import gate, plan, service
from tests.unit.graph.shapes import boxes, plans

BESIDE = (Kind.SERVICE, Kind.TIER, Kind.ALL_OF)
"""What stands beside the boxes that hold the steps."""


def chain(count: int, **more: object) -> Plan:
    steps = [gate(f"s{n}", *([f"s{n - 1}"] if n else []), **more) for n in range(count)]
    return plan(*steps)


def pairs(view: View) -> set[tuple[str, str]]:
    return {(view.nodes[link.source].key, view.nodes[link.target].key) for link in view.links}


def keys(view: View) -> list[str]:
    return [node.key for node in view.nodes]


def reach(view: View, place: int) -> set[int]:
    found: set[int] = set()
    for link in sorted(view.links, key=lambda it: view.layers[it.source]):
        if link.source == place or link.source in found:
            found.add(link.target)
    return found


@given(plans(), st.data())
@settings(max_examples=60, deadline=None)
def test_every_picture_is_bounded_and_nothing_overlaps(drawn: Plan, data: st.DataObject) -> None:
    anatomy = Anatomy(drawn)
    step = data.draw(st.integers(0, len(drawn.steps) - 1))
    first = overview(anatomy)
    found = [first, around(anatomy, step), everything(anatomy, step)]
    inner = [node for node in first.nodes if node.kind is not Kind.STEP]
    found += [opened(anatomy, f"group:{n.key}" if n.kind is Kind.ALL_OF else n.key) for n in inner]
    for view, most in zip(found, [MOST_BOXES, *[MOST_NEAR] * len(found)], strict=False):
        assert view is not None
        assert len(view.nodes) <= (most if view is not found[2] else MOST_NODES)
        assert len(set(keys(view))) == len(view.nodes)
        assert all(view.layers[a] < view.layers[b] for a, b, *_ in view.links)
        seen = picture(view)
        for one, other in combinations(boxes(seen), 2):
            apart = one.right < other.left or other.right < one.left
            assert apart or one.bottom < other.top or other.bottom < one.top


@given(plans())
@settings(max_examples=60, deadline=None)
def test_an_overview_holds_every_step_once_and_hides_no_dependency(drawn: Plan) -> None:
    anatomy = Anatomy(drawn)
    view = overview(anatomy)
    own = [n for n in range(len(view.nodes)) if view.nodes[n].kind not in BESIDE]
    if view.grouping is Grouping.SERVICES:
        own = list(range(len(view.nodes)))
    held = [member for place in own for member in view.nodes[place].members]
    assert sorted(held) == list(range(len(drawn.steps)))
    box_of = {member: place for place in own for member in view.nodes[place].members}
    graph = anatomy.graph
    for number in range(len(drawn.steps)):
        for edge in graph.needs[number]:
            before = graph.members[edge.node] if graph.is_group(edge.node) else [edge.node]
            for source in (box_of[n] for n in before):
                target = box_of[number]
                assert source == target or target in reach(view, source)


@given(plans(), st.data())
@settings(max_examples=50, deadline=None)
def test_a_focus_shows_or_counts_all_that_a_step_hangs_on(drawn: Plan, data: st.DataObject) -> None:
    anatomy = Anatomy(drawn)
    step = data.draw(st.integers(0, len(drawn.steps) - 1))
    view = around(anatomy, step)
    shown = {n for node in view.nodes if node.kind is Kind.STEP for n in node.members}
    needed = anatomy.graph.closure([step]) - {step}
    steps = {n for n in needed if n < len(drawn.steps)}
    behind = {n for n in range(len(drawn.steps)) if step in anatomy.graph.closure([n])} - {step}
    assert shown - {step} <= steps | behind
    assert (view.before, view.behind) == (len(steps - shown), len(behind - shown))
    assert view.focus is not None
    assert view.nodes[view.focus].members == (step,)
    assert view.nodes[view.focus].behind.bit_count() == len(behind)


@given(plans())
@settings(max_examples=50, deadline=None)
def test_the_same_plan_makes_the_same_picture(drawn: Plan) -> None:
    assert picture(overview(Anatomy(drawn))) == picture(overview(Anatomy(drawn)))


@given(plans())
@settings(max_examples=50, deadline=None)
def test_a_whole_picture_has_every_dependency(drawn: Plan) -> None:
    anatomy = Anatomy(drawn)
    view = everything(anatomy)
    assert view is not None
    wanted = {(d.target, step.id) for step in drawn.steps for d in step.depends_on}
    needed = {target for target, _ in wanted if target.startswith("g")}
    wanted |= {(step.id, step.group) for step in drawn.steps if step.group in needed}
    assert pairs(view) == wanted
    waves = {step.id: n for n, wave in enumerate(anatomy.graph.waves(), 1) for step in wave}
    named = dict(view.waves)
    for node, layer in zip(view.nodes, view.layers, strict=True):
        if node.kind is Kind.STEP:
            assert node.first == waves[node.key]
            assert not named or named[layer] == waves[node.key]


def test_the_example_is_shown_by_its_groups_and_tiers() -> None:
    view = overview(Anatomy(load_file(example("piacenza"))))
    assert view.grouping is Grouping.GROUPS
    assert len([n for n in view.nodes if n.kind is Kind.GROUP]) == 14
    assert [n.key for n in view.nodes if n.kind is Kind.TIER] == [f"tier:{n}" for n in range(1, 6)]
    assert ("group:storage", "group:databases") in pairs(view)
    assert ("group:core", "group:databases") not in pairs(view)  # it follows from others
    assert view.is_reduced


def test_few_services_are_shown_one_by_one() -> None:
    found = plan(
        *(gate(f"s{n}", *([f"s{n - 1}"] if n else []), group="g") for n in range(40)),
        groups=[Group(id="g", title="All of them")],
        services=(service("web", 1, "s39"),),
    )
    view = overview(Anatomy(found))
    assert keys(view) == ["group:g", "service:web"]
    assert pairs(view) == {("group:g", "service:web")}


def test_groups_that_need_each_other_share_a_box() -> None:
    steps = [gate("a1", group="a"), gate("b1", "a1", group="b"), gate("a2", "b1", group="a")]
    more = [gate(f"c{n}", "a2", group="c") for n in range(40)]
    groups = [Group(id="a"), Group(id="b"), Group(id="c")]
    view = overview(Anatomy(plan(*steps, *more, groups=groups)))
    joined = view.nodes[0]
    assert (joined.kind, joined.name, joined.groups) == (Kind.JOINED, "a + b", ("a", "b"))
    assert pairs(view) == {("joined:1", "group:c")}
    inside = opened(Anatomy(plan(*steps, *more, groups=groups)), "joined:1")
    assert inside is not None
    assert sorted(keys(inside)) == ["a1", "a2", "b1"]


def test_groups_that_tell_nothing_give_way_to_waves() -> None:
    steps = [gate(f"s{n}", *([f"s{n - 1}"] if n else []), group=f"g{n % 2}") for n in range(40)]
    view = overview(Anatomy(plan(*steps, groups=[Group(id="g0"), Group(id="g1")])))
    assert view.grouping is Grouping.WAVES
    assert len(view.nodes) == 20
    assert (view.nodes[0].first, view.nodes[0].last) == (1, 2)


def test_without_groups_the_services_divide_a_plan() -> None:
    shared = [gate(f"base{n}") for n in range(5)]
    one = [gate(f"one{n}", "base0") for n in range(15)]
    two = [gate(f"two{n}", "base0") for n in range(15)]
    offered = (
        Service(id="one", title={}, steps=tuple(step.id for step in one)),
        Service(id="two", title={}, steps=tuple(step.id for step in two)),
    )
    view = overview(Anatomy(plan(*shared, *one, *two, services=offered)))
    assert view.grouping is Grouping.SERVICES
    assert keys(view) == ["shared:1", "service:one", "service:two", "unclaimed:1"]
    assert pairs(view) == {("shared:1", "service:one"), ("shared:1", "service:two")}


def test_a_small_plan_is_shown_whole() -> None:
    view = overview(Anatomy(chain(3)))
    assert (view.grouping, keys(view)) == (Grouping.STEPS, ["s0", "s1", "s2"])


def test_hundreds_of_groups_are_no_overview() -> None:
    steps = [gate(f"s{n}", group=f"g{n}") for n in range(100)]
    view = overview(Anatomy(plan(*steps, groups=[Group(id=f"g{n}") for n in range(100)])))
    assert (view.grouping, len(view.nodes)) == (Grouping.WAVES, 1)


def test_a_big_box_opens_with_its_longest_chain_and_says_what_is_left_out() -> None:
    steps = [gate(f"s{n}", group="g") for n in range(100)]
    steps += [gate("tail", "s99", group="g")]
    view = opened(Anatomy(plan(*steps, groups=[Group(id="g")])), "group:g")
    assert view is not None
    assert (len(view.nodes), view.left_out) == (60, 41)
    assert {"s99", "tail"} <= set(keys(view))


def test_a_service_opens_with_what_it_needs() -> None:
    found = replace(chain(5), services=(service("web", 1, "s3"),))
    view = opened(Anatomy(found), "service:web")
    assert view is not None
    assert sorted(keys(view)) == ["s0", "s1", "s2", "s3"]


@pytest.mark.parametrize("key", ["", "s0", "group:none", "group:s0", "service:none", "waves:7"])
def test_what_is_no_box_cannot_be_opened(key: str) -> None:
    assert opened(Anatomy(chain(3)), key) is None


def test_a_focus_reaches_two_hops() -> None:
    view = around(Anatomy(chain(9)), 4)
    assert sorted(keys(view)) == ["s2", "s3", "s4", "s5", "s6"]
    assert (view.before, view.behind) == (2, 2)


def test_a_step_that_needs_many_groups_still_fits() -> None:
    members = [gate(f"m{n}", group=f"g{n}") for n in range(80)]
    last = gate("last", *(f"g{n}" for n in range(80)))
    found = plan(*members, last, groups=[Group(id=f"g{n}") for n in range(80)])
    view = around(Anatomy(found), 80)
    assert len(view.nodes) == MOST_NEAR
    assert view.before > 0


def test_above_three_hundred_nodes_only_the_chain_and_the_chosen_keep_lines() -> None:
    rest = [gate(f"r{n}", "a") for n in range(MOST_LINES_SHOWN)]
    found = plan(gate("a"), gate("b", "a"), gate("c", "b"), gate("d", "r7"), *rest)
    anatomy = Anatomy(found)
    view = everything(anatomy, anatomy.graph.index["d"])
    assert view is not None
    seen = picture(view)
    names = {(view.nodes[link.source].key, view.nodes[link.target].key) for link, _ in seen.paths}
    assert seen.detail is Detail.DOT
    assert names == {("a", "b"), ("b", "c"), ("r7", "d")}
    drawing = draw(seen, len(found.steps))
    assert drawing.undrawn == MOST_LINES_SHOWN
    assert (len(drawing.rows), drawing.unlisted) == (MOST_LISTED, len(found.steps) - MOST_LISTED)


def test_what_is_too_big_is_not_drawn_at_all() -> None:
    assert everything(Anatomy(plan(*(gate(f"s{n}") for n in range(MOST_NODES + 1))))) is None


def test_a_run_changes_states_and_no_place() -> None:
    anatomy = Anatomy(chain(4))
    seen = picture(overview(anatomy))
    early = draw(seen, 4, ["healthy", "waiting", "blocked", "blocked"])
    late = draw(seen, 4, ["healthy"] * 4)
    assert [(b.x, b.y) for b in early.boxes] == [(b.x, b.y) for b in late.boxes]
    assert [b.status for b in early.boxes] == ["healthy", "waiting", "blocked", "blocked"]
    assert [b.behind for b in early.boxes] == [0, 2, 1, 0]
    assert [b.behind for b in late.boxes] == [0, 0, 0, 0]


def test_a_box_is_what_is_most_urgent_in_it() -> None:
    steps = [gate(f"s{n}", group="g") for n in range(40)]
    seen = picture(overview(Anatomy(plan(*steps, groups=[Group(id="g")]))))
    words = ["healthy"] * 37 + ["pending", "waiting", "skipped"]
    box = draw(seen, 40, words).boxes[0]
    assert (box.status, box.done) == ("waiting", 38)
    assert box.rest == (("waiting", 1), ("pending", 1))

"""Which steps a filter leaves, how they are paged, and what a row says that it waits for."""

from __future__ import annotations

from typing import Any

import pytest

from api.dashboard.run_rows import MOST_ROWS, Show, View, window
from api.dashboard.waits import Need, Waits, waits_of, word_of
from drorch.run.spans import Spans
from drorch.run.status import Scope
from tests.fakes.plans import ONCE, group, question, vm, wait
from tests.fakes.script import Script


def view(run: Script, show: Show, first: int = 0, who: frozenset[str] = frozenset()) -> View:
    spans = Spans()
    spans.follow(run.log)
    return View(state=run.state, spans=spans, now=run.now, show=show, first=first, who=who)


def shown(run: Script, show: Show, **more: Any) -> list[str]:
    return [run.state.step(n).id for n in window(view(run, show, **more)).numbers]


def busy() -> Script:
    """One step is healthy, one asks, one waits for it, one acts, one waits for that one."""
    run = Script(
        vm("done"), vm("bad", retry=ONCE), vm("behind", "bad"), vm("acts"), vm("last", "acts")
    )
    run.heals("done")
    run.fails("bad")
    return run


@pytest.mark.parametrize(
    ("show", "steps"),
    [
        ("all", ["done", "bad", "behind", "acts", "last"]),
        ("open", ["bad", "behind", "acts", "last"]),
        ("stuck", ["bad"]),
        ("failed", ["bad", "behind"]),
        ("critical", ["bad", "behind"]),
        ("mine", []),
        ("", ["bad", "behind", "acts", "last"]),
    ],
)
def test_a_filter_leaves_what_it_says(show: Show, steps: list[str]) -> None:
    run = busy()
    found = shown(run, show)
    if show == "critical":
        assert len(found) == 2, "a whole chain, whichever of the equally long ones"
        return
    assert found == steps


def test_mine_is_what_names_me_and_what_i_decided() -> None:
    run = Script(vm("a", retry=ONCE), vm("b", contact="anna"), question("c"))
    run.fails("a")
    run.skip("a")
    assert shown(run, "mine", who=frozenset({"anna"})) == ["a", "b"]
    assert shown(run, "mine", who=frozenset({"bruno"})) == []


def test_ten_thousand_steps_come_in_pages_that_meet() -> None:
    run = Script(*(wait(f"s{n}", 10) for n in range(1203)))
    page: Any = window(view(run, "all"))
    seen = list(page.numbers)
    assert (page.before, page.previous, len(seen)) == (0, None, MOST_ROWS)
    while page.next is not None:
        start = page.next
        page = window(view(run, "all", first=start))
        assert page.numbers[0] == start
        assert page.previous == max(0, start - MOST_ROWS)
        seen += page.numbers
    assert seen == list(range(1203))
    assert page.after == 0


def says(run: Script, step: str) -> Waits:
    return waits_of(run.state, run.state.index(step))


def test_what_waits_says_for_what() -> None:
    run = Script(
        question("san"),
        vm("a", "san", group="core"),
        vm("b", "san", group="core"),
        vm("c", "core"),
        vm("d"),
        vm("e"),
        vm("f"),
        groups=[group("core")],
        parallel=2,
    )
    assert says(run, "san").kind == "answer"
    assert says(run, "a").needs == (Need("san", "waiting"),)
    assert says(run, "c").needs == (Need("core", "", 2, 2),)
    assert says(run, "d").kind == "run"
    assert says(run, "f") == Waits("slot", place="plan", limit=2)
    run.runs("d")
    assert says(run, "d") == Waits("checks", checks=1)
    run.fails("e")
    assert says(run, "e").kind == "retry"
    assert says(run, "e").at == run.own("e").timer
    run.pause()
    run.verified("d")
    assert says(run, "f").kind in ("paused", "run")
    run.obstacle(Scope.CONNECTOR, "pve", "no quorum (1 of 3)")
    run.later(60)
    assert says(run, "e") == Waits("obstacle", text="no quorum (1 of 3)")


def test_an_order_whose_answer_was_lost_is_unknown_and_neither_good_nor_bad() -> None:
    run = Script(vm("db"))
    run.doubted("db")
    assert word_of(run.state, 0) == "unknown"
    assert says(run, "db").kind == "outcome"
    run.runs("db")
    assert word_of(run.state, 0) == "verifying"

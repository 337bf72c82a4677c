"""What has changed, put into any older page, makes the page of now: nothing is missed."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from datetime import datetime

import pytest

from api.dashboard.run_board import Board, Boards, refresh, row_key
from api.dashboard.run_rows import Show, View
from drorch.run.events import Event
from drorch.run.evolve import evolve
from drorch.run.spans import Spans
from drorch.run.state import RunState
from drorch.run.status import StepStatus
from tests.fakes.plans import TWICE, group, question, vm, wait
from tests.fakes.script import Script

AROUND = {"at": "/runs/test-1", "mode": "live", "zone": "UTC", "has_names": False}
Page = dict[str, str]


def history(seed: int) -> list[Event]:
    """A run with failures, answers, pauses and time that passes."""
    chance = random.Random(seed)
    run = Script(
        question("san"),
        *(vm(f"core{n}", "san", group="core", retry=TWICE) for n in range(3)),
        *(vm(f"db{n}", "core", retry=TWICE) for n in range(3)),
        *(vm(f"web{n}", f"db{n}") for n in range(3)),
        wait("calm", 30, "web0"),
        groups=[group("core")],
        parallel=2,
    )
    moves: list[Callable[[str], None]] = [run.heals, run.heals, run.fails, run.doubted]
    for _ in range(60):
        run.later(chance.choice((0, 1, 7, 40)))
        if run.state.is_over:
            break
        acting = sorted(run.acting)
        asked = [s.id for s in run.state.plan.steps if run.status(s.id) is StepStatus.WAITING]
        if asked and chance.random() < 0.5:
            step = chance.choice(asked)
            run.approve(step) if step == "san" else chance.choice((run.retry, run.skip))(step)
        elif acting:
            step = chance.choice(acting)
            starting = run.status(step) is StepStatus.STARTING
            move = chance.choice(moves)
            if move != run.doubted or (starting and not run.own(step).doubt):
                move(step)
        elif chance.random() < 0.3:
            (run.resume if run.state.paused else run.pause)()
    return run.log


def looks(log: list[Event], show: Show) -> Iterator[tuple[RunState, View]]:
    """Yield the run after each event, as somebody looks at it."""
    state, spans = None, Spans()
    for event in log:
        state = evolve(state, event)
        spans.follow([event])
        yield state, View(state=state, spans=spans, now=event.at, show=show)


def page(board: Board, view: View) -> Page:
    rows = {row_key(view, n): str(board.piece(row_key(view, n))) for n in board.window.numbers}
    return {**rows, **{name: str(board.piece(name)) for name in ("marks", "scale", "show")}}


def carried_on(old: Page, last: int, board: Board, view: View, after: int) -> Page:
    """Put what has changed into an older page, as the script in the browser does."""
    numbers = board.window.numbers
    new: Page = {}
    for n in numbers:
        key = row_key(view, n)
        sent = board.piece(key, None if n > last else after)
        new[key] = old[key] if sent is None else str(sent)
    for name in ("marks", "scale", "show"):
        sent = board.piece(name, after)
        new[name] = old[name] if sent is None else str(sent)
    return new


@pytest.mark.parametrize("show", ["all", "open", "stuck", "failed", "critical"])
@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("seen", [1.0, 0.3])
def test_changes_since_any_event_make_the_page_of_now(show: Show, seed: int, seen: float) -> None:
    """Also from a process that has not looked each time: another one has made the older page."""
    chance = random.Random(seed)
    mine, other = Board(), Board()
    older: list[tuple[int, int, Page]] = []
    compared = 0
    for state, view in looks(history(seed), show):
        refresh(mine, view, {}, AROUND)
        whole = page(mine, view)
        if chance.random() < seen:
            refresh(other, view, {}, AROUND)
            assert page(other, view) == whole
            for seq, last, page_then in chance.sample(older, min(len(older), 15)):
                assert carried_on(page_then, last, other, view, seq) == whole
                compared += 1
        older.append((state.seq, max(mine.window.numbers, default=-1), whole))
    assert compared > 100


def test_what_has_not_changed_is_not_sent_again() -> None:
    log = history(1)
    board, sent, rows = Board(), 0, 0
    before = 0
    for state, view in looks(log, "all"):
        refresh(board, view, {}, AROUND)
        keys = [row_key(view, n) for n in board.window.numbers]
        sent += sum(board.piece(key, before) is not None for key in keys)
        rows += len(keys)
        before = state.seq
    assert 0 < sent < rows / 2


def test_boards_of_runs_that_nobody_looks_at_are_forgotten() -> None:
    boards = Boards()
    made = [view for _, view in looks(history(2)[:3], "all")]
    first = boards.of(made[0])
    assert boards.of(made[0]) is first
    for number in range(100):
        view = made[0]
        boards.of(View(state=view.state, spans=view.spans, now=view.now, first=number))
    assert boards.of(made[0]) is not first


def test_time_alone_changes_a_row_too() -> None:
    state, view = list(looks(history(3)[:6], "all"))[-1]
    board = Board()
    refresh(board, view, {}, AROUND)
    acting = next(n for n, own in enumerate(state.steps) if own.in_flight or own.ask)
    key = row_key(view, acting)
    before = board.piece(key)
    later = datetime.fromtimestamp(view.now.timestamp() + 1000, tz=view.now.tzinfo)
    then = View(state=state, spans=view.spans, now=later, show="all")
    refresh(board, then, {}, AROUND)
    assert board.piece(key, state.seq) not in (None, before)

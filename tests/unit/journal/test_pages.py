"""Pages of the journal: the newest runs first, filtered where the table can, and events in order."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest
from sqlalchemy import text

from api.reading import RunReader
from drorch.errors import RunNotFoundError
from drorch.journal.pages import (
    Place,
    RunFilter,
    events_page,
    newest_runs,
    open_runs,
    recorded_json,
    runs_page,
)
from drorch.journal.store import Store
from drorch.ports.journal import Recorded
from drorch.run import events as ev
from drorch.run.status import Mode, RunStatus
from tests.fakes.plans import plan, vm
from tests.fakes.script import T0

PLAN = plan(vm("db"))


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    opened = Store(tmp_path / "drorch.db")
    yield opened
    opened.close()


async def create(
    store: Store,
    mode: Mode = Mode.LIVE,
    ended: RunStatus | None = None,
    *more: ev.Event,
    name: str = "town",
) -> str:
    def build(run: str) -> Sequence[ev.Event]:
        asked = ev.RunRequested(at=T0, run=run, plan=PLAN, mode=mode, by="anna", only=("db",))
        end = (ev.RunEnded(at=T0, status=ended),) if ended else ()
        return (asked, ev.RunStarted(at=T0), *more, *end)

    return await store.create_run(name, mode, build)


async def ids(
    store: Store, wanted: RunFilter | None = None, limit: int = 100, after: Place | None = None
) -> list[str]:
    page = await runs_page(store, limit, wanted=wanted, after=after)
    return [line.id for line in page.lines]


async def test_pages_hold_every_run_once_also_those_of_the_same_moment(store: Store) -> None:
    made = [await create(store) for _ in range(11)]
    seen: list[str] = []
    after: Place | None = None
    more = True
    while more:
        lines, more = await runs_page(store, 3, after=after)
        assert lines and len(lines) <= 3
        seen += [line.id for line in lines]
        after = lines[-1].place
    assert sorted(seen) == sorted(made)
    assert seen == await ids(store)
    assert (await runs_page(store, 11)).more is False
    assert (await runs_page(store, 10)).more is True
    await create(store)  # a newer one moves nothing that was behind a place
    assert await ids(store, after=after) == []


async def test_filters(store: Store) -> None:
    live = await create(store)
    dry = await create(store, Mode.DRY_RUN, RunStatus.FAILED)
    other = await create(store, Mode.SIMULATE, RunStatus.SUCCEEDED, name="other")
    assert await ids(store, RunFilter(plan="other")) == [other]
    assert set(await ids(store, RunFilter(modes=(Mode.LIVE, Mode.DRY_RUN)))) == {live, dry}
    assert await ids(store, RunFilter(statuses=(RunStatus.FAILED,))) == [dry]
    assert set(await ids(store, RunFilter(statuses=(RunStatus.FAILED, RunStatus.WAITING)))) == {
        live,
        dry,
    }
    assert [line.id for line in await open_runs(store)] == [live]
    both = RunFilter(modes=(Mode.LIVE,), statuses=(RunStatus.SUCCEEDED,))
    assert await ids(store, both) == []


async def test_how_an_open_run_stands_is_looked_up(store: Store) -> None:
    paused = await create(store, Mode.LIVE, None, ev.RunPaused(at=T0, by="anna"))
    running = [await create(store) for _ in range(3)]
    done = await create(store, Mode.LIVE, RunStatus.SUCCEEDED)
    reader = RunReader(store)

    async def found(limit: int | None, *statuses: RunStatus) -> tuple[list[str], bool]:
        lines, more = await reader.runs(RunFilter(statuses=statuses), limit)
        return [line.id for line in lines], more

    assert await found(1, RunStatus.PAUSED) == ([paused], False)
    assert await found(None, RunStatus.PAUSED, RunStatus.SUCCEEDED) == ([done, paused], False)
    assert await found(2, RunStatus.RUNNING) == (running[:0:-1], True)
    assert await found(None) == ([done, *reversed(running), paused], False)


async def test_a_list_longer_than_a_look_is_whole(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("api.reading._LINES", 2)
    made = [await create(store) for _ in range(7)]
    lines, more = await RunReader(store).runs(RunFilter(), None)
    assert ([line.id for line in lines], more) == (made[::-1], False)
    lines, more = await RunReader(store).runs(RunFilter(), 4)
    assert ([line.id for line in lines], more) == (made[:2:-1], True)
    rest, more = await RunReader(store).runs(RunFilter(), 4, lines[-1].place)
    assert ([line.id for line in rest], more) == (made[2::-1], False)


async def test_the_newest_run_of_each_plan_in_a_mode(store: Store) -> None:
    for name in ("town", "town", "other"):
        await create(store, name=name)
    await create(store, Mode.SIMULATE, name="town")
    assert {line.id for line in await newest_runs(store, Mode.LIVE)} == {"town-2", "other-1"}


async def test_events_in_pages(store: Store) -> None:
    run = await create(store, Mode.LIVE, RunStatus.SUCCEEDED)
    first = await events_page(store, run, 0, 2)
    assert ([event["seq"] for event in first.events], first.more) == ([1, 2], True)
    last = await events_page(store, run, 2, 2)
    assert ([event["type"] for event in last.events], last.more) == (["run.ended"], False)
    assert await events_page(store, run, 3, 2) == ([], False)
    with pytest.raises(RunNotFoundError, match="nothing-1"):
        await events_page(store, "nothing-1", 0, 2)


def test_the_first_event_names_its_plan_and_leaves_the_rest_of_it_out() -> None:
    asked = ev.RunRequested(at=T0, run="town-1", plan=PLAN, mode=Mode.LIVE, by="anna", reason="x")
    shown = recorded_json(Recorded(1, T0, asked))
    assert (shown["actor"], shown["step"], shown["type"]) == ("anna", None, "run.requested")
    data = shown["data"]
    assert (data["plan"], data["digest"], data["mode"]) == (PLAN.id, PLAN.digest, "live")
    assert (data["only"], data["reason"], "at" in data) == ([], "x", False)


@pytest.mark.parametrize("more", [0, 1, 3])
async def test_a_reader_follows_a_journal_that_was_put_back_and_went_on(
    store: Store, more: int
) -> None:
    reader, run = RunReader(store), await create(store)
    before = (await reader.state(run)).seq
    paused: list[ev.Event] = [ev.RunPaused(at=T0, by="anna"), ev.RunResumed(at=T0, by="anna")]
    await store.append(run, paused[:1], after=before)
    assert (await reader.state(run)).status is RunStatus.PAUSED
    gone = text(f"DELETE FROM events WHERE seq > {before}")
    await store.writing(lambda c: c.execute(gone).close())
    anew = [ev.RunAdopted(at=T0, driver="b"), *paused][:more]
    if anew:
        await store.append(run, anew, after=before)
    state = await reader.state(run)
    assert (state.seq, state.status) == (before + more, RunStatus.RUNNING)
    assert (state.driver == "b") is (more > 0)

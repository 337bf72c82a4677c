"""What the journal tells whoever watches: appends timed, failures counted, on both databases."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import Connection, event

from api.metrics.collectors import clock_offset
from api.metrics.figures import Figures
from drorch.errors import JournalConflictError, JournalUnavailableError
from drorch.journal.nodes import Identity, Nodes
from drorch.journal.pages import tally_of_ended
from drorch.journal.store import Store
from drorch.journal.url import Place, place_of
from drorch.model.moment import stamp
from drorch.run import events as ev
from drorch.run.status import Mode, RunStatus
from tests.fakes.plans import plan, vm

NOW = datetime(2026, 11, 20, 3, 0, tzinfo=UTC)
WHO = Identity(site="s", name="here:1", version="1", started_at=stamp(NOW))


@pytest.fixture(params=["sqlite", "postgres"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    if request.param == "sqlite":
        return Place(shown="drorch.db", file=tmp_path / "drorch.db")
    return place_of(request.getfixturevalue("postgres_url"), tmp_path, None)


@contextlib.contextmanager
def opened(place: Place, figures: Figures) -> Iterator[Store]:
    store = Store(place, figures)
    try:
        yield store
    finally:
        store.close()


def requested(run: str) -> ev.RunRequested:
    return ev.RunRequested(at=NOW, run=run, plan=plan(vm("a")), mode=Mode.LIVE, by="x")


async def test_appends_are_timed_and_a_lost_race_is_no_failure(place: Place) -> None:
    figures = Figures()
    with opened(place, figures) as store:
        run = await store.create_run("p", Mode.LIVE, lambda run: [requested(run)])
        began = ev.RunStarted(at=NOW, driver="x")
        await store.append(run, [began], after=1)
        with pytest.raises(JournalConflictError):
            await store.append(run, [began], after=1)
    timing = figures.timings["drorch_journal_append_seconds", ()]
    assert sum(timing.counts) == 1
    assert timing.total > 0
    assert figures.counters["drorch_journal_errors", ()] == 0


async def test_a_write_that_fails_is_counted(place: Place) -> None:
    figures = Figures()
    with opened(place, figures) as store:

        def refuse(*_: object) -> None:
            raise OSError(28, "No space left on device")

        event.listen(store.backend.engine, "before_cursor_execute", refuse)
        with pytest.raises(JournalUnavailableError):
            await Nodes(store, patience=5).appear(WHO)
    assert figures.counters["drorch_journal_errors", ()] == 1


async def test_the_proof_of_writing_changes_nothing(place: Place) -> None:
    with opened(place, Figures()) as store:
        nodes = Nodes(store, patience=5)
        await nodes.prove_writable("s")  # nobody has appeared yet: nothing is made up
        assert await nodes.all() == []
        await nodes.appear(WHO, "note")
        before = await store.reading(_seen)
        await nodes.prove_writable("s")
        assert await store.reading(_seen) == before
        assert [node.note for node in await nodes.all()] == ["note"]


def _seen(connection: Connection) -> object:
    return connection.exec_driver_sql("SELECT seen FROM nodes").scalar_one()


async def test_runs_are_tallied_by_their_end(place: Place) -> None:
    with opened(place, Figures()) as store:
        for status in (RunStatus.SUCCEEDED, RunStatus.SUCCEEDED, RunStatus.ABORTED):
            run = await store.create_run("p", Mode.LIVE, lambda run: [requested(run)])
            await store.append(run, [ev.RunEnded(at=NOW, status=status)], after=1)
        await store.create_run("p", Mode.DRY_RUN, lambda run: [requested(run)])
        since = stamp(NOW - timedelta(hours=1))
        assert await tally_of_ended(store, since) == {
            ("live", "succeeded"): 2,
            ("live", "aborted"): 1,
        }
        assert await tally_of_ended(store, stamp(NOW + timedelta(seconds=1))) == {}


async def test_the_database_s_clock_is_compared_where_it_has_one(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    with opened(place, Figures()) as store:
        assert abs(await clock_offset(store)) < 2
        ours = store.backend.now
        monkeypatch.setattr(store.backend, "now", lambda line: ours(line) + 100)
        offset = await clock_offset(store)
        assert offset == 0.0 if place.url is None else 98 < offset < 102

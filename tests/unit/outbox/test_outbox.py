"""The outbox on both databases: each event once, in nobody else's hands, and an end to all."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import func, select, update

from drorch.access.principal import Act
from drorch.journal.backup import back_up, restore
from drorch.journal.hook_cursors import hooks_
from drorch.journal.outbox import Outbox, WebhookDisabledError, new_message, outbox_
from drorch.journal.store import Store
from drorch.journal.url import Place, place_of
from drorch.outbox.ports import Claimed
from drorch.outbox.rules import KINDS, chosen
from drorch.run import events as ev
from drorch.run.status import Mode
from tests.fakes.plans import plan, vm
from tests.real.postgres import PostgresServer
from tests.unit.outbox.stage import SOMEBODY, begin, paused

ALL = {"desk": KINDS}


def act(name: str = "x") -> Act:
    return Act(by=SOMEBODY, action="test", object=name)


@pytest.fixture
async def second(place: Place, store: Store) -> AsyncIterator[Store]:
    """Return another orchestrator's store over the same database."""
    opened = Store(place)
    yield opened
    opened.close()


async def payloads(store: Store) -> list[dict[str, object]]:
    query = select(outbox_.c.payload).order_by(outbox_.c.id)
    rows = await store.reading(lambda c: c.execute(query).scalars().all())
    return [json.loads(row) for row in rows]


async def seqs(store: Store, run: str) -> list[int]:
    found = [p["data"] for p in await payloads(store)]
    return [d["seq"] for d in found if d["run"] == run]  # type: ignore[index]


async def count(store: Store) -> int:
    query = select(func.count()).select_from(outbox_)
    return int(await store.reading(lambda c: c.execute(query).scalar_one()))


async def test_a_new_hook_begins_at_now(store: Store) -> None:
    box = Outbox(store)
    old = await begin(store)
    assert await box.fill(ALL) == frozenset()
    assert await box.fill(ALL) == frozenset()
    assert await count(store) == 0
    await store.append(old, [paused()], after=1)
    new = await begin(store)
    assert await box.fill(ALL) == {"desk"}
    assert (await seqs(store, old), await seqs(store, new)) == ([2], [1])


async def test_only_what_was_chosen_becomes_a_message(store: Store) -> None:
    box = Outbox(store)
    hooks = {"desk": chosen(["run.paused"]), "all": KINDS}
    await box.fill(hooks)
    run = await begin(store)
    assert await box.fill(hooks) == {"all"}
    await store.append(run, [paused(), ev.RunResumed(at=datetime.now(UTC), by="anna")], after=1)
    assert await box.fill(hooks) == {"desk", "all"}
    states = {state.name: state.pending for state in await box.states(["desk", "all", "none"])}
    assert states == {"desk": 1, "all": 3, "none": 0}


async def test_fillers_at_once_make_each_event_one_message(store: Store, second: Store) -> None:
    boxes = [Outbox(store), Outbox(second), Outbox(second)]
    await asyncio.gather(*(box.fill(ALL) for box in boxes))
    run = await begin(store)
    after = 1

    async def happen() -> None:
        nonlocal after
        for _ in range(30):
            await store.append(run, [paused()] * 10, after=after)
            after += 10

    async def fill(box: Outbox) -> None:
        for _ in range(30):
            await box.fill(ALL)

    await asyncio.gather(happen(), *(fill(box) for box in boxes))
    for box in boxes:
        await box.fill(ALL)
    assert await seqs(store, run) == list(range(1, after + 1))


async def test_a_restart_goes_on_where_the_cursor_is(store: Store) -> None:
    await Outbox(store).fill(ALL)
    run = await begin(store)
    await Outbox(store).fill(ALL)
    await store.append(run, [paused()] * 450, after=1)  # more than a pass takes
    await Outbox(store).fill(ALL)
    await Outbox(store).fill(ALL)
    assert await seqs(store, run) == list(range(1, 452))


async def test_a_message_is_in_one_pair_of_hands(store: Store, second: Store) -> None:
    boxes = [Outbox(store), Outbox(second)]
    await boxes[0].fill(ALL)
    run = await begin(store)
    await store.append(run, [paused()] * 19, after=1)
    await boxes[0].fill(ALL)

    async def take(box: Outbox) -> list[Claimed]:
        taken = []
        while (claimed := await box.claim("desk", 60.0)) is not None:
            taken.append(claimed)
        return taken

    hands = await asyncio.gather(*(take(box) for box in boxes * 3))
    ids = [claimed.id for taken in hands for claimed in taken]
    assert len(ids) == len(set(ids)) == 20


async def test_what_was_lost_in_somebodys_hands_is_taken_again(store: Store) -> None:
    box = Outbox(store)
    await box.fill(ALL)
    await begin(store)
    await box.fill(ALL)
    first = await box.claim("desk", 0.05)
    assert first is not None
    async with asyncio.timeout(10):
        while (again := await box.claim("desk", 60.0)) is None:
            await asyncio.sleep(0.01)
    assert (again.message, again.payload, again.tries) == (first.message, first.payload, 2)
    await box.put_back(first, "too late: it is not in these hands any more", 0.0)
    assert await box.claim("desk", 60.0) is None
    await box.delivered(again)
    (state,) = await box.states(["desk"])
    assert (state.pending, state.failed, state.last_error) == (0, 0, "")
    assert state.last_sent_at


async def test_what_arrived_is_not_failed_by_who_came_late(store: Store) -> None:
    box = Outbox(store)
    await box.fill(ALL)
    await begin(store)
    await box.fill(ALL)
    claimed = await box.claim("desk", 60.0)
    assert claimed is not None
    await box.delivered(claimed)
    await box.give_up(claimed, "no")
    (state,) = await box.states(["desk"])
    assert state.failed == 0


async def test_a_410_ends_all_until_somebody_enables_it(store: Store) -> None:
    box = Outbox(store)
    await box.fill(ALL)
    run = await begin(store)
    await store.append(run, [paused()] * 3, after=1)
    await box.fill(ALL)
    claimed = await box.claim("desk", 60.0)
    assert claimed is not None
    await box.disable(claimed, "410")
    await store.append(run, [paused()] * 3, after=4)
    await box.fill(ALL)
    assert await box.claim("desk", 60.0) is None
    (state,) = await box.states(["desk"])
    assert (state.pending, state.failed, state.disabled) == (0, 4, "410")
    with pytest.raises(WebhookDisabledError):
        await box.test("desk", new_message(), act())
    await box.enable("desk", act())
    await store.append(run, [paused()], after=7)
    await box.fill(ALL)
    taken = await box.claim("desk", 60.0)
    assert taken is not None
    assert json.loads(taken.payload)["data"]["seq"] == 8
    (state,) = await box.states(["desk"])
    assert (state.pending, state.disabled) == (1, "")


async def test_what_is_old_news_is_not_told(store: Store) -> None:
    box = Outbox(store)
    await box.fill(ALL)
    long_ago = datetime.now(UTC) - timedelta(days=5)
    run = await begin(store, long_ago)
    await store.append(run, [paused()], after=1)
    await box.fill(ALL)
    assert await seqs(store, run) == [2]


async def test_what_was_sent_is_forgotten_after_a_week(store: Store) -> None:
    box = Outbox(store)
    await box.fill(ALL)
    run = await begin(store)
    await store.append(run, [paused()] * 3, after=1)
    await box.fill(ALL)
    sent, failed = [await box.claim("desk", 60.0) for _ in range(2)]
    assert sent is not None
    assert failed is not None
    await box.delivered(sent)
    await box.give_up(failed, "x")

    async def older(days: int) -> None:
        at = (datetime.now(UTC) - timedelta(days=days)).isoformat()
        await store.writing(lambda c: c.execute(update(outbox_).values(created_at=at)).rowcount)
        await box.clean()

    await older(6)
    assert await count(store) == 4
    await older(8)
    assert await count(store) == 3
    await older(31)
    assert await count(store) == 2  # what waits is never forgotten


async def test_a_plan_of_many_machines_makes_a_small_message(store: Store) -> None:
    box = Outbox(store)
    await box.fill(ALL)
    large = plan(*(vm(f"m{n}") for n in range(2000)))

    def requested(run: str) -> list[ev.Event]:
        now = datetime.now(UTC)
        return [ev.RunRequested(at=now, run=run, plan=large, mode=Mode.LIVE, by="ops")]

    await store.create_run("test", "live", requested)
    await box.fill(ALL)
    (content,) = await payloads(store)
    assert len(json.dumps(content)) < 1000


async def test_a_backup_put_back_goes_on_and_tells_nothing_twice(
    place: Place, store: Store, postgres_server: PostgresServer, tmp_path: Path
) -> None:
    await Outbox(store).fill(ALL)
    run = await begin(store)
    await store.append(run, [paused() for _ in range(5)], after=1)
    await Outbox(store).fill(ALL)
    back_up(place, tmp_path / "backup.db")
    (tmp_path / "laptop").mkdir()
    for target in (
        place_of("sqlite", tmp_path / "laptop"),
        place_of(postgres_server.make(), tmp_path),
    ):
        restore(tmp_path / "backup.db", target)
        restored = Store(target)
        box = Outbox(restored)
        assert await box.fill(ALL) == {"desk"}, "what waited still waits"
        await restored.append(run, [paused()], after=6)
        await box.fill(ALL)
        assert await seqs(restored, run) == [1, 2, 3, 4, 5, 6, 7]
        restored.close()


async def test_a_cursor_of_another_database_begins_anew(store: Store) -> None:
    """As after a logical restore by the database's own tools: its transactions count anew."""
    await Outbox(store).fill(ALL)
    run = await begin(store)
    far = update(hooks_).values(txn=10**12)
    await store.writing(lambda c: c.execute(far).rowcount)
    box = Outbox(store)
    await box.fill(ALL)
    await store.append(run, [paused()], after=1)
    await box.fill(ALL)
    assert await seqs(store, run) == [2]

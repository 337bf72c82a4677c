"""Whoever reads everything in order misses nothing of a transaction that ends late."""

from __future__ import annotations

from pathlib import Path

import psycopg

from drorch.journal.store import Store
from drorch.journal.url import place_of
from tests.unit.journal.test_store import create, paused

_LATE = """
INSERT INTO events (run, seq, type, version, data, txn)
SELECT run, 2, type, version, data, pg_current_xact_id()::text::bigint
FROM events WHERE run = %s AND seq = 1
"""


async def test_no_event_is_passed_that_an_open_transaction_will_still_precede(
    postgres_url: str, tmp_path: Path
) -> None:
    store = Store(place_of(postgres_url, tmp_path))
    try:
        slow, quick = await create(store), await create(store)
        place = (await store.feed((0, "", 0), 100))[-1][:3]
        with psycopg.connect(postgres_url) as late:
            late.execute(_LATE, (slow,))  # has its number, and is not over
            await store.append(quick, [paused("quick")], after=1)
            assert len(await store.read(quick)) == 2, "it is durable and can be read"
            assert await store.feed(place, 100) == [], "but nobody goes past the open one"
            late.commit()
        found = [(line.run, line.seq) for line in await store.feed(place, 100)]
        assert found == [(slow, 2), (quick, 2)]
    finally:
        store.close()

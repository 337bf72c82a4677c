"""Check-points of the record: never out of order, never silent about another record."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import text

from api.anchor import Anchor
from api.callers import system_caller
from api.settings import AuditSettings
from drorch.journal.ledger import entries
from drorch.journal.store import Store


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    opened = Store(tmp_path / "drorch.db")
    yield opened
    opened.close()


@pytest.fixture
def anchor(store: Store, tmp_path: Path) -> Anchor:
    return Anchor(store, AuditSettings(), tmp_path)


async def acts(store: Store, count: int) -> None:
    for number in range(count):
        await store.writing(lambda _: None, system_caller("anna").act("test", f"thing/{number}"))


async def test_what_is_behind_the_newest_check_point_is_counted(
    store: Store, anchor: Anchor
) -> None:
    await acts(store, 3)
    assert anchor.unanchored() == 3
    point = anchor.write()
    assert point is not None
    assert point.count == 3
    assert anchor.write() is None
    await acts(store, 2)
    assert anchor.unanchored() == 2
    found = anchor.verify()
    assert (found.is_whole, found.anchored, found.unanchored) == (True, 3, 2)


async def test_a_cut_end_is_found_and_what_is_left_counts_as_unanchored(
    store: Store, anchor: Anchor
) -> None:
    await acts(store, 5)
    anchor.write()
    await store.writing(lambda c: c.execute(text("DELETE FROM audit WHERE seq > 3")).rowcount)
    assert anchor.unanchored() == 3
    broken = anchor.verify().broken
    assert broken is not None
    assert broken.seq == 4
    assert anchor.write() is not None, "a restored backup is anchored again from where it is"


def later(store: Store, folder: Path, by: timedelta) -> Anchor:
    """The same record, looked at so much later."""
    return Anchor(store, AuditSettings(), folder, now=lambda: datetime.now(UTC) + by)


async def test_an_old_entry_that_no_check_point_vouches_for_is_in_doubt(
    store: Store, anchor: Anchor, tmp_path: Path
) -> None:
    """Whoever takes the check-points away can write the record anew: that must not look well."""
    await acts(store, 3)
    anchor.write()
    await acts(store, 2)
    soon = later(store, tmp_path, timedelta(minutes=4)).verify()
    assert (soon.is_sound, soon.unanchored) == (True, 2)
    late = later(store, tmp_path, timedelta(minutes=6)).verify()
    assert (late.is_whole, late.is_sound) == (True, False)
    assert "entry 4 is of 20" in late.doubts[0]
    anchor.file.unlink()
    gone = later(store, tmp_path, timedelta(minutes=6)).verify()
    assert "entry 1 is of 20" in gone.doubts[0]
    written = later(store, tmp_path, timedelta(days=9))
    written.write()
    after = written.verify()
    assert after.is_sound
    assert "the first to vouch for entry 1 of 20" in after.notes[0]


async def test_check_points_of_a_key_that_was_put_in_its_place_are_in_doubt(
    store: Store, anchor: Anchor, tmp_path: Path
) -> None:
    await acts(store, 3)
    anchor.write()
    (tmp_path / "keys" / "audit.pem").unlink()
    other = Anchor(store, AuditSettings(), tmp_path)
    other.write()
    found = other.verify()
    assert (found.is_whole, found.anchored, found.is_sound) == (True, 3, False)
    assert "not trusted" in found.doubts[0]
    former = json.loads(anchor.file.read_text(encoding="utf-8").splitlines()[0])["key"]
    trusting = Anchor(store, AuditSettings(trusted=(former,)), tmp_path)
    assert trusting.verify().is_sound


async def test_a_torn_line_costs_itself_alone(store: Store, anchor: Anchor) -> None:
    """Power went while it was written."""
    await acts(store, 2)
    anchor.write()
    whole = anchor.file.read_text(encoding="utf-8")
    anchor.file.write_text(whole + whole[:40], encoding="utf-8")
    await acts(store, 1)
    assert anchor.write() is not None
    found = anchor.verify()
    assert (found.anchored, found.checkpoints, found.is_sound) == (3, 2, True)
    assert len(found.notes) == 1


DEEP = "[" * 100_000
VANDALS = {
    **{
        f"the column {name}": f"UPDATE audit SET {name} = 'another' WHERE seq = 4"
        for name in ("at", "actor", "action", "object", "entry", "hash")
    },
    **{
        f"no text in {name}": f"UPDATE audit SET {name} = x'00ff' WHERE seq = 4"
        for name in ("at", "actor", "action", "object", "entry", "hash")
    },
    "no UTF-8": "UPDATE audit SET entry = cast(x'7bff7d' AS text) WHERE seq = 4",
    "a number": "UPDATE audit SET entry = 4 WHERE seq = 4",
    "half a character": r"""UPDATE audit SET entry = '{"a":"\ud800"}' WHERE seq = 4""",
    "deep": f"UPDATE audit SET entry = '{DEEP}' WHERE seq = 4",
    "another number": "UPDATE audit SET seq = 99 WHERE seq = 4",
    "half a number": "UPDATE audit SET seq = 4.5 WHERE seq = 4",
    "a word for a number": "UPDATE audit SET seq = 'four' WHERE seq = 4",
    "gone": "DELETE FROM audit WHERE seq = 4",
    "the end": "DELETE FROM audit WHERE seq >= 4",
    "exchanged": "UPDATE audit SET entry = (SELECT entry FROM audit WHERE seq = 5) WHERE seq = 4",
}


@pytest.mark.parametrize("statement", VANDALS.values(), ids=VANDALS)
async def test_whatever_is_written_over_an_entry_the_entry_is_named(
    store: Store, anchor: Anchor, statement: str
) -> None:
    await acts(store, 6)
    anchor.write()
    await store.writing(lambda c: c.execute(text(statement)).rowcount)
    broken = anchor.verify().broken
    assert broken is not None
    assert broken.seq == 4
    shown = await store.reading(lambda c: entries(c, before=None, limit=10))
    assert json.dumps([entry for _, entry, _ in shown], ensure_ascii=False).encode()


async def test_another_record_in_the_same_file_does_not_keep_this_one_from_being_anchored(
    store: Store, anchor: Anchor, tmp_path: Path
) -> None:
    other = Store(tmp_path / "other.db")
    try:
        await acts(other, 9)
        Anchor(other, AuditSettings(), tmp_path).write()
        await acts(store, 2)
        assert anchor.unanchored() == 2
        assert anchor.write() is not None
        assert anchor.unanchored() == 0
    finally:
        other.close()


@pytest.mark.parametrize(
    "line", ['{"count": 1e999}', '{"count": 99}', "rubbish", "[" * 3000, '{"count": "many"}']
)
async def test_a_line_that_nobody_signed_anchors_nothing(
    store: Store, anchor: Anchor, line: str
) -> None:
    await acts(store, 2)
    anchor.file.write_text(line + "\n", encoding="utf-8")
    assert anchor.unanchored() == 2
    assert anchor.write() is not None
    assert anchor.unanchored() == 0


async def test_many_writers_leave_the_check_points_in_order(
    store: Store, anchor: Anchor, tmp_path: Path
) -> None:
    writers = [Anchor(store, AuditSettings(), tmp_path) for _ in range(4)]
    for _ in range(10):
        await acts(store, 1)
        await asyncio.gather(*(asyncio.to_thread(writer.write) for writer in writers))
    found = anchor.verify()
    assert found.is_whole
    assert found.notes == ()
    assert found.checkpoints == 10

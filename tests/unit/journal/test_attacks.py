"""Races that somebody wins on purpose, or a slow machine by chance, on both databases."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import text

from api.callers import system_caller
from drorch.access.checkpoints import verdict
from drorch.access.policy import APPROVAL_WITHIN
from drorch.access.record import FIRST, Chain
from drorch.errors import CommandRejectedError, JournalConflictError
from drorch.journal.arrival import take_in
from drorch.journal.backup import back_up, restore
from drorch.journal.carrying import exported, read_file
from drorch.journal.ledger import entries
from drorch.journal.site_rules import SiteRules
from drorch.journal.store import Store
from drorch.journal.url import Place, place_of
from drorch.run import commands as cmd
from drorch.run import events as ev
from drorch.run.status import Mode, RunStatus
from tests.fakes.plans import plan, vm
from tests.fakes.script import T0
from tests.real.postgres import PostgresServer
from tests.unit.journal.places import execute
from tests.unit.journal.test_store import create, paused

CLAIMS = (("connector:sim", "101"),)
YES = cmd.ApproveRun(by="bruno", identity="person:bruno", digest="0" * 64)
ACT = system_caller("bruno").act("run.approve", "run/test-1")


async def awaiting(store: Store) -> str:
    def asked(run: str) -> Sequence[ev.Event]:
        return [
            ev.RunRequested(
                at=T0,
                run=run,
                plan=plan(vm("db")),
                mode=Mode.LIVE,
                by="anna",
                identity="person:anna",
                approve_by=T0 + APPROVAL_WITHIN,
            )
        ]

    return await store.create_run("test", Mode.LIVE, asked)


def ended(run: str) -> ev.RunEnded:
    del run
    return ev.RunEnded(at=T0 + timedelta(seconds=1), status=RunStatus.ABORTED)


async def test_an_approval_that_comes_after_the_end_takes_no_machine_for_ever(
    store: Store,
) -> None:
    """It was looked at while the run was open; meanwhile somebody has aborted it."""
    run = await awaiting(store)
    await store.append(run, [ended(run)], after=1)
    with pytest.raises(CommandRejectedError, match="has ended"):
        await store.submit_with_claims(run, YES, CLAIMS, ACT)
    other = await store.create_run("town", Mode.LIVE, lambda _: [], CLAIMS)
    assert other != run


@pytest.mark.parametrize("turn", range(10))
async def test_a_race_of_approval_and_end_leaves_no_claim_behind(store: Store, turn: int) -> None:
    run = await awaiting(store)
    await asyncio.gather(
        store.submit_with_claims(run, YES, CLAIMS, ACT),
        store.append(run, [ended(run)], after=1),
        return_exceptions=True,
    )
    assert await store.create_run(f"town{turn}", Mode.LIVE, lambda _: [], CLAIMS)


async def test_two_orchestrators_share_one_ceiling_of_stops(place: Place, store: Store) -> None:
    """Each has a connection of its own; counted apart, both would let the last one out."""
    other = Store(place)
    sites = [SiteRules(store), SiteRules(other)] * 15
    try:
        asked = await asyncio.gather(
            *(site.may_stop("test-1", str(n), 3) for n, site in enumerate(sites))
        )
    finally:
        other.close()
    assert asked.count("") == 3


async def test_what_is_taken_in_from_elsewhere_stands_in_the_record(
    tmp_path: Path, store: Store
) -> None:
    """It was asked for, and approved or not, under the rules of another place."""
    elsewhere = Store(place_of("sqlite", tmp_path / "elsewhere"))
    try:
        run = await awaiting(elsewhere)
        content = await exported(elsewhere, run, now=T0, version="1")
    finally:
        elsewhere.close()
    act = system_caller("anna").act("run.import", f"run/{run}", after={"carry_on": True})
    await take_in(store, read_file(content), carry_on=True, act=act)
    found = await store.reading(lambda c: entries(c, before=None, limit=10))
    assert [(entry["action"], entry["object"]) for _, entry, _ in found] == [
        ("run.import", f"run/{run}")
    ]


@pytest.mark.parametrize(
    "count", ["1e999", "-1e999", '"' + "9" * 5000 + '"', "[" * 900 + "]" * 900]
)
def test_a_spoiled_check_point_is_a_note_and_stops_nothing(count: str) -> None:
    line = f'{{"record":"","count":{count},"head":"","at":"","key":"","signature":""}}'
    empty = Chain(count=0, head=FIRST, hashes={}, times={}, broken=None)
    found = verdict(empty, [line], frozenset())
    assert len(found.notes) == 1
    assert found.is_whole


async def test_nobody_writes_on_behind_what_a_backup_does_not_know(store: Store) -> None:
    """An older state was put back under the living owner: what it goes on from is not there."""
    run = await create(store)
    await store.append(run, [paused(str(n)) for n in range(5)], after=1)
    gone = text("DELETE FROM events WHERE seq > 3")
    await store.writing(lambda c: c.execute(gone).close())
    with pytest.raises(JournalConflictError, match="older state"):
        await store.append(run, [paused("late")], after=6)
    assert len(await store.read(run)) == 3, "it is whole, and somebody may go on from it"
    await store.append(run, [paused("anew")], after=3)


async def test_who_drove_a_run_when_the_backup_was_made_has_lost_it(
    postgres_server: PostgresServer, tmp_path: Path
) -> None:
    place, put_back = (place_of(postgres_server.make(), tmp_path / name) for name in "ab")
    before = Store(place)
    run = await create(before)
    before.close()
    execute(place, f"INSERT INTO leases VALUES ('{run}', 3, 'living', 'here', 4e9)")
    back_up(place, tmp_path / "b.db")
    restore(tmp_path / "b.db", put_back)
    after = Store(put_back)
    with pytest.raises(JournalConflictError):
        await after.append(run, [paused("living")], after=1, epoch=3)
    free = text("SELECT count(*) FROM leases WHERE expires < 1 AND holder = ''")
    assert await after.reading(lambda c: c.execute(free).scalar()) == 1
    after.close()

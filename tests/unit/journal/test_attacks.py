"""Races that somebody wins on purpose, or a slow machine by chance, on both databases."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import timedelta

import pytest

from api.callers import system_caller
from drorch.access.policy import APPROVAL_WITHIN
from drorch.errors import CommandRejectedError
from drorch.journal.site_rules import SiteRules
from drorch.journal.store import Store
from drorch.journal.url import Place
from drorch.run import commands as cmd
from drorch.run import events as ev
from drorch.run.status import Mode, RunStatus
from tests.fakes.plans import plan, vm
from tests.fakes.script import T0

CLAIMS = (("connector:sim", "101"),)
YES = cmd.ApproveRun(by="bruno", identity="person:bruno", digest="0" * 64)
ACT = system_caller("bruno").act("run.approve", "run/town-1")


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

    return await store.create_run("town", Mode.LIVE, asked)


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
            *(site.may_stop("town-1", str(n), 3) for n, site in enumerate(sites))
        )
    finally:
        other.close()
    assert asked.count("") == 3

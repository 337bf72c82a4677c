"""Is it well: ready when it can do its work, and otherwise each reason with its way out."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Sequence

import httpx2
import pytest

from api.app import create_app
from api.bootstrap import ENGINE, Application
from api.health import RELEASED, ClockWatch, Health, runs_open
from api.presence import identity
from api.routes.desk import Desk
from drorch.access.principal import Act, Means, Principal
from drorch.access.roles import Role
from drorch.errors import JournalUnavailableError
from tests.api.desk import BASE


@pytest.fixture
async def living(application: Application) -> AsyncIterator[Application]:
    """Play the engine's part: its lock, and its row among the orchestrators."""
    lease = application.locks.take(ENGINE)
    assert lease is not None
    await application.nodes.appear(identity(application, "here:1"))
    yield application
    lease.let_go()


async def ready(application: Application) -> httpx2.Response:
    transport = httpx2.ASGITransport(create_app(application))
    async with httpx2.AsyncClient(transport=transport, base_url=BASE) as client:
        return await client.get("/readyz")


async def test_ready_lists_each_check(living: Application) -> None:
    answer = await ready(living)
    assert answer.status_code == 200
    told = answer.json()
    assert {c["check"]: c["ok"] for c in told["checks"]} == {
        "database": True,
        "engine": True,
        "clock": True,
    }
    assert [note.partition(":")[0] for note in told["notes"]] == [
        "the service runs open, without authentication"
    ]


async def test_it_does_not_run_open_once_there_is_a_token(living: Application) -> None:
    seen = []
    for is_open in (True, False):

        async def told(answer: bool = is_open) -> bool:
            return answer

        health = Health(Desk(living), notes=(runs_open(told),))
        seen.append(len((await health.readiness()).notes))
    assert seen == [1, 0]


async def test_a_halt_is_a_note(living: Application) -> None:
    by = Principal(id="1", name="root", role=Role.ADMIN, means=Means.SYSTEM)
    act = Act(by=by, action="halt", object="site")
    await living.site.halt("ransomware", act)
    found = await Health(Desk(living)).readiness()
    assert [note for note in found.notes if "halted" in note]
    assert not found.failing


async def test_what_the_orchestrator_says_of_itself_is_a_note(living: Application) -> None:
    await living.nodes.appear(identity(living, "here:1"), "town-1 was lost")
    assert (await ready(living)).json()["notes"][0] == "town-1 was lost"


async def test_alive_asks_no_database(application: Application, http: httpx2.AsyncClient) -> None:
    application.store.close()
    assert (await http.get("/healthz")).status_code == 200


async def test_without_an_engine_it_is_not_ready(http: httpx2.AsyncClient) -> None:
    answer = await http.get("/readyz")
    assert answer.status_code == 503
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["retry-after"]
    told = answer.json()
    assert told["code"] == "not-ready"
    assert [e["check"] for e in told["errors"]] == ["engine"]
    assert all(e["message"] and e["hint"] for e in told["errors"])


async def test_an_engine_that_lives_and_writes_nothing_is_not_well(
    living: Application, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours = living.store.backend.now
    monkeypatch.setattr(living.store.backend, "now", lambda line: ours(line) + 60)
    told = (await ready(living)).json()
    assert [e["check"] for e in told["errors"]] == ["engine"]
    silent = re.search(r"([\d.]+) s", told["errors"][0]["message"])
    assert silent is not None
    assert 60 <= float(silent[1]) < 120, "and what the test itself took"


async def test_all_that_fails_is_told_at_once(living: Application) -> None:
    living.store.close()
    answer = await ready(living)
    assert answer.status_code == 503
    assert "database" in [e["check"] for e in answer.json()["errors"]]


async def test_a_database_that_does_not_answer_is_given_up_on(
    living: Application, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("api.health._PATIENCE", 0.5)

    async def hang(_: str) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(living.nodes, "prove_writable", hang)
    async with asyncio.timeout(5):
        told = (await ready(living)).json()
    assert "database" in [e["check"] for e in told["errors"]]


async def test_the_disk_is_written_once_for_many_who_ask(
    living: Application, monkeypatch: pytest.MonkeyPatch
) -> None:
    writes = 0
    write = living.nodes.prove_writable

    async def counted(site: str) -> None:
        nonlocal writes
        writes += 1
        await write(site)

    monkeypatch.setattr(living.nodes, "prove_writable", counted)
    health = Health(Desk(living))
    for _ in range(5):
        found = await asyncio.gather(*(health.readiness() for _ in range(20)))
        assert all(not one.failing for one in found)
    assert writes == 1


async def test_a_failed_write_is_tried_again_at_once(
    living: Application, monkeypatch: pytest.MonkeyPatch
) -> None:
    full = True
    write = living.nodes.prove_writable

    async def sometimes(site: str) -> None:
        if full:
            raise JournalUnavailableError("disk full", hint="make room")
        await write(site)

    monkeypatch.setattr(living.nodes, "prove_writable", sometimes)
    health = Health(Desk(living))
    assert [v.check for v in (await health.readiness()).failing] == ["database"]
    full = False
    assert not (await health.readiness()).failing


async def test_notes_are_extended_and_one_that_fails_says_nothing(living: Application) -> None:
    async def open_to_all(_: Desk) -> Sequence[str]:
        return ["it runs open"]

    async def broken(_: Desk) -> Sequence[str]:
        raise JournalUnavailableError("no")

    health = Health(Desk(living), notes=(broken, open_to_all))
    assert list((await health.readiness()).notes) == ["it runs open"]


class Clocks:
    """Two clocks that a test moves."""

    def __init__(self) -> None:
        self.wall = RELEASED.timestamp() + 1e6
        self.steady = 100.0

    def go_on(self, seconds: float) -> None:
        self.wall += seconds
        self.steady += seconds


def test_a_jump_counts_for_a_minute() -> None:
    clocks = Clocks()
    watch = ClockWatch(lambda: clocks.wall, lambda: clocks.steady)
    clocks.go_on(3600)
    assert not watch.wrong()
    clocks.wall -= 30
    assert "-30 s" in watch.wrong()
    clocks.go_on(59)
    assert watch.wrong()
    clocks.go_on(2)
    assert not watch.wrong()


def test_small_corrections_are_no_jump() -> None:
    clocks = Clocks()
    watch = ClockWatch(lambda: clocks.wall, lambda: clocks.steady)
    for _ in range(50):
        clocks.wall += 0.5
        clocks.go_on(10)
        assert not watch.wrong()


def test_a_clock_from_before_the_release_is_wrong_for_as_long_as_it_is() -> None:
    clocks = Clocks()
    clocks.wall = 0.0
    watch = ClockWatch(lambda: clocks.wall, lambda: clocks.steady)
    clocks.go_on(7200)
    assert "1970" in watch.wrong()

"""The forecast of an open run: in its own JSON and its services', shared, and never in the way."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import Connection
from typing_extensions import override

from api.bootstrap import Application
from api.eta import EVERY, Forecaster
from drorch.engine.virtual import VirtualClock, run_virtually
from drorch.errors import JournalUnavailableError
from drorch.journal.store import Store
from drorch.run import commands as cmd
from drorch.run.status import Mode
from tests.api.desk import Caller, until
from tests.fakes.plans import vm
from tests.fakes.script import T0, Script

T = TypeVar("T")


async def test_a_live_run_and_its_services_have_an_eta(api: Caller, engine: Application) -> None:
    await api.store()
    run = await api.start()
    await api.asks(run, "san")

    async def look() -> Any:
        found = await api.get(f"/runs/{run}")
        return found if found["eta"] else None

    shown = await until(look)
    assert_ordered(shown["eta"])
    registry = shown["services"][0]
    assert_ordered(registry["eta"])
    basis = shown["eta_basis"]
    assert (basis["runs"], basis["answers"], basis["incomplete"]) == (0, 1, False)
    assert basis["critical_path"][:2] == ["san", "db"]
    listed = (await api.get("/services"))["items"][0]
    assert listed["eta"] == registry["eta"]
    again = await api.get(f"/runs/{run}")
    assert again["eta_basis"] == basis, "it was not made anew for the next who looks"
    await api.post(f"/runs/{run}/steps/san/approve", json={})
    over = await api.status(run, "succeeded")
    assert (over["eta"], over["eta_basis"], over["services"][0]["eta"]) == (None, None, None)


def assert_ordered(eta: Mapping[str, str]) -> None:
    p10, p50, p90 = (datetime.fromisoformat(eta[p]) for p in ("p10", "p50", "p90"))
    assert p10 <= p50 <= p90 < p10 + timedelta(hours=1)


async def test_an_earlier_run_teaches_the_next(api: Caller, engine: Application) -> None:
    await api.store()
    for earlier in range(2):
        run = await api.start()
        await api.asks(run, "san")

        async def look(run: str = run) -> Any:
            return (await api.get(f"/runs/{run}"))["eta_basis"]

        basis = await until(look)
        assert basis["runs"] == earlier
        assert (basis["learned"], basis["guessed"]) == ((3, 0) if earlier else (0, 3))
        await api.post(f"/runs/{run}/steps/san/approve", json={})
        await api.status(run, "succeeded")


async def test_a_run_that_touches_nothing_has_none(api: Caller, engine: Application) -> None:
    await api.store()
    for mode in ("dry-run", "simulate"):
        shown = await api.status(await api.start(mode), "succeeded", "failed")
        assert (shown["eta"], shown["eta_basis"]) == (None, None)
        assert [service["eta"] for service in shown["services"]] == [None]


# Who is asked often, and by many.


class Counted(Forecaster):
    """Counts how often a forecast is made, and makes it at once: virtual time knows no threads."""

    def __init__(self, takes: float = 0.0) -> None:
        super().__init__(_NO_STORE, VirtualClock(T0))
        self.made = 0
        self.takes = takes

    @override
    async def _make(self, kept: Any, state: Any) -> None:
        self.made += 1
        await asyncio.sleep(self.takes)
        kept.found = _found(self._clock.now())


_NO_STORE: Any = None


def _found(at: datetime) -> Any:
    return type("Found", (), {"at": at})()


def running(mode: Mode = Mode.LIVE) -> Script:
    return Script(vm("db"), mode=mode)


def test_a_forecast_is_made_every_few_seconds_however_many_ask() -> None:
    async def ask() -> Sequence[int]:
        forecaster, run, counts = Counted(), running(), []
        for _ in range(3):
            await asyncio.gather(*(forecaster.forecast(run.state) for _ in range(20)))
            counts.append(forecaster.made)
            await asyncio.sleep(EVERY / 2 + 0.1)
        return counts

    assert run_virtually(ask()) == [1, 1, 2]


def test_one_that_takes_long_is_not_waited_for_and_rests_longer() -> None:
    async def ask() -> None:
        forecaster, run = Counted(takes=2.0), running()
        loop = asyncio.get_running_loop()
        assert await forecaster.forecast(run.state) is None
        assert loop.time() < 1.0
        await asyncio.sleep(2.5)
        assert await forecaster.forecast(run.state) is not None
        await asyncio.sleep(2 * EVERY)
        assert await forecaster.forecast(run.state) is not None
        assert forecaster.made == 1
        await asyncio.sleep(2 * EVERY)
        assert await forecaster.forecast(run.state) is not None, "the last one, meanwhile"
        await asyncio.sleep(0.1)
        assert forecaster.made == 2
        await asyncio.sleep(2.0)

    run_virtually(ask())


def test_only_what_goes_on_is_forecast() -> None:
    async def ask() -> None:
        forecaster = Counted()
        aborting, imported = running(), running()
        aborting.send(cmd.Abort(by="anna"))
        imported.state.imported = True
        others = [running(Mode.SIMULATE), running(Mode.DRY_RUN), aborting, imported]
        assert [await forecaster.forecast(run.state) for run in others] == [None] * 4
        assert forecaster.made == 0

    run_virtually(ask())


class Unreadable(Store):
    """A store whose database does not answer."""

    @override
    async def reading(self, work: Callable[[Connection], T]) -> T:
        raise JournalUnavailableError("the database does not answer", hint="wait")


async def test_an_unreadable_journal_costs_the_forecast_and_nothing_else(
    application: Application, tmp_path: Path
) -> None:
    store = Unreadable(tmp_path / "other.db")
    assert await Forecaster(store, application.clock).forecast(running().state, 5.0) is None
    store.close()

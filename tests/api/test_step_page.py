"""The page of one step: evidence, attempts, what it unlocks, by hand, the hypervisor's own log."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import httpx2
import pytest

from api.bootstrap import Application
from connectors.simulated.faults import MachineFault
from connectors.simulated.server import Simulator
from drorch.errors import UnavailableError
from drorch.ports.connector import Order
from tests.api.desk import Caller
from tests.api.test_pages import HOSTILE, show

PLAN = """\
drorch: 1
plan: town
defaults: {connector: sim, retry: {attempts: 2, wait: 1s}}
groups: {base: {title: Base}}
steps:
  a: {vm: 101, group: base, verify: [{tcp: "127.0.0.1:1", name: front}], verify_timeout: 1s}
  b: {vm: 102, depends_on: [base]}
  c: {vm: 103, depends_on: [b]}
"""


async def stuck(api: Caller) -> str:
    await api.store(PLAN)
    run = await api.start()
    await api.asks(run, "a")
    return run


async def test_it_tells_what_was_asked_tried_and_what_waits(
    http: httpx2.AsyncClient, api: Caller, engine: Application
) -> None:
    run = await stuck(api)
    page = await show(http, f"/runs/{run}/steps/a")
    for words in (
        "host: 127.0.0.1, port: 1",
        "Each attempt with its times",
        "2 steps wait behind it, directly or not",
        "start 101 in its hypervisor's own interface",
        "the hypervisor says: running",
        "attempt.failed",
    ):
        assert words in page.words, words
    links = {a["href"] for a in page.all("a")}
    assert f"/runs/{run}/steps/b?mode=live-simulated" in links
    assert f"/runs/{run}/steps/c?mode=live-simulated" not in links, "not directly"
    behind = await show(http, f"/runs/{run}/steps/b")
    assert "base (1 of 1 missing)" in behind.words


async def test_the_numbers_of_attempts_are_those_of_the_journal(
    http: httpx2.AsyncClient, api: Caller, engine: Application, simulator: Simulator
) -> None:
    simulator.world.faults.inject("101", MachineFault.START_FAILS, None)
    run = await stuck(api)
    page = await show(http, f"/runs/{run}/steps/a")
    step = await api.get(f"/runs/{run}/steps/a")
    assert step["attempt"] == 2
    assert page.words.count(step["error"]) >= 3, "the card, and each attempt"


class Keeper:
    """A hypervisor's connector as far as its logs go."""

    def __init__(self, answer: Sequence[str] | Exception) -> None:
        self.answer = answer
        self.asked: list[Order] = []

    async def order_log(self, order: Order) -> Sequence[str]:
        self.asked.append(order)
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (["TASK OK", HOSTILE], HOSTILE),
        ([], "It has none, or keeps it no more."),
        (UnavailableError("nobody answers at pve1"), "nobody answers at pve1"),
    ],
)
async def test_the_hypervisor_is_asked_for_its_log_only_on_demand(
    application: Application,
    http: httpx2.AsyncClient,
    api: Caller,
    engine: Application,
    *,
    answer: Any,
    told: str,
) -> None:
    run = await stuck(api)
    plain = await show(http, f"/runs/{run}/steps/a")
    assert "show its log" not in plain.words, "the simulated hypervisor keeps none"
    keeper = Keeper(answer)
    application.connectors = {"sim": keeper}  # type: ignore[dict-item]
    offered = await show(http, f"/runs/{run}/steps/a")
    assert not keeper.asked
    ways = [a["href"] or "" for a in offered.all("a") if "log=true" in (a["href"] or "")]
    page = await show(http, ways[0].removesuffix("#task-log"))
    assert told in page.words
    assert not page.all("img")
    assert [order.handle for order in keeper.asked] == ["start-1"]

"""Both connectors to the simulator sort its faults and refusals, and stay within the budget."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime

import httpx2
import pytest

from connectors.simulated.connector import SimulatedConnector
from connectors.simulated.errors import translate
from connectors.simulated.faults import ApiFault, MachineFault
from connectors.simulated.fleet import build
from connectors.simulated.inprocess import InProcessConnector
from connectors.simulated.server import simulating
from connectors.simulated.world import World
from drorch.errors import (
    BusyError,
    ConnectorError,
    MachineNotFoundError,
    OutcomeUnknownError,
    ProtocolError,
    RefusedError,
    UnavailableError,
    UnreachableError,
)
from drorch.ports.connector import Connector, OrderStatus, Power, Sighting
from tests.fakes.permit import allowed
from tests.unit.simulated.virtual import in_virtual_time

FLEET = {
    "hosts": {"pve1": {"memory": "8G"}},
    "machines": [
        *({"id": number, "memory": "3G"} for number in range(1, 5)),
        {"id": 9, "memory": "0", "agent": False},
    ],
}


@pytest.fixture(params=["process", "in-process"])
async def pair(request: pytest.FixtureRequest) -> AsyncIterator[tuple[Connector, World]]:
    """A connector and the world behind it."""
    if request.param == "in-process":
        world = World(build(FLEET), chance=random.Random(1))
        here = InProcessConnector("sim", world, timeout=0.2)
        await here.open()
        yield here, world
        await here.close()
        return
    async with simulating(build(FLEET)) as simulator:
        connector = SimulatedConnector("sim", url=simulator.url, timeout=0.3)
        yield connector, simulator.world
        await connector.close()


async def test_an_injected_error_means_that_nothing_was_done(
    pair: tuple[Connector, World],
) -> None:
    connector, world = pair
    world.faults.disturb_calls(ApiFault.ERROR_RATE, 1.0)
    with pytest.raises(BusyError, match="machine 1"):
        await connector.start("1", permit=allowed)
    with pytest.raises(UnavailableError):
        await connector.look("1")
    assert [entry.result for entry in world.log] == ["error"]
    world.clear_faults()
    assert (await connector.look("1")).power is Power.OFF


async def test_a_call_without_an_answer(pair: tuple[Connector, World]) -> None:
    connector, world = pair
    world.faults.disturb_calls(ApiFault.TIMEOUT_RATE, 1.0)
    with pytest.raises(OutcomeUnknownError, match="machine 1"):
        await connector.start("1", permit=allowed)
    with pytest.raises(UnavailableError):
        await connector.survey()
    world.clear_faults()
    assert await connector.find_order("1", datetime.fromtimestamp(0, UTC)) is None


async def test_memory_that_lacks_is_a_refusal_and_a_finding(
    pair: tuple[Connector, World],
) -> None:
    connector, world = pair
    findings = await connector.examine(["1", "2"])
    assert findings == []
    findings = await connector.examine(["1", "2", "3"])
    assert [(f.severity, f.code) for f in findings] == [("error", "memory-short")]
    assert "pve1" in findings[0].message
    assert world.log == []
    for machine in ("1", "2"):
        await connector.start(machine, permit=allowed)
    with pytest.raises(RefusedError, match="not enough memory on pve1"):
        await connector.start("3", permit=allowed)
    survey = await connector.survey()
    assert survey.hosts["pve1"].memory_free == 2 * 2**30


async def test_a_start_that_fails_tells_its_reason(pair: tuple[Connector, World]) -> None:
    connector, world = pair
    world.faults.inject("1", MachineFault.START_FAILS, 1)
    order = await connector.start("1", permit=allowed)
    async with asyncio.timeout(5):
        while (outcome := await connector.outcome(order, "1")).status is OrderStatus.ACTIVE:
            await asyncio.sleep(0.01)
    assert outcome.status is OrderStatus.FAILED
    assert "start_fails" in outcome.detail
    assert outcome.hint


async def test_the_outcome_of_another_machines_order_is_unknown(
    pair: tuple[Connector, World],
) -> None:
    connector, _ = pair
    order = await connector.start("1", permit=allowed)
    assert (await connector.outcome(order, "2")).status is OrderStatus.UNKNOWN


async def test_agents_that_are_absent(pair: tuple[Connector, World]) -> None:
    connector, _ = pair
    assert "the machine is stopped" in (await connector.ping_agent("1")).evidence
    assert "none is installed" in (await connector.ping_agent("9")).evidence
    with pytest.raises(MachineNotFoundError):
        await connector.ping_agent("77")


async def test_a_survey_is_one_call_and_a_broken_reading_is_tried_once_more() -> None:
    async with simulating(build({"generate": {"count": 500, "hosts": 7}})) as simulator:
        connector = SimulatedConnector("sim", url=simulator.url)
        assert len((await connector.survey()).hosts) == 7
        assert await calls(simulator.url) == 1
        simulator.world.faults.disturb_calls(ApiFault.ERROR_RATE, 1.0, 1)
        assert len((await connector.survey()).machines) == 500
        assert await calls(simulator.url) == 3
        simulator.world.faults.disturb_calls(ApiFault.REPLY_LOST_RATE, 1.0)
        with pytest.raises(UnreachableError):
            await connector.survey()
        assert await calls(simulator.url) == 5
        await connector.close()


async def calls(url: str) -> int:
    async with httpx2.AsyncClient(trust_env=False) as client:
        total: int = (await client.get(f"{url}/stats")).json()["total"]["observing"]
        return total


async def test_changes_of_one_moment_are_pushed_together() -> None:
    world = World(build({"generate": {"count": 100, "first_id": 1}}))
    connector = InProcessConnector("sim", world)
    await connector.open()
    pushed: list[Sequence[Sighting]] = []
    connector.subscribe(pushed.append)
    for machine in world.machines:
        await connector.start(machine, permit=allowed)
    async with asyncio.timeout(5):
        while not (pushed and pushed[-1][-1].power is Power.RUNNING):
            await asyncio.sleep(0)
    assert len(pushed) <= 2
    assert {s.machine for s in pushed[-1]} == set(world.machines)
    await connector.close()
    await connector.stop("1", permit=allowed)
    await asyncio.sleep(0)
    assert len(pushed) <= 2


def test_latency_and_timeouts_pass_in_virtual_time() -> None:
    async def story() -> float:
        world = World(build({"latency": "20ms", "machines": [{"id": 1, "boot": "1h"}]}))
        connector = InProcessConnector("sim", world, timeout=10)
        world.faults.disturb_calls(ApiFault.TIMEOUT_RATE, 1.0, 1)
        with pytest.raises(OutcomeUnknownError):
            await connector.start("1", permit=allowed)
        order = await connector.start("1", permit=allowed)
        while (await connector.outcome(order, "1")).status is OrderStatus.ACTIVE:
            await asyncio.sleep(60)
        return world.clock()

    assert 3610 < in_virtual_time(story()) < 3700


REQUEST = httpx2.Request("GET", "http://127.0.0.1:1/")


@pytest.mark.parametrize(
    ("error", "reading", "order"),
    [
        (httpx2.ConnectError("refused"), UnreachableError, UnreachableError),
        (httpx2.ConnectTimeout("slow"), UnreachableError, UnreachableError),
        (httpx2.PoolTimeout("full"), UnreachableError, UnreachableError),
        (httpx2.ReadTimeout(""), UnreachableError, OutcomeUnknownError),
        (httpx2.ReadError("reset"), UnreachableError, OutcomeUnknownError),
        (httpx2.WriteError("reset"), UnreachableError, OutcomeUnknownError),
        (
            httpx2.RemoteProtocolError("Server disconnected without sending a response."),
            UnreachableError,
            OutcomeUnknownError,
        ),
        (
            httpx2.RemoteProtocolError(
                "peer closed connection without sending complete message body"
            ),
            UnreachableError,
            OutcomeUnknownError,
        ),
        (httpx2.RemoteProtocolError("illegal status line"), ProtocolError, ProtocolError),
        (ValueError("no JSON"), ProtocolError, ProtocolError),
        (KeyError("id"), ProtocolError, ProtocolError),
        (
            httpx2.HTTPStatusError("", request=REQUEST, response=httpx2.Response(500)),
            UnreachableError,
            BusyError,
        ),
        (
            httpx2.HTTPStatusError("", request=REQUEST, response=httpx2.Response(401)),
            ProtocolError,
            ProtocolError,
        ),
    ],
)
def test_each_error_is_sorted(
    error: Exception, reading: type[ConnectorError], order: type[ConnectorError]
) -> None:
    for ordered, expected in ((None, reading), ("7", order)):
        found = translate(error, url="http://127.0.0.1:1", ordered=ordered)
        assert type(found) is expected
        assert found.hint

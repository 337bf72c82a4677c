from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import TypeAlias

import pytest

from drorch.ports.connector import Connector, Order, OrderStatus, Outcome, Power, Sighting
from tests.proxmox.cluster import FakeCluster

Connect: TypeAlias = Callable[..., Awaitable[Connector]]


@pytest.fixture(scope="session")
def process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FakeCluster]:
    cluster = FakeCluster(tmp_path_factory.mktemp("fake-pve"))
    yield cluster
    cluster.stop()


@pytest.fixture
def fake(process: FakeCluster) -> FakeCluster:
    process.reset()
    return process


@pytest.fixture
async def connect(fake: FakeCluster) -> AsyncIterator[Connect]:
    opened: list[Connector] = []

    async def make(*endpoints: str, **changes: object) -> Connector:
        connector = fake.connector(*endpoints, **changes)
        await connector.open()
        opened.append(connector)
        return connector

    yield make
    for connector in opened:
        await connector.close()


async def becomes(connector: Connector, machine: str, power: Power) -> Sighting:
    """Wait until *machine* is seen with *power*."""
    seen = await connector.look(machine)
    async with asyncio.timeout(15):
        while seen.power is not power:
            seen = await connector.look(machine)
    return seen


async def ending(connector: Connector, order: Order, machine: str) -> Outcome:
    """Wait until *order* is no longer active."""
    outcome = await connector.outcome(order, machine)
    async with asyncio.timeout(15):
        while outcome.status is OrderStatus.ACTIVE:
            outcome = await connector.outcome(order, machine)
    return outcome

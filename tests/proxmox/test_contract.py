"""The contract of every connector, against our own fake of Proxmox VE."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
from typing_extensions import override

from drorch.ports.connector import Connector
from tests.contract.connector_contract import ConnectorContract, Feature, Site
from tests.proxmox.cluster import NODES, FakeCluster, ct, vm


class FakeSite(Site):
    def __init__(self, fake: FakeCluster) -> None:
        self.fake = fake
        self.connector = fake.connector("pve1", "pve2")
        self._stopped = itertools.count(101)
        self._running = itertools.count(201)

    @override
    async def another(self) -> Connector:
        return self.fake.connector("pve2")

    @override
    async def stopped_machine(self) -> str:
        return str(next(self._stopped))

    @override
    async def running_machine(self) -> str:
        return str(next(self._running))

    @override
    async def unicode_machine(self) -> tuple[str, str]:
        return "301", "città-è-qui"

    @override
    async def orders(self) -> int:
        return len(self.fake.orders())

    @override
    async def lose_next_reply(self) -> None:
        self.fake.do("fault", kind="lost", method="POST")

    @override
    async def break_network(self) -> None:
        for name in NODES:
            self.fake.do("endpoint", node=name, up=False)

    @override
    async def mend_network(self) -> None:
        for name in NODES:
            self.fake.do("endpoint", node=name, up=True)

    @override
    async def rubbish(self) -> Connector:
        self.fake.do("fault", kind="raw", body="<html>welcome</html>", times=1000)
        return self.fake.connector()


class TestProxmox(ConnectorContract):
    features = frozenset(
        {
            Feature.TASKS,
            Feature.ORDER_LOG,
            Feature.LOOKS_FIRST,
            Feature.LOST_REPLIES,
            Feature.NETWORK,
            Feature.RUBBISH,
            Feature.AGENT,
            Feature.UNICODE,
        }
    )
    resolution = timedelta(seconds=6)  # whole seconds, and 5 s between two nodes

    @pytest.fixture
    async def site(self, fake: FakeCluster) -> AsyncIterator[Site]:
        guests = [
            *(vm(number, node=f"pve{number % 2 + 1}") for number in (101, 102, 103)),
            *(vm(number, node=f"pve{number % 2 + 1}", running=True) for number in (201, 202)),
            ct(104),
            ct(203, running=True),
            {"vmid": 301, "name": "città-è-qui"},
        ]
        fake.reset(*guests)
        site = FakeSite(fake)
        await site.connector.open()
        yield site
        await site.connector.close()

"""The connector that docs/write-a-connector.md explains keeps the contract of connectors."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from typing_extensions import override

from docs.examples.tinyvm import factory
from drorch.errors import ConfigurationError
from drorch.ports.connector import Connector, Power
from tests.contract.connector_contract import ConnectorContract, Feature, Site
from tests.fakes.permit import allowed
from tests.repo.tiny_server import TinyServer


class TinySite(Site):
    """One TinyVM server, as a test gets it."""

    def __init__(self, server: TinyServer) -> None:
        self.server = server
        self.connector = self._connector()
        self._next = iter(range(1, 30))
        self._babel: asyncio.Server | None = None

    def _connector(self) -> Connector:
        return factory("tiny", {"url": f"http://127.0.0.1:{self.server.port}"})

    @override
    async def another(self) -> Connector:
        return self._connector()

    @override
    async def stopped_machine(self) -> str:
        return str(next(self._next))

    @override
    async def running_machine(self) -> str:
        machine = await self.stopped_machine()
        await self.connector.start(machine, permit=allowed)
        async with asyncio.timeout(10):
            while (await self.connector.look(machine)).power is not Power.RUNNING:
                await asyncio.sleep(0.01)
        return machine

    @override
    async def unicode_machine(self) -> tuple[str, str]:
        return "99", "àncora-Ω"

    @override
    async def orders(self) -> int:
        return len(self.server.orders)

    @override
    async def break_network(self) -> None:
        await self.server.stop()

    @override
    async def mend_network(self) -> None:
        await self.server.start()

    @override
    async def rubbish(self) -> Connector:
        self._babel = await asyncio.start_server(_babble, "127.0.0.1", 0)
        port = self._babel.sockets[0].getsockname()[1]
        return factory("babel", {"url": f"http://127.0.0.1:{port}"})

    async def aclose(self) -> None:
        await self.connector.close()
        await self.server.stop()
        if self._babel is not None:
            self._babel.close()


async def _babble(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")
    writer.write(b"\x16\x03\x01 what is this \xff\r\n\r\n")
    await writer.drain()
    writer.close()


class TestTinyVM(ConnectorContract):
    features = frozenset({Feature.ORDER_LOG, Feature.NETWORK, Feature.RUBBISH, Feature.UNICODE})

    @pytest.fixture
    async def site(self) -> AsyncIterator[Site]:
        server = TinyServer()
        await server.start()
        site = TinySite(server)
        await site.connector.open()
        yield site
        await site.aclose()


def test_a_wrong_key_is_named() -> None:
    with pytest.raises(ConfigurationError, match="adress"):
        factory("tiny", {"adress": "http://127.0.0.1:1"})

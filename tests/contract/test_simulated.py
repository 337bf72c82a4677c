"""The simulator, as a process and in-process, keeps the contract of connectors."""

from __future__ import annotations

import asyncio
import json
import random
import socket
import sys
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import httpx2
import pytest
from typing_extensions import override

from connectors.simulated import factory
from connectors.simulated.connector import SimulatedConnector
from connectors.simulated.faults import ApiFault
from connectors.simulated.fleet import build
from connectors.simulated.inprocess import InProcessConnector
from connectors.simulated.machine import Result
from connectors.simulated.world import World
from drorch.errors import OutcomeUnknownError, ProtocolError, UnavailableError
from drorch.ports.connector import Connector, Power
from tests.contract.connector_contract import ConnectorContract, Feature, Site
from tests.fakes.permit import allowed

ROOT = Path(__file__).parents[2]
SLOW, UNICODE = "50", "60"
FLEET = {
    "hosts": {"pve1": {"memory": "64G", "boot_slots": 4}, "pve2": {}},
    "machines": [
        *({"id": n, "name": f"vm{n}", "boot": "50ms", "app": "10ms"} for n in range(1, 20)),
        {"id": 50, "name": "slow", "boot": "1500ms"},
        {"id": 60, "name": "àncora-Ω", "boot": "0s"},
    ],
}


class SimulatedSite(Site):
    """Hands out machines of `FLEET`; subclasses know how to reach them."""

    def __init__(self, connector: Connector) -> None:
        self.connector = connector
        self._next = iter(range(1, 20))

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
    async def slow_machine(self) -> str:
        return SLOW

    @override
    async def unicode_machine(self) -> tuple[str, str]:
        return UNICODE, "àncora-Ω"


class ProcessSite(SimulatedSite):
    def __init__(self, url: str) -> None:
        self.url = url
        super().__init__(factory("sim", {"url": url, "timeout": "5s"}))
        self._instruments = httpx2.AsyncClient(base_url=url, trust_env=False)
        self._dark = asyncio.Event()
        self._rubbish: list[asyncio.Server] = []

    @override
    async def another(self) -> Connector:
        return factory("again", {"url": self.url})

    @override
    async def orders(self) -> int:
        log = (await self._instruments.get("/log")).json()
        return sum(entry["result"] == "accepted" for entry in log)

    @override
    async def lose_next_reply(self) -> None:
        fault = {"kind": "reply_lost_rate", "rate": 1.0, "times": 1}
        (await self._instruments.post("/faults", json=fault)).raise_for_status()

    @override
    async def break_network(self) -> None:
        """Close the API's port for four seconds; the machines live on."""
        fault = {"kind": "down_for", "seconds": 4}
        (await self._instruments.post("/faults", json=fault)).raise_for_status()
        port = int(self.url.rsplit(":", 1)[1])
        async with asyncio.timeout(5):
            while await _accepts(port):
                await asyncio.sleep(0.005)

    @override
    async def mend_network(self) -> None:
        port = int(self.url.rsplit(":", 1)[1])
        async with asyncio.timeout(10):
            while not await _accepts(port):
                await asyncio.sleep(0.02)

    @override
    async def rubbish(self) -> Connector:
        server = await asyncio.start_server(_babble, "127.0.0.1", 0)
        self._rubbish.append(server)
        port = server.sockets[0].getsockname()[1]
        return SimulatedConnector("babel", url=f"http://127.0.0.1:{port}", timeout=3)

    async def aclose(self) -> None:
        await self.connector.close()
        await self._instruments.aclose()
        for server in self._rubbish:
            server.close()


async def _accepts(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.close()
    return True


async def _babble(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")
    writer.write(b"\x16\x03\x01 what is this \xff\r\n\r\n")
    await writer.drain()
    writer.close()


class TestProcess(ConnectorContract):
    features = frozenset(Feature) - {Feature.EVENTS, Feature.LOOKS_FIRST}

    @pytest.fixture
    async def site(self, tmp_path: Path) -> AsyncIterator[Site]:
        fleet = tmp_path / "fleet.yaml"
        fleet.write_text(json.dumps(FLEET))
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "connectors.simulated", "--fleet", str(fleet), "--port", "0",
            stdout=asyncio.subprocess.PIPE, cwd=ROOT,
        )  # fmt: skip
        assert process.stdout is not None
        line = (await asyncio.wait_for(process.stdout.readline(), 30)).decode()
        site = ProcessSite(line.split()[-1])
        await site.connector.open()
        try:
            yield site
        finally:
            await site.aclose()
            process.terminate()
            assert await asyncio.wait_for(process.wait(), 10) == 0

    async def test_an_answer_that_is_json_but_not_ours_is_rubbish(self) -> None:
        answers: Sequence[bytes] = (b"[]", b"null", b'{"machines": [{"id": 1}], "hosts": []}')
        for body in answers:
            await _answers_rubbish(body)


async def _answers_rubbish(body: bytes) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % len(body) + body)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    connector = SimulatedConnector("babel", url=f"http://127.0.0.1:{port}", timeout=3)
    try:
        for call in (connector.identify, connector.survey, lambda: connector.look("1")):
            with pytest.raises(ProtocolError):
                await call()
    finally:
        await connector.close()
        server.close()


class InProcessSite(SimulatedSite):
    def __init__(self, world: World) -> None:
        self.world = world
        self.here = InProcessConnector("sim", world)
        super().__init__(self.here)

    @override
    async def another(self) -> Connector:
        return InProcessConnector("again", self.world)

    @override
    async def orders(self) -> int:
        return sum(entry.result is Result.ACCEPTED for entry in self.world.log)

    @override
    async def lose_next_reply(self) -> None:
        self.world.faults.disturb_calls(ApiFault.REPLY_LOST_RATE, 1.0, 1)

    @override
    async def break_network(self) -> None:
        self.here.unreachable = True

    @override
    async def mend_network(self) -> None:
        self.here.unreachable = False


class TestInProcess(ConnectorContract):
    features = frozenset(Feature) - {Feature.RUBBISH, Feature.LOOKS_FIRST}

    @pytest.fixture
    async def site(self) -> AsyncIterator[Site]:
        world = World(build(FLEET), chance=random.Random(1))
        site = InProcessSite(world)
        await site.connector.open()
        yield site
        await site.connector.close()
        world.close()


async def test_a_silent_estate_is_reported_within_the_timeout() -> None:
    """A port that accepts and never answers: a reading and an order end differently."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        connector = SimulatedConnector("silent", url=url, timeout=0.3)
        try:
            async with asyncio.timeout(5):
                with pytest.raises(UnavailableError):
                    await connector.survey()
                with pytest.raises(OutcomeUnknownError):
                    await connector.start("1", permit=allowed)
        finally:
            await connector.close()


def test_declaring_a_feature_brings_its_tests() -> None:
    """Without this, a mistake in the suite would quietly collect less."""

    class Bare(ConnectorContract):
        features = frozenset()

    class Full(Bare):
        features = frozenset(Feature)

    bare, full = ({n for n in dir(c) if n.startswith("test_") and getattr(c, n)}
                  for c in (Bare, Full))  # fmt: skip
    assert len(full - bare) >= len(Feature)
    assert full == {name for name in vars(ConnectorContract) if name.startswith("test_")}
    assert {"test_rubbish_is_called_rubbish", "test_an_order_is_found_again"} <= full - bare

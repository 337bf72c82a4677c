"""A hundred and forty machines on libvirt's test driver: calls, not machines, are counted."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from connectors.libvirt.connection import Link
from connectors.libvirt.connector import LibvirtConnector
from connectors.libvirt.settings import parse_settings
from drorch.ports.connector import Power, Sighting
from tests.fakes.permit import allowed
from tests.lab.waiting import until
from tests.lab_gate import need_module

pytestmark = pytest.mark.lab

_COUNT = 140
_NODE = (
    "<node><cpu><mhz>2600</mhz><model>i986</model><active>64</active><nodes>2</nodes>"
    "<sockets>2</sockets><cores>16</cores><threads>1</threads><mem>536870912</mem></cpu>{}</node>"
)
_DOMAIN = (
    "<domain type='test'><name>vm{0:03d}</name><memory unit='MiB'>2048</memory>"
    "<os><type>hvm</type></os></domain>"
)


class CountingHandle:
    """A libvirt connection that counts what is asked of it."""

    def __init__(self, handle: Any) -> None:
        self._handle = handle
        self.calls: list[str] = []

    def __getattr__(self, name: str) -> Any:
        self.calls.append(name)
        return getattr(self._handle, name)


@pytest.fixture
async def connector(tmp_path: Path) -> AsyncIterator[LibvirtConnector]:
    need_module("libvirt", why="libvirt's test driver", install="pip install libvirt-python")
    inventory = tmp_path / "node.xml"
    inventory.write_text(_NODE.format("".join(_DOMAIN.format(i) for i in range(_COUNT))))
    connector = LibvirtConnector("scale", parse_settings("scale", {"uri": f"test://{inventory}"}))
    await connector.open()
    yield connector
    await connector.close()


async def test_one_survey_is_three_calls_whatever_the_number(connector: LibvirtConnector) -> None:
    began = time.monotonic()
    assert len((await connector.survey()).machines) == _COUNT
    print(f"first survey {1000 * (time.monotonic() - began):.1f} ms")
    link = connector._connection.link()
    counting = CountingHandle(link.handle)
    connector._connection._link = Link(counting, link.host, None)
    began = time.monotonic()
    survey = await connector.survey()
    print(f"survey {1000 * (time.monotonic() - began):.1f} ms, {counting.calls}")
    connector._connection._link = link
    counting.calls.remove("isAlive")  # a local question
    # The test driver has no memory statistics: there the host's size is a call of its own.
    assert counting.calls == ["listAllDomains", "getMemoryStats", "getInfo", "getAllDomainStats"]
    assert len(survey.machines) == _COUNT


async def test_a_hundred_and_forty_stops_and_starts_and_their_events(
    connector: LibvirtConnector,
) -> None:
    seen: list[Sighting] = []
    connector.subscribe(seen.extend)
    machines = list((await connector.survey()).machines)
    began = time.monotonic()
    await asyncio.gather(*(connector.stop(machine, permit=allowed) for machine in machines))
    assert {s.power for s in (await connector.survey()).machines.values()} == {Power.OFF}
    await asyncio.gather(*(connector.start(machine, permit=allowed) for machine in machines))
    assert {s.power for s in (await connector.survey()).machines.values()} == {Power.RUNNING}
    print(f"280 orders {1000 * (time.monotonic() - began):.0f} ms")

    async def all_told() -> bool:
        return {(s.machine, s.power) for s in seen} == {
            (machine, power) for machine in machines for power in (Power.OFF, Power.RUNNING)
        }

    await until(all_told, within=20, what="an event for every change")

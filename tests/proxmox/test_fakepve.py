"""Behaviour over real TLS against the PyPI package ``fakepve``, as a process of its own.

It is right about tasks, locks and HA's first steps; where it departs from genuine clusters our
own fake is used instead (``fake_pve``).
"""

from __future__ import annotations

import itertools
import json
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from typing_extensions import override

from connectors.proxmox import factory
from connectors.proxmox.connector import ProxmoxConnector
from connectors.proxmox.settings import read_settings
from drorch.errors import BusyError, HostUnavailableError, NoQuorumError, RefusedError
from drorch.ports.connector import Connector, OrderStatus, Power
from tests.contract.connector_contract import ConnectorContract, Feature, Site
from tests.fakes.permit import allowed
from tests.lab_gate import need_module
from tests.proxmox.certificates import Certificate, make_certificate
from tests.proxmox.cluster import RIGHTS, SECRET, TOKEN
from tests.proxmox.conftest import becomes, ending

PROGRAM = Path(__file__).with_name("fakepve_process.py")


class FakePvePackage:
    """One process of the package."""

    def __init__(self, made: Certificate, secret: Path, guests: list[dict[str, Any]]) -> None:
        self.made = made
        self.secret = secret
        start = {
            "cert": str(made.cert), "key": str(made.key), "token": TOKEN, "secret": SECRET,
            "rights": RIGHTS, "guests": guests,
        }  # fmt: skip
        self._process = subprocess.Popen(
            [sys.executable, str(PROGRAM), json.dumps(start)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.port = json.loads(self._read())["port"]

    def do(self, action: str, **values: Any) -> Any:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"do": action, **values}) + "\n")
        self._process.stdin.flush()
        return json.loads(self._read())

    def stop(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(10)

    def table(self) -> dict[str, Any]:
        return {
            "endpoints": [f"127.0.0.1:{self.port}"],
            "token_id": TOKEN,
            "token_secret": {"file": str(self.secret)},
            "fingerprint": self.made.fingerprint,
        }

    def connector(self) -> Connector:
        """Return a connector that does not hold back, so that tests are quick."""
        return ProxmoxConnector("pve", read_settings("pve", self.table()), observing_calls=100)

    def _read(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline()


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return make_certificate(tmp_path_factory.mktemp("fakepve"), "pve1")


@pytest.fixture
def package(made: Certificate, tmp_path: Path) -> Iterator[FakePvePackage]:
    need_module("fakepve", why="a fake Proxmox VE", install="make setup")
    secret = tmp_path / "token"
    secret.write_text(SECRET)
    guests = [
        *(_guest(number, start_secs=0.1) for number in (101, 102, 103)),
        *(_guest(number, status="running") for number in (201, 202)),
        _guest(110, start_secs=60),
        _guest(111, lock="backup"),
        _guest(112, template=True),
        _guest(113, ha_state="stopped"),
        _guest(114, node="pve2"),
        {"vmid": 120, "name": "ct120", "kind": "lxc"},
        {"vmid": 301, "name": "città-è-qui"},
    ]
    process = FakePvePackage(made, secret, guests)
    yield process
    process.stop()


def _guest(vmid: int, **values: Any) -> dict[str, Any]:
    return {"vmid": vmid, "name": f"vm{vmid}"} | values


@pytest.fixture
async def connector(package: FakePvePackage) -> AsyncIterator[Connector]:
    connector = factory("pve", package.table())
    await connector.open()
    yield connector
    await connector.close()


class PackageSite(Site):
    def __init__(self, package: FakePvePackage) -> None:
        self.package = package
        self.connector = package.connector()
        self._stopped = itertools.count(101)
        self._running = itertools.count(201)

    @override
    async def another(self) -> Connector:
        return self.package.connector()

    @override
    async def stopped_machine(self) -> str:
        return str(next(self._stopped))

    @override
    async def running_machine(self) -> str:
        machine = next(self._running)
        self.package.do("guest", vmid=machine, values={"agent": {}})
        return str(machine)

    @override
    async def unicode_machine(self) -> tuple[str, str]:
        return "301", "città-è-qui"

    @override
    async def orders(self) -> int:
        seen = self.package.do("requests")
        return sum(method == "POST" and "/status/" in path for method, path in seen)


class TestFakePve(ConnectorContract):
    features = frozenset({Feature.TASKS, Feature.ORDER_LOG, Feature.AGENT, Feature.UNICODE})
    resolution = timedelta(seconds=6)

    @pytest.fixture
    async def site(self, package: FakePvePackage) -> AsyncIterator[Site]:
        site = PackageSite(package)
        await site.connector.open()
        yield site
        await site.connector.close()


async def test_a_start_is_active_until_its_task_ends(connector: Connector) -> None:
    order = await connector.start("110", permit=allowed)
    assert (await connector.outcome(order, "110")).status is OrderStatus.ACTIVE
    assert (await connector.start("110", permit=allowed)).already


async def test_locked_template_and_quorum(package: FakePvePackage, connector: Connector) -> None:
    with pytest.raises(BusyError, match="backup"):
        await connector.start("111", permit=allowed)
    with pytest.raises(RefusedError, match="template"):
        await connector.start("112", permit=allowed)
    package.do("lose_quorum")
    package.do("guest", vmid=101, values={})
    with pytest.raises(NoQuorumError):
        await connector.start("101", permit=allowed)


async def test_quorum_lost_after_the_last_look(
    package: FakePvePackage, connector: Connector
) -> None:
    await connector.survey()
    package.do("lose_quorum")
    with pytest.raises(NoQuorumError, match="cluster not ready"):
        await connector.start("101", permit=allowed)


async def test_an_ha_guest_is_waited_for(connector: Connector) -> None:
    order = await connector.start("113", permit=allowed)
    assert ":hastart:113:" in order.handle
    assert (await ending(connector, order, "113")).status is OrderStatus.DONE
    await becomes(connector, "113", Power.RUNNING)


async def test_a_node_goes_dark_and_comes_back(
    package: FakePvePackage, connector: Connector
) -> None:
    assert (await connector.survey()).machines["114"].power is Power.OFF
    package.do("set_node_offline", args=["pve2"])
    with pytest.raises(HostUnavailableError, match="pve2"):
        await connector.start("114", permit=allowed)
    assert (await connector.survey()).machines["114"].power is Power.UNKNOWN
    package.do("set_node_offline", kwargs={"node": "pve2", "offline": False})
    await becomes(connector, "114", Power.OFF)
    await connector.start("114", permit=allowed)
    await becomes(connector, "114", Power.RUNNING)


async def test_a_start_that_fails_tells_why(package: FakePvePackage, connector: Connector) -> None:
    told = "volume 'local:101/vm-101-disk-0.raw' does not exist"
    package.do("guest", vmid=101, values={"start_error": told})
    outcome = await ending(connector, await connector.start("101", permit=allowed), "101")
    assert outcome.status is OrderStatus.FAILED
    assert told in outcome.detail


async def test_containers(connector: Connector) -> None:
    await connector.start("120", permit=allowed)
    await becomes(connector, "120", Power.RUNNING)
    assert (await connector.start("120", permit=allowed)).already
    await connector.stop("120", permit=allowed)
    await becomes(connector, "120", Power.OFF)

"""The connector contract on libvirt's test driver and on real QEMU processes."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.contract.connector_contract import ConnectorContract
from tests.contract.site import Feature, Site
from tests.lab.libvirtd import LabLibvirtd
from tests.lab.proxy import LibvirtProxy
from tests.lab.sites import DriverSite, QemuSite
from tests.lab_gate import need_module

pytestmark = pytest.mark.lab


class TestDriver(ConnectorContract):
    """Everything at once and nothing fails: the connector's plumbing alone."""

    features = frozenset({Feature.EVENTS, Feature.LOOKS_FIRST, Feature.UNICODE})

    @pytest.fixture
    async def site(self) -> AsyncIterator[Site]:
        need_module("libvirt", why="libvirt's test driver", install="pip install libvirt-python")
        site = DriverSite()
        await site.connector.open()
        yield site
        await site.connector.close()
        site.clear()


class TestQemu(ConnectorContract):
    """Real QEMU processes under a real libvirtd that is killed and cut off."""

    features = frozenset(
        {
            Feature.EVENTS,
            Feature.LOOKS_FIRST,
            Feature.LOST_REPLIES,
            Feature.NETWORK,
            Feature.ORDER_LOG,
            Feature.RUBBISH,
            Feature.UNICODE,
        }
    )
    patience = 60.0

    @pytest.fixture
    async def site(self, lab_libvirtd: LabLibvirtd) -> AsyncIterator[Site]:
        proxy = LibvirtProxy(lab_libvirtd.socket, lab_libvirtd.folder / "proxy")
        await proxy.start()
        site = QemuSite(lab_libvirtd, proxy)
        await site.connector.open()
        yield site
        await site.connector.close()
        site.clear()
        await proxy.close()

"""Libvirt estates for the connector contract: the in-process test driver and real QEMU."""

from __future__ import annotations

import itertools
import re
from contextlib import ExitStack, suppress
from typing import Any

from typing_extensions import override

from connectors.libvirt import factory
from connectors.libvirt.binding import library
from connectors.libvirt.events import start_event_loop
from drorch.ports.connector import Connector
from tests.contract.site import Site
from tests.lab.libvirtd import LabLibvirtd
from tests.lab.proxy import LibvirtProxy

_UNICODE = "è-Città-ü"
_NUMBERS = itertools.count(1)
_TEST_URI = "test:///default"
_LOG_OF_QEMU = re.compile(r"starting up libvirt version|shutting down, reason=")
_OTHER_WRITES = re.compile(
    r"debug : virDomain(?:Define|Undefine|Suspend|Resume|Reboot|Reset|Shutdown|Save|ManagedSave|Set|Attach|Detach|Snapshot)\w*:"
)


def blank_xml(kind: str, name: str) -> str:
    """Describe a machine without an operating system: power is all that it has."""
    emulator = "<emulator>/usr/bin/qemu-system-x86_64</emulator>" if kind == "qemu" else ""
    return f"""
<domain type='{kind}'>
  <name>{name}</name>
  <memory unit='MiB'>16</memory>
  <vcpu>1</vcpu>
  <os><type{" arch='x86_64' machine='pc'" if kind == "qemu" else ""}>hvm</type></os>
  <devices>
    {emulator}
    <memballoon model='none'/><controller type='usb' model='none'/><video><model type='none'/></video>
  </devices>
</domain>"""


class LibvirtSite(Site):
    """Machines are defined as they are asked for, by a connection of the site's own."""

    kind = "test"

    def __init__(self, settings: dict[str, Any]) -> None:
        self._settings = {key: value for key, value in settings.items() if key != "type"}
        self.connector = factory("under-test", self._settings)

    @override
    async def another(self) -> Connector:
        return factory("another", self._settings)

    @override
    async def stopped_machine(self) -> str:
        # Never the same twice in a session: QEMU's log of a machine begins anew at each start.
        name = f"m{next(_NUMBERS)}"
        self._define(name)
        return name

    @override
    async def running_machine(self) -> str:
        name = await self.stopped_machine()
        self._handle().lookupByName(name).create()
        return name

    @override
    async def unicode_machine(self) -> tuple[str, str]:
        self._define(_UNICODE)
        return _UNICODE, _UNICODE

    def _define(self, name: str) -> None:
        self._handle().defineXML(blank_xml(self.kind, name))

    def _handle(self) -> Any:
        raise NotImplementedError

    def clear(self) -> None:
        """Remove every machine that the site made."""
        for domain in self._handle().listAllDomains():
            if domain.name() == _UNICODE or re.fullmatch(r"m\d+", domain.name()):
                with suppress(library().libvirtError):
                    domain.destroy()  # refused when it is off already
                domain.undefine()


class DriverSite(LibvirtSite):
    """Libvirt's test driver inside this process; the site's connection keeps its state alive."""

    def __init__(self) -> None:
        libvirt = library()
        start_event_loop()
        self._keeper = libvirt.open(_TEST_URI)
        super().__init__({"uri": _TEST_URI})

    @override
    def _handle(self) -> Any:
        return self._keeper

    @override
    def clear(self) -> None:
        super().clear()
        self._keeper.close()


class QemuSite(LibvirtSite):
    """Real QEMU processes under the lab's libvirtd, reached through a proxy that can cut."""

    kind = "qemu"

    def __init__(self, daemon: LabLibvirtd, proxy: LibvirtProxy) -> None:
        self._daemon = daemon
        self._proxy = proxy
        self._stack = ExitStack()
        self._connection: Any = None
        super().__init__({"uri": daemon.uri_of(proxy.path)})

    @override
    def _handle(self) -> Any:
        if self._connection is None or not self._connection.isAlive():
            self._connection = self._stack.enter_context(self._daemon.connection())
        return self._connection

    @override
    async def orders(self) -> int:
        """Count what QEMU's own logs say, and other writes by libvirtd's own log."""
        logs = (self._daemon.folder / "cache/libvirt/qemu/log").glob("*.log")
        processes = sum(len(_LOG_OF_QEMU.findall(log.read_text(errors="replace"))) for log in logs)
        return processes + len(_OTHER_WRITES.findall(self._daemon.log()))

    @override
    async def lose_next_reply(self) -> None:
        self._proxy.lose_next_order_reply()

    @override
    async def break_network(self) -> None:
        self._daemon.kill()

    @override
    async def mend_network(self) -> None:
        self._daemon.start()

    @override
    async def rubbish(self) -> Connector:
        self._proxy.talk_rubbish()
        return factory("rubbish", self._settings)

    @override
    def clear(self) -> None:
        if not self._daemon.alive:
            self._daemon.start()
        super().clear()
        self._stack.close()

"""Eight tiny real guests in four waves, where a page is well only when what it needs is well."""

from __future__ import annotations

import os
import random
import shutil
import signal
import socket
import urllib.error
import urllib.request
import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.lab.guest.build import GuestImage
from tests.lab.libvirtd import LabLibvirtd
from tests.lab.waiting import wait_until

_HOST_AS_SEEN_BY_GUESTS = "10.0.2.2"
_BOOT_DEADLINE = 90.0
_KERNEL_WORDS = (
    "console=ttyS0 quiet panic=-1 mitigations=off tsc=reliable no_timer_check nokaslr "
    "cryptomgr.notests"
)
"""The second line saves a quarter of the boot under emulation."""


@dataclass(frozen=True, slots=True)
class GuestShape:
    """``delay`` is how many seconds the application takes after the network is up."""

    name: str
    needs: tuple[str, ...] = ()
    delay: int = 0


FLEET = (
    GuestShape("dns"),
    GuestShape("db", needs=("dns",), delay=3),
    GuestShape("ldap", needs=("dns",), delay=1),
    GuestShape("cache", needs=("dns",)),
    GuestShape("app1", needs=("db", "ldap"), delay=1),
    GuestShape("app2", needs=("db", "cache"), delay=1),
    GuestShape("backup", needs=("db",)),
    GuestShape("web", needs=("app1", "app2")),
)


class LabFleet:
    """The guests, defined on the lab's libvirtd and off at first; domain names are their names."""

    def __init__(
        self, daemon: LabLibvirtd, image: GuestImage, shapes: Iterable[GuestShape] = FLEET
    ) -> None:
        self.daemon = daemon
        self.shapes = {shape.name: shape for shape in shapes}
        self._kernel = daemon.adopt(image.kernel)
        self._initramfs = daemon.adopt(image.initramfs)
        self.ports = dict(zip(self.shapes, _free_ports(len(self.shapes)), strict=True))
        self._failing: set[str] = set()
        self._saved: dict[str, Path] = {}
        for name in self.shapes:
            self.define(name)

    @property
    def settings(self) -> dict[str, Any]:
        """The connector's table, with ``type``."""
        return self.daemon.settings

    @property
    def machines(self) -> list[str]:
        """The ids for ``vm:`` in a plan, in an order that respects the dependencies."""
        return list(self.shapes)

    def needs(self, name: str) -> tuple[str, ...]:
        return self.shapes[name].needs

    def health_url(self, name: str) -> str:
        """Return the page that answers 200 when the application is well, else 503.

        A TCP connection to this port succeeds as soon as qemu runs: qemu accepts it itself.
        """
        return f"http://127.0.0.1:{self.ports[name]}/cgi-bin/healthz"

    def define(self, name: str, **changes: Any) -> None:
        """Define or redefine *name*; see `domain_xml` for the *changes*."""
        shape = self.shapes[name]
        needs = ",".join(f"{_HOST_AS_SEEN_BY_GUESTS}:{self.ports[need]}" for need in shape.needs)
        words = f"{_KERNEL_WORDS} role={name} delay={shape.delay} needs={needs}"
        values: dict[str, Any] = {
            "kernel": self._kernel,
            "initramfs": self._initramfs,
            "command_line": words + (" fail=1" if name in self._failing else ""),
            "port": self.ports[name],
            "serial": self.daemon.folder / "guests" / f"{name}.serial",
        }
        with self.daemon.connection() as connection:
            domain = connection.defineXML(domain_xml(name, **(values | changes)))
            self._forget_saved(domain)  # else its next start would resume the old definition

    def make_app_fail(self, name: str) -> None:
        """Let the application of *name* never get well, from its next start on."""
        self._failing.add(name)
        self.define(name)

    def make_app_well(self, name: str) -> None:
        """Undo `make_app_fail`, from the next start on."""
        self._failing.discard(name)
        self.define(name)

    def start(self, name: str) -> None:
        """Start *name* behind drorch's back."""
        with self.daemon.connection() as connection:
            connection.lookupByName(name).create()

    def destroy(self, name: str) -> None:
        """Pull the plug of *name* behind drorch's back."""
        with self.daemon.connection() as connection:
            connection.lookupByName(name).destroy()

    def is_running(self, name: str) -> bool:
        with self.daemon.connection() as connection:
            return bool(connection.lookupByName(name).isActive())

    def is_well(self, name: str) -> bool:
        """Tell whether the health page of *name* answers 200."""
        try:
            with urllib.request.urlopen(self.health_url(name), timeout=1) as answer:
                return bool(answer.status == 200)
        except (urllib.error.URLError, OSError):
            return False

    def wait_well(self, name: str) -> float:
        """Return the seconds until the health page of *name* answers 200."""
        return wait_until(
            lambda: self.is_well(name), within=_BOOT_DEADLINE, what=f"{name} to be well"
        )

    def kill_guest(self, name: str) -> None:
        """Kill the qemu process of *name* (SIGKILL), as the kernel does when memory runs out."""
        os.kill(self.daemon.guest_pid(name), signal.SIGKILL)

    def kill_libvirtd(self) -> None:
        self.daemon.kill()

    def restart_libvirtd(self) -> None:
        self.daemon.restart()

    def all_off(self) -> None:
        """Power everything off, as it was designed; start libvirtd if it is down."""
        if not self.daemon.alive:
            self.daemon.restart()
        with self.daemon.connection() as connection:
            for domain in connection.listAllDomains():
                if domain.isActive():
                    domain.destroy()
                self._forget_saved(domain)
        self._failing.clear()
        for name in self.machines:  # a test may have given one an impossible memory, or no kernel
            self.define(name)

    def fast_starts(self) -> None:
        """Let the next start of every guest resume a booted system: half a second, not five.

        The first call boots and saves all of them (half a minute). A page is still well only
        when what it needs is. Guests whose application fails boot in full.
        """
        self.all_off()
        if not self._saved:
            self._boot_and_save()
        for name, copy in self._saved.items():
            shutil.copyfile(copy, self.daemon.saved_state(name))

    def _forget_saved(self, domain: Any) -> None:
        if domain.isPersistent() and domain.hasManagedSaveImage():
            domain.managedSaveRemove()
        self.daemon.saved_state(domain.name()).unlink(missing_ok=True)

    def _boot_and_save(self) -> None:
        for name in self.machines:
            self.start(name)
        for name in self.machines:
            self.wait_well(name)
        for name in self.machines:
            with self.daemon.connection() as connection:
                connection.lookupByName(name).managedSave()
            self._saved[name] = self.daemon.folder / "guests" / f"{name}.saved"
            shutil.move(self.daemon.saved_state(name), self._saved[name])

    def serial(self, name: str) -> str:
        """Return what *name* wrote on its console, for a failing test's message."""
        path = self.daemon.folder / "guests" / f"{name}.serial"
        return path.read_text(errors="replace") if path.exists() else ""


def domain_xml(
    name: str,
    *,
    kernel: Path,
    initramfs: Path,
    command_line: str,
    port: int,
    serial: Path,
    memory_mib: int = 96,
    agent: bool = True,
    extra_devices: str = "",
) -> str:
    """Describe a guest that boots *kernel* directly and serves on loopback at *port*."""
    channel = (
        "<channel type='unix'><target type='virtio' name='org.qemu.guest_agent.0'/></channel>"
        if agent
        else ""
    )
    return f"""
<domain type='qemu' xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'>
  <name>{name}</name>
  <uuid>{domain_uuid(name)}</uuid>
  <memory unit='MiB'>{memory_mib}</memory>
  <vcpu>1</vcpu>
  <os>
    <type arch='x86_64' machine='pc'>hvm</type>
    <kernel>{kernel}</kernel>
    <initrd>{initramfs}</initrd>
    <cmdline>{command_line}</cmdline>
  </os>
  <features><acpi/></features>
  <on_poweroff>destroy</on_poweroff>
  <on_reboot>restart</on_reboot>
  <on_crash>destroy</on_crash>
  <devices>
    <emulator>/usr/bin/qemu-system-x86_64</emulator>
    <serial type='file'><source path='{serial}'/><target port='0'/></serial>
    {channel}
    <memballoon model='none'/>
    <controller type='usb' model='none'/>
    <video><model type='none'/></video>
    {extra_devices}
  </devices>
  <qemu:commandline>
    <qemu:arg value='-netdev'/>
    <qemu:arg value='user,id=n0,hostfwd=tcp:127.0.0.1:{port}-:80'/>
    <qemu:arg value='-device'/>
    <qemu:arg value='virtio-net-pci,netdev=n0,romfile=,addr=0x10'/>
  </qemu:commandline>
</domain>"""


def domain_uuid(name: str) -> str:
    """Return the id that *name* keeps whenever it is redefined."""
    return str(uuid.uuid5(uuid.NAMESPACE_DNS, f"{name}.guest.lab"))


def _free_ports(count: int) -> list[int]:
    """Pick ports below the ephemeral range, so that no client's own socket takes one meanwhile."""
    found: list[int] = []
    candidates = random.sample(range(20000, 32000), 500)
    for port in candidates:
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        found.append(port)
        if len(found) == count:
            return found
    raise AssertionError("no free ports on loopback")

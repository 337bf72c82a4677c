"""What would keep machines from starting, found without one write."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from connectors.libvirt import domains
from connectors.libvirt.binding import library
from connectors.libvirt.connection import Link
from connectors.libvirt.errors import Code, code_of, detail_of, is_connection_loss
from drorch.ports.connector import Finding, Power, Severity, Sighting, Survey

_AGENT_CHANNEL = "org.qemu.guest_agent.0"
_GIB = 1 << 30
_LOCAL_DISKS = {"file", "block"}
_SILENT = {Code.NO_SUPPORT, Code.OPERATION_UNSUPPORTED, Code.ARGUMENT_UNSUPPORTED}


@dataclass(frozen=True, slots=True)
class _Facts:
    """What is asked once for all machines."""

    survey: Survey
    saved: frozenset[str]
    transient: frozenset[str]
    networks: dict[str, bool]


def examine(link: Link, machines: Collection[str]) -> Sequence[Finding]:
    """Look at *machines*: about six calls, one more for each machine and disk."""
    binding = library()
    facts = _Facts(
        survey=domains.survey(link),
        saved=domains.names(link, binding.VIR_CONNECT_LIST_DOMAINS_MANAGEDSAVE),
        transient=domains.names(link, binding.VIR_CONNECT_LIST_DOMAINS_TRANSIENT),
        networks=_networks(link),
    )
    findings: list[Finding] = []
    to_start: list[Sighting] = []
    for machine in dict.fromkeys(machines):
        seen = facts.survey.machines.get(machine)
        if seen is None:
            findings.append(_missing(machine))
            continue
        findings += _about(link, seen, facts)
        if seen.power is Power.OFF:
            to_start.append(seen)
    return [*findings, *_memory(to_start, facts.survey)]


def _networks(link: Link) -> dict[str, bool]:
    """Return which of libvirt's networks are active; none where the driver has no networks."""
    try:
        return {net.name(): bool(net.isActive()) for net in link.handle.listAllNetworks(0)}
    except library().libvirtError as error:
        if is_connection_loss(error) or code_of(error) not in _SILENT:
            raise
        return {}


def _about(link: Link, seen: Sighting, facts: _Facts) -> Iterator[Finding]:
    yield from _state_of(seen, facts)
    domain = domains.domain_of(link, seen.machine)
    definition = ET.fromstring(domain.XMLDesc(0))  # noqa: S314 (our own hypervisor's)
    if not _has_agent(definition):
        yield _finding(
            Severity.INFO,
            "agent-channel-missing",
            seen,
            "has no guest agent channel, so an 'agent' check would never hold",
            "add the channel org.qemu.guest_agent.0 to its definition if a check needs it",
        )
    if seen.power is Power.OFF:
        yield from _networks_of(definition, seen, facts.networks)
        yield from _disks_of(domain, definition, seen)


def _state_of(seen: Sighting, facts: _Facts) -> Iterator[Finding]:
    if seen.problem is not None:
        yield _finding(Severity.ERROR, "machine-problem", seen, f"is {seen.problem}", seen.hint)
    if seen.lock is not None:
        yield _finding(
            Severity.WARNING, "locked", seen, f"is locked: {seen.lock}", "wait for its end"
        )
    if seen.autostart is not None:
        yield _finding(
            Severity.INFO,
            "autostart",
            seen,
            "may be started by libvirt itself when its host boots, in no particular order",
            f"let the plan decide alone: virsh autostart --disable {seen.name}",
        )
    if seen.name in facts.saved:
        yield _finding(
            Severity.INFO,
            "saved-state",
            seen,
            "has a saved memory state: a start resumes it instead of booting",
            f"for a fresh boot: virsh managedsave-remove {seen.name}",
        )
    if seen.name in facts.transient:
        yield _finding(
            Severity.WARNING,
            "machine-transient",
            seen,
            "is transient: once it is off, libvirt forgets it and nothing can start it",
            f"keep its definition: virsh dumpxml {seen.name} > f.xml; virsh define f.xml",
        )


def _has_agent(definition: ET.Element) -> bool:
    return any(
        target.get("name") == _AGENT_CHANNEL
        for target in definition.iterfind("devices/channel/target")
    )


def _networks_of(
    definition: ET.Element, seen: Sighting, networks: dict[str, bool]
) -> Iterator[Finding]:
    for source in definition.iterfind("devices/interface[@type='network']/source"):
        network = source.get("network", "")
        if network not in networks:
            yield _finding(
                Severity.ERROR,
                "network-missing",
                seen,
                f"wants the libvirt network {network!r}, which does not exist",
                "define it on the host: virsh net-define FILE",
            )
        elif not networks[network]:
            yield _finding(
                Severity.ERROR,
                "network-inactive",
                seen,
                f"wants the libvirt network {network!r}, which is not active",
                f"on the host: virsh net-start {network}; virsh net-autostart {network}",
            )


def _disks_of(domain: Any, definition: ET.Element, seen: Sighting) -> Iterator[Finding]:
    for disk in definition.iterfind("devices/disk"):
        problem = _disk_problem(domain, disk)
        if problem is not None:
            yield _finding(
                Severity.ERROR,
                "disk-unreadable",
                seen,
                f"has a disk that the host cannot open: {problem}",
                "is its storage mounted on the host?",
            )


def _disk_problem(domain: Any, disk: ET.Element) -> str | None:
    source, target = disk.find("source"), disk.find("target")
    if disk.get("type") not in _LOCAL_DISKS or source is None or target is None:
        return None
    if source.get("startupPolicy") is not None:
        return None  # the machine starts without it
    try:
        domain.blockInfo(target.get("dev"), 0)
    except library().libvirtError as error:
        if is_connection_loss(error):
            raise
        return None if code_of(error) in _SILENT else detail_of(error)
    return None


def _memory(to_start: Sequence[Sighting], survey: Survey) -> Iterator[Finding]:
    for host in survey.hosts.values():
        wanted = sum(seen.memory or 0 for seen in to_start if seen.host == host.name)
        if host.memory_free is not None and wanted > host.memory_free:
            yield Finding(
                severity=Severity.WARNING,
                code="memory-short",
                message=f"the machines to start want {wanted / _GIB:.1f} GiB, {host.name} has "
                f"{host.memory_free / _GIB:.1f} GiB free",
                hint="free memory on the host, or leave machines out",
            )


def _missing(machine: str) -> Finding:
    return Finding(
        severity=Severity.ERROR,
        code="machine-missing",
        message=f"{machine} does not exist on this host",
        hint="list what exists: virsh list --all",
        machine=machine,
    )


def _finding(severity: Severity, code: str, seen: Sighting, words: str, hint: str) -> Finding:
    return Finding(
        severity=severity,
        code=code,
        message=f"{seen.name} {words}",
        hint=hint,
        machine=seen.machine,
    )

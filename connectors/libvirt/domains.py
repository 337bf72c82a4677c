"""Questions and orders about domains, as blocking calls on one link."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from connectors.libvirt.binding import agent_library, library
from connectors.libvirt.connection import Link
from connectors.libvirt.errors import Code, code_of, detail_of, is_connection_loss, not_found
from connectors.libvirt.readings import (
    MachinesByName,
    as_uuid,
    host_sighting,
    sighting,
)
from drorch.errors import BusyError, RefusedError
from drorch.ports.connector import (
    AgentAnswer,
    Estate,
    HostSighting,
    Power,
    Sighting,
    Survey,
)

_PING = '{"execute":"guest-ping"}'
_MIB_IN_KIB = 1024
ALIVE = frozenset({Power.RUNNING, Power.STARTING})


@dataclass(frozen=True, slots=True)
class Found:
    """A domain, the link it was found on and what it was doing then."""

    link: Link
    domain: Any
    seen: Sighting


def find(link: Link, machine: str) -> Found:
    """Look *machine* up by its name or UUID; three calls."""
    domain = domain_of(link, machine)
    ((_, statistics),) = link.handle.domainListGetStats([domain], _wanted(), _without_waiting())
    seen = sighting(domain.name(), statistics, host=link.host, autostart=bool(domain.autostart()))
    return Found(link, domain, seen)


def domain_of(link: Link, machine: str) -> Any:
    """Return libvirt's domain; a name wins over a UUID that looks the same."""
    if not machine or not machine.isprintable():
        raise not_found(machine)
    identity = as_uuid(machine)
    try:
        return link.handle.lookupByName(machine)
    except library().libvirtError as error:
        if identity is None or code_of(error) != Code.NO_DOMAIN:
            raise
        return link.handle.lookupByUUIDString(identity)


def survey(link: Link) -> Survey:
    """Read every domain and the host's memory; three calls whatever their number."""
    starts_by_itself = names(link, library().VIR_CONNECT_LIST_DOMAINS_AUTOSTART)
    host = host_memory(link)
    by_name: dict[str, Sighting] = {}
    names_by_uuid: dict[str, str] = {}
    for domain, statistics in link.handle.getAllDomainStats(_wanted(), _without_waiting()):
        name = domain.name()
        by_name[name] = sighting(
            name, statistics, host=link.host, autostart=name in starts_by_itself
        )
        names_by_uuid[domain.UUIDString()] = name
    return Survey(machines=MachinesByName(by_name, names_by_uuid), hosts={link.host: host})


def _wanted() -> int:
    binding = library()
    return int(binding.VIR_DOMAIN_STATS_STATE | binding.VIR_DOMAIN_STATS_BALLOON)


def _without_waiting() -> int:
    """One QEMU that hangs must not delay the reading of all the others."""
    return int(library().VIR_CONNECT_GET_ALL_DOMAINS_STATS_NOWAIT)


def names(link: Link, flag: int) -> frozenset[str]:
    """Return the names of the domains that libvirt lists under *flag*."""
    return frozenset(domain.name() for domain in link.handle.listAllDomains(flag))


def host_memory(link: Link) -> HostSighting:
    """Read the host's memory; drivers without statistics tell the total alone."""
    binding = library()
    try:
        memory = link.handle.getMemoryStats(binding.VIR_NODE_MEMORY_STATS_ALL_CELLS, 0)
    except binding.libvirtError as error:
        if code_of(error) != Code.NO_SUPPORT:
            raise
        memory = {"total": link.handle.getInfo()[1] * _MIB_IN_KIB}
    return host_sighting(link.host, memory)


def identify(link: Link) -> Estate:
    """Ask who answers. The identity is the host's, whatever transport leads there."""
    handle = link.handle
    driver = handle.getType()
    path = "/" + handle.getURI().partition("://")[2].partition("?")[0].partition("/")[2]
    host = ET.fromstring(handle.getCapabilities()).findtext("host/uuid") or link.host  # noqa: S314 (our own hypervisor's)
    return Estate(
        identity=f"libvirt:{driver.lower()}:{host}:{path}",
        product=f"libvirt {driver}",
        version=f"{_version(handle.getLibVersion())} ({driver} {_version(handle.getVersion())})",
    )


def _version(number: int) -> str:
    return f"{number // 1_000_000}.{number // 1_000 % 1_000}.{number % 1_000}"


def refuse_unless_off(seen: Sighting) -> None:
    """Raise what keeps a start order from being sent at all to what *seen* shows."""
    if seen.power is Power.OFF:
        return
    if seen.lock is not None:
        raise BusyError(f"{seen.name}: {seen.lock}", hint="wait until that has ended")
    raise RefusedError(f"{seen.name} is {seen.problem or seen.power.value}", hint=seen.hint)


def ping_agent(link: Link, machine: str, timeout: int) -> AgentAnswer:
    """Ask the guest agent; what it or libvirt says against it is the evidence."""
    domain = domain_of(link, machine)
    try:
        answer = agent_library().qemuAgentCommand(domain, _PING, timeout, 0)
    except library().libvirtError as error:
        if is_connection_loss(error):
            raise
        return AgentAnswer(healthy=False, evidence=_agent_evidence(error))
    return AgentAnswer(healthy=True, evidence=f"guest-ping answered {answer}")


_AGENT_EVIDENCE: Mapping[int, str] = {
    Code.ARGUMENT_UNSUPPORTED: "the machine has no guest agent channel in its definition",
    Code.AGENT_UNRESPONSIVE: "the guest agent does not answer (not started yet, or not installed)",
    Code.OPERATION_INVALID: "the machine does not run",
    Code.NO_SUPPORT: "this libvirt driver has no guest agent",
}


def _agent_evidence(error: Any) -> str:
    known = _AGENT_EVIDENCE.get(code_of(error))
    return f"{known}: {detail_of(error)}" if known else detail_of(error)

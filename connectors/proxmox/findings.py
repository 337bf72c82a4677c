"""What a dry run says about one machine, its node and its storage; pure rules."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from connectors.proxmox.errors import unlock_hint
from connectors.proxmox.orders import HARMLESS_LOCKS
from drorch.ports.connector import Finding, HostSighting, Power, Severity, Sighting, Survey

GIB = 1024**3
_DISK = re.compile(r"(?:ide|sata|scsi|virtio|efidisk|tpmstate|mp)\d+|rootfs")


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """Of a machine's configuration, what decides whether and how it starts."""

    onboot: bool = False
    storages: frozenset[str] = frozenset()


def read_config(data: Mapping[str, Any]) -> Config:
    disks = (str(value) for key, value in data.items() if _DISK.fullmatch(key))
    volumes = (disk.split(",")[0].partition(":") for disk in disks)
    return Config(
        onboot=str(data.get("onboot", 0)) == "1",
        storages=frozenset(storage for storage, colon, _ in volumes if colon),
    )


def machine_findings(seen: Sighting, host: HostSighting | None, config: Config) -> list[Finding]:
    """Return what is to be said of one machine that exists."""
    found = [_problem(seen), _lock(seen), _host(seen, host), _autostart(seen, config)]
    return [finding for finding in found if finding is not None]


def missing(machine: str) -> Finding:
    return error(
        "machine-missing",
        f"machine {machine} is nowhere in the cluster",
        "was it deleted or renumbered? correct the plan, or restore it from backup",
        machine,
    )


def error(code: str, message: str, hint: str, machine: str | None = None) -> Finding:
    return Finding(severity=Severity.ERROR, code=code, message=message, hint=hint, machine=machine)


def warning(code: str, message: str, hint: str, machine: str | None = None) -> Finding:
    return Finding(
        severity=Severity.WARNING, code=code, message=message, hint=hint, machine=machine
    )


def _problem(seen: Sighting) -> Finding | None:
    if seen.problem is None:
        return None
    code = "template" if seen.template else "machine-problem"
    return error(
        code, f"machine {seen.machine} ({seen.name}): {seen.problem}", seen.hint, seen.machine
    )


def _lock(seen: Sighting) -> Finding | None:
    if seen.lock is None or seen.lock in HARMLESS_LOCKS or seen.power is Power.RUNNING:
        return None
    return error(
        "locked",
        f"machine {seen.machine} ({seen.name}) is locked ({seen.lock})",
        unlock_hint(seen.machine, seen.host, seen.lock),
        seen.machine,
    )


def _host(seen: Sighting, host: HostSighting | None) -> Finding | None:
    if host is None or host.online:
        return None
    return error(
        "host-offline",
        f"machine {seen.machine} ({seen.name}) is on a node that cannot be used: {host.reason}",
        f"power on node {host.name} first; drorch waits for it and moves nothing",
        seen.machine,
    )


def _autostart(seen: Sighting, config: Config) -> Finding | None:
    if seen.autostart == "HA started":
        how = "HA wants it started"
        hint = f"to keep the plan's order: ha-manager set vm:{seen.machine} --state stopped"
    elif config.onboot:
        how = "onboot is set"
        hint = f"to keep the plan's order: qm set {seen.machine} --onboot 0 (pct for a container)"
    else:
        return None
    message = f"Proxmox VE may start machine {seen.machine} ({seen.name}) by itself: {how}"
    return warning("autostart", message, hint, seen.machine)


def memory_findings(machines: Collection[str], survey: Survey) -> list[Finding]:
    """Compare what the machines that are off would take with what their nodes have free."""
    wanted: dict[str, int] = defaultdict(int)
    for machine in machines:
        seen = survey.machines.get(machine)
        if seen and seen.host and seen.memory and seen.power is Power.OFF and not seen.template:
            wanted[seen.host] += seen.memory
    short = ((h, survey.hosts.get(n), w) for n, w in wanted.items() for h in (n,))
    return [
        warning(
            "memory-short",
            f"node {name} has {host.memory_free / GIB:.1f} GiB free; the plan's machines there "
            f"want {want / GIB:.1f} GiB",
            "Proxmox VE does not refuse this: the node may kill machines later; move some, or "
            "give them less",
        )
        for name, host, want in short
        if host and host.memory_free is not None and want > host.memory_free
    ]


def storage_findings(
    machines: Iterable[str],
    survey: Survey,
    configs: Mapping[str, Config],
    offline: Mapping[str, frozenset[str]],
) -> list[Finding]:
    """Name machines whose disks are on a storage that their node has not got active."""
    findings = []
    for machine in machines:
        seen, config = survey.machines.get(machine), configs.get(machine)
        if seen is None or config is None:
            continue
        for storage in sorted(config.storages & offline.get(seen.host or "", frozenset())):
            message = f"machine {machine} ({seen.name}) needs storage {storage}, not active now"
            hint = f"on node {seen.host}: pvesm status; bring the storage back before the machine"
            findings.append(warning("storage-offline", message, hint, machine))
    return findings

"""What would keep machines from starting, found out without one write."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping, Sequence

from connectors.proxmox import findings, rows
from connectors.proxmox import rights as rules
from connectors.proxmox.findings import Config
from connectors.proxmox.inventory import Inventory
from connectors.proxmox.rights import Rights
from connectors.proxmox.session import Gateway
from connectors.proxmox.settings import Endpoint
from drorch.errors import CertificateError, ConnectorError, RefusedError, UnavailableError
from drorch.ports.connector import Finding, Survey


class Preflight:
    """Looks at machines, their nodes, the token's rights and the endpoints."""

    def __init__(self, gateway: Gateway, inventory: Inventory) -> None:
        self._gateway = gateway
        self._inventory = inventory

    async def examine(self, machines: Collection[str]) -> Sequence[Finding]:
        version = str(rows.record((await self._gateway.read("version")).data).get("version", ""))
        answer = await self._gateway.read("access", "permissions")
        rights, token = rules.read_rights(answer.data), self._gateway.settings.token_id
        if not rights.by_path:
            return [rules.no_rights(token, version), *await self._endpoints()]
        survey = await self._inventory.survey()
        configs = await self._configs(machines, survey)
        return [
            *rules.missing_rights(rights, machines, token_id=token, version=version),
            *_of_cluster(survey),
            *(f for m in machines for f in _of_machine(m, survey, rights, configs)),
            *findings.memory_findings(machines, survey),
            *await self._storages(machines, survey, configs),
            *await self._endpoints(),
        ]

    async def _configs(self, machines: Collection[str], survey: Survey) -> dict[str, Config]:
        """Read each machine's configuration, a few at a time (the gateway sees to it)."""
        there = [m for m in machines if m in survey.machines]
        read = await asyncio.gather(*(self._config(m, survey) for m in there))
        configs = {m: config for m, config in zip(there, read, strict=True) if config}
        self._inventory.onboot.difference_update(configs)
        self._inventory.onboot.update(m for m, config in configs.items() if config.onboot)
        return configs

    async def _config(self, machine: str, survey: Survey) -> Config | None:
        placement = await self._inventory.placement(60.0)
        guest, host = placement.guests.get(machine), survey.machines[machine].host or ""
        if guest is None or not survey.hosts[host].online:
            return None
        path = ("nodes", host, guest.kind, machine, "config")
        try:
            reply = await self._gateway.read(*path, node=host)
        except (RefusedError, UnavailableError):
            return None
        return findings.read_config(rows.record(reply.data))

    async def _storages(
        self, machines: Collection[str], survey: Survey, configs: Mapping[str, Config]
    ) -> list[Finding]:
        """Look at the storages of the nodes concerned, as far as the token sees any."""
        hosts = sorted({survey.machines[m].host or "" for m in configs})
        offline = await asyncio.gather(*(self._offline(host) for host in hosts))
        by_host = dict(zip(hosts, offline, strict=True))
        return findings.storage_findings(machines, survey, configs, by_host)

    async def _offline(self, host: str) -> frozenset[str]:
        try:
            reply = await self._gateway.read("nodes", host, "storage", node=host)
        except (RefusedError, UnavailableError):
            return frozenset()
        return rows.offline_storages(reply.data)

    async def _endpoints(self) -> list[Finding]:
        """Ask each endpoint alone: the spare one must work on the day the first does not."""
        endpoints = self._gateway.settings.endpoints
        if len(endpoints) == 1:
            return []
        told = await asyncio.gather(*(self._endpoint(endpoint) for endpoint in endpoints))
        return [finding for finding in told if finding is not None]

    async def _endpoint(self, endpoint: Endpoint) -> Finding | None:
        try:
            await self._gateway.probe(endpoint)
        except CertificateError as failure:
            return findings.warning("endpoint-certificate", failure.message, failure.hint)
        except ConnectorError as failure:
            return findings.warning("endpoint-down", failure.message, failure.hint)
        return None


def _of_cluster(survey: Survey) -> list[Finding]:
    if survey.quorate:
        return []
    hint = "bring back more nodes (pvecm status shows the votes)"
    return [findings.error("no-quorum", survey.reason, hint)]


def _of_machine(
    machine: str, survey: Survey, rights: Rights, configs: Mapping[str, Config]
) -> list[Finding]:
    seen = survey.machines.get(machine)
    if seen is not None:
        host = survey.hosts.get(seen.host or "")
        return findings.machine_findings(seen, host, configs.get(machine, Config()))
    # A machine that the token may not audit is not listed; then the missing right is the finding.
    return [findings.missing(machine)] if rights.has_for(machine, "VM.Audit") else []

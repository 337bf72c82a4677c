"""The composition root: the only module that knows every other one and wires them together."""

from __future__ import annotations

import asyncio
import contextvars
import os
import secrets
import socket
from collections.abc import Mapping
from contextlib import AsyncExitStack
from types import TracebackType
from typing import Self

from api.anchor import Anchor
from api.settings import Settings
from connectors.callouts import ConfiguredCallouts
from connectors.checks.prober import Checks
from connectors.metered import metered
from connectors.network import Network
from connectors.notifiers import Webhooks
from connectors.registry import connect
from drorch.engine.clock import SystemClock
from drorch.engine.launch import Launcher, RunOrder
from drorch.engine.preflight import Look, Preflight
from drorch.engine.rehearsal import Rehearsal
from drorch.engine.supervisor import Supervisor
from drorch.engine.watch import EstateWatch
from drorch.engine.world import HoldGuard, World
from drorch.errors import ConfigurationError
from drorch.journal.gate import Gate
from drorch.journal.leases import PostgresLeases
from drorch.journal.locks import FileLeases
from drorch.journal.nodes import Nodes
from drorch.journal.outbox import Outbox
from drorch.journal.ownership import Ownership
from drorch.journal.postgres import PostgresBackend
from drorch.journal.service_sightings import ServiceSightings
from drorch.journal.shelf import Shelf
from drorch.journal.site import running_site
from drorch.journal.site_rules import SiteRules
from drorch.journal.store import Store
from drorch.model.plan import CheckSpec, MachineRef, Plan
from drorch.ports.connector import Connector
from drorch.ports.lease import Lease
from drorch.ports.meter import SILENT, Meter

ENGINE = "engine"
"""The lock that an engine process of this data folder holds for as long as it lives."""


class Application:
    """Everything one process needs; an async context manager.

    Opening it needs no network: connectors are asked only when a run or a command does.
    """

    def __init__(self, settings: Settings, meter: Meter = SILENT) -> None:
        self.settings = settings
        self.clock = SystemClock()
        self.store = Store(settings.place, meter)
        self.shelf = Shelf(self.store)
        self.gate = Gate(self.store)
        self.site = SiteRules(self.store)
        self.sightings = ServiceSightings(self.store)
        self.anchor = Anchor(self.store, settings.audit, settings.data_dir)
        self.locks = FileLeases(settings.data_dir / "leases")
        self.driver = driver_name()
        self.leases = self._ownership()
        self.nodes = Nodes(self.store, patience=settings.server.lease)
        self.connectors: Mapping[str, Connector] = {
            name: metered(connect(name, table), meter)
            for name, table in settings.connectors.items()
        }
        network = Network(settings.network.allow)
        authorities = {name: entry.file for name, entry in settings.authorities.items()}
        self.callouts = ConfiguredCallouts(
            settings.callouts, network=network, secret=settings.secret, authorities=authorities
        )
        self.webhooks = Webhooks(settings.webhooks, network=network, authorities=authorities)
        self.outbox = Outbox(self.store)
        self.estates = {name: EstateWatch(c) for name, c in self.connectors.items()}
        self.prober = Checks(
            secret=settings.secret,
            authorities=authorities,
            network=network,
            connectors=self.connectors,
            callouts=self.callouts,
            host_of=self._host_of,
        )
        self._holds = HoldGuard(self.store)
        self.preflight = Preflight(
            self.connectors,
            self.callouts,
            self._broken,
            self._holds.reason,
            lambda: self._holds.halted,
        )
        self.rehearsal = Rehearsal(self.preflight, self.prober)
        self.launcher = Launcher(
            self.store,
            self.shelf,
            self.leases,
            self.clock,
            timezone=settings.server.timezone,
        )
        self.supervisor = Supervisor(
            store=self.store,
            leases=self.leases,
            world=self.world,
            rehearsal=self.rehearsal,
            clock=self.clock,
            driver=self.driver,
            meter=meter,
        )
        self._watching: dict[str, asyncio.Task[None]] = {}
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        self._stack.callback(self.store.close)
        self._stack.push_async_callback(self.leases.close)
        for connector in self.connectors.values():
            await connector.open()
            self._stack.push_async_callback(connector.close)
        self._stack.push_async_callback(self._stop_watching)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._stack.aclose()

    def _ownership(self) -> Ownership:
        """Return what says who drives a run: file locks, or leases in a shared database."""
        backend = self.store.backend
        if not isinstance(backend, PostgresBackend):
            return self.locks
        return PostgresLeases(
            backend,
            self.locks,
            ttl=self.settings.server.lease,
            holder=f"{self.driver}#{secrets.token_hex(6)}",
            site=running_site(self.settings.data_dir),
        )

    async def is_attended(self, run: str) -> bool:
        """Tell whether somebody drives *run*, or would take it up within a moment."""
        if self.locks.holds(ENGINE) or await self.leases.is_held(run):
            return True
        shared = self.leases is not self.locks
        return shared and any(node.alive for node in await self.nodes.all())

    def world(self, run: str, plan: Plan) -> World:
        """Return the world for *run*, one of *plan*; its estates are watched from now on."""
        used = {step.machine.connector for step in plan.steps if step.machine is not None}
        for name in used:
            if name not in self.estates:
                raise ConfigurationError(
                    f"the plan uses the connector {name!r}, which is not configured",
                    hint=f"add [connectors.{name}] to drorch.toml; the run stays open",
                )
            self._watch(name)
        ceiling = self.settings.policy.stops_per_hour
        return World(
            may_stop=lambda machine: self.site.may_stop(run, machine, ceiling),
            estates=self.estates,
            prober=self.prober,
            callouts=self.callouts,
            holds=self._holds,
            clock=self.clock,
        )

    async def launch(
        self, order: RunOrder, look: Look | None = None, *, keep_lease: bool
    ) -> tuple[str, Lease | None]:
        """Create the run that *order* asks for. See `Launcher.create`."""
        return await self.launcher.create(order, look, keep_lease=keep_lease)

    def _watch(self, name: str) -> None:
        task = self._watching.get(name)
        if task is None or task.done():
            # A watch serves many runs: its lines of the log belong to none of them.
            self._watching[name] = asyncio.create_task(
                self.estates[name].run(), context=contextvars.Context()
            )

    async def _stop_watching(self) -> None:
        for task in self._watching.values():
            task.cancel()
        await asyncio.gather(*self._watching.values(), return_exceptions=True)

    def _host_of(self, machine: MachineRef) -> str | None:
        found = self.estates[machine.connector].find(machine)
        return found.host if found else None

    def _broken(self, check: CheckSpec) -> str:
        """Tell which name of *check* the configuration does not define."""
        secret = check.params.get("secret")
        if isinstance(secret, str):
            try:
                self.settings.secret(secret)
            except ConfigurationError as error:
                return error.message
        authority = check.params.get("ca")
        if isinstance(authority, str) and authority not in self.settings.authorities:
            return f"the authority {authority!r} is not configured ([authorities.{authority}])"
        return ""


def driver_name() -> str:
    """Return who drives runs in this process: host and process id."""
    return f"{socket.gethostname()}:{os.getpid()}"

"""A libvirt host as a connector: events, blocking calls in threads, reconnecting by itself."""

from __future__ import annotations

import asyncio
import math
import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime
from typing import TypeVar

from typing_extensions import override

from connectors.blocking import BlockingPool
from connectors.libvirt import domains
from connectors.libvirt.binding import library
from connectors.libvirt.connection import Connection, Link
from connectors.libvirt.crossing import Crossing
from connectors.libvirt.domains import ALIVE, Found
from connectors.libvirt.errors import outcome_unknown
from connectors.libvirt.events import WatcherHub
from connectors.libvirt.preflight import examine
from connectors.libvirt.readings import condition_after, under
from connectors.libvirt.settings import LibvirtSettings
from drorch.errors import (
    BusyError,
    ConnectorError,
    RefusedError,
    UnreachableError,
)
from drorch.ports.connector import (
    AgentAnswer,
    Capabilities,
    Connector,
    Estate,
    Finding,
    Order,
    OrderStatus,
    Outcome,
    Permit,
    Power,
    Sighting,
    Survey,
    Watcher,
)

T = TypeVar("T")

_AGENT_GRACE = 2.0
_EXAMINE_TIMEOUT = 120.0
_CLOSE_PATIENCE = 2.0


class LibvirtConnector(Connector):
    """Machine ids are domain names; a domain's UUID finds it as well."""

    def __init__(self, name: str, settings: LibvirtSettings) -> None:
        self._name = name
        self._settings = settings
        self._hub = WatcherHub()
        self._seen: Mapping[str, Sighting] = {}
        self._pool: BlockingPool | None = None
        self._connection = Connection(settings, self._on_lifecycle)

    @property
    @override
    def name(self) -> str:
        return self._name

    @property
    @override
    def capabilities(self) -> Capabilities:
        return Capabilities(events=True, agent=True, restart=True, survey_every=1.5)

    @override
    async def open(self) -> None:
        """Prepare. Raises `ConfigurationError` when the libvirt binding is not installed."""
        library()
        if self._pool is None:
            self._connection = Connection(self._settings, self._on_lifecycle)
            self._pool = BlockingPool(f"libvirt-{self._name}", self._settings.threads)

    @override
    async def close(self) -> None:
        pool, self._pool = self._pool, None
        if pool is None:
            return
        pool.close()
        # Closing asks the daemon, which may be frozen: nobody waits longer than a moment for it.
        closing = threading.Thread(target=self._connection.close, daemon=True)
        closing.start()
        await asyncio.to_thread(closing.join, _CLOSE_PATIENCE)

    @override
    async def identify(self) -> Estate:
        return await self._read(domains.identify)

    @override
    async def survey(self) -> Survey:
        survey = await self._read(domains.survey)
        self._seen = survey.machines
        return survey

    @override
    async def look(self, machine: str) -> Sighting:
        found = await self._read(lambda link: domains.find(link, machine), machine=machine)
        return found.seen

    @override
    async def start(self, machine: str, *, permit: Permit) -> Order:
        return await self._order(machine, self._start, permit)

    def _start(self, machine: str, crossing: Crossing) -> Order:
        found = self._find(machine)
        if found.seen.power in ALIVE:
            return Order(already=True)
        domains.refuse_unless_off(found.seen)
        return self._carry_out(found, crossing, lambda: found.domain.createWithFlags(0), ALIVE)

    @override
    async def stop(self, machine: str, *, permit: Permit) -> Order:
        return await self._order(machine, self._stop, permit)

    def _stop(self, machine: str, crossing: Crossing) -> Order:
        found = self._find(machine)
        off = frozenset({Power.OFF})
        if found.seen.power in off:
            return Order(already=True)
        return self._carry_out(found, crossing, lambda: found.domain.destroyFlags(0), off)

    def _find(self, machine: str) -> Found:
        return self._connection.read(lambda link: domains.find(link, machine), machine=machine)

    def _carry_out(
        self,
        found: Found,
        crossing: Crossing,
        action: Callable[[], object],
        goal: Collection[Power],
    ) -> Order:
        """Send one order; a refusal because somebody else was faster is no failure."""
        name = found.seen.name
        crossing.depart()
        try:
            self._connection.order(found.link, lambda _: action(), machine=name)
        except (BusyError, RefusedError):
            if self._power_now(name) in goal:
                return Order(already=True)
            raise
        return Order()

    def _power_now(self, machine: str) -> Power:
        try:
            return self._find(machine).seen.power
        except ConnectorError:
            return Power.UNKNOWN

    @override
    async def outcome(self, order: Order, machine: str) -> Outcome:
        """Look at the machine: libvirt keeps no record of an order."""
        seen = await self.look(machine)
        if seen.power is Power.RUNNING:
            return Outcome(status=OrderStatus.DONE, detail=f"{machine} runs")
        if seen.power is Power.STARTING:
            return Outcome(status=OrderStatus.ACTIVE, detail=f"{machine} is starting")
        return Outcome(
            status=OrderStatus.UNKNOWN, detail=seen.problem or f"{machine} is {seen.power.value}"
        )

    @override
    async def find_order(self, machine: str, since: datetime) -> Order | None:
        """Return None: libvirt has no tasks, so only looking at the machine tells."""
        return None

    @override
    async def ping_agent(self, machine: str) -> AgentAnswer:
        patience = max(1, math.ceil(self._settings.agent_timeout))
        return await self._read(
            lambda link: domains.ping_agent(link, machine, patience),
            machine=machine,
            within=self._settings.read_timeout + patience + _AGENT_GRACE,
        )

    @override
    async def examine(self, machines: Collection[str]) -> Sequence[Finding]:
        return await self._read(lambda link: examine(link, machines), within=_EXAMINE_TIMEOUT)

    @override
    def subscribe(self, watcher: Watcher) -> Callable[[], None]:
        """Push changes as libvirt tells them, from the first call after each (re)connection."""
        return self._hub.add(watcher)

    def _on_lifecycle(self, name: str, event: int, detail: int) -> None:
        condition = condition_after(event, detail)
        if condition is None:
            return
        known = self._seen.get(name) or Sighting(machine=name, name=name, power=condition.power)
        self._hub.publish([under(known, condition)])

    async def _read(
        self, question: Callable[[Link], T], *, machine: str = "", within: float | None = None
    ) -> T:
        return await self._bounded(
            lambda _: self._connection.read(question, machine=machine),
            within or self._settings.read_timeout,
        )

    async def _order(
        self, machine: str, work: Callable[[str, Crossing], Order], permit: Permit
    ) -> Order:
        return await self._bounded(
            lambda crossing: work(machine, crossing), self._settings.order_timeout, machine, permit
        )

    async def _bounded(
        self,
        work: Callable[[Crossing], T],
        seconds: float,
        machine: str = "",
        permit: Permit | None = None,
    ) -> T:
        """Do *work* in a thread and wait for it at most *seconds*; a late one sends nothing."""
        if self._pool is None:
            raise UnreachableError(
                f"the connector {self._name} is not open", hint="open it before it is asked"
            )
        crossing = Crossing(permit)
        try:
            async with asyncio.timeout(seconds):
                return await self._pool.run(lambda: work(crossing))
        except TimeoutError:
            silence = f"{self._settings.shown_uri}: no answer within {seconds:g} s"
            if crossing.abandon():
                raise UnreachableError(silence, hint="is libvirtd on that host alive?") from None
            raise outcome_unknown(machine, silence) from None
        finally:
            crossing.abandon()

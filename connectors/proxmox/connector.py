"""The port `drorch.ports.connector.Connector` over the REST API of Proxmox VE 7 to 9."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from datetime import datetime

from typing_extensions import override

from connectors.proxmox import rows
from connectors.proxmox.agent import Agents
from connectors.proxmox.board import TaskBoard
from connectors.proxmox.inventory import Inventory
from connectors.proxmox.orders import Orders
from connectors.proxmox.pacing import Pacers
from connectors.proxmox.preflight import Preflight
from connectors.proxmox.session import Gateway
from connectors.proxmox.settings import Settings
from drorch.ports.connector import (
    AgentAnswer,
    Capabilities,
    Connector,
    Estate,
    Finding,
    Order,
    Outcome,
    Permit,
    Sighting,
    Survey,
    Watcher,
)

OBSERVING_CALLS = 2
"""For each node and second: Proxmox VE serves three calls of a node at a time, people's too."""


class ProxmoxConnector(Connector):
    """One Proxmox VE cluster or standalone node; machines are VMIDs, of QEMU guests and LXC."""

    def __init__(
        self, name: str, settings: Settings, *, observing_calls: int = OBSERVING_CALLS
    ) -> None:
        self._name = name
        pacers = Pacers(observing_calls)
        self._gateway = Gateway(name, settings)
        self._inventory = Inventory(self._gateway, pacers)
        self._board = TaskBoard(self._gateway, pacers)
        self._orders = Orders(self._gateway, self._inventory, self._board)
        self._agents = Agents(self._gateway, self._inventory)
        self._preflight = Preflight(self._gateway, self._inventory)

    @property
    @override
    def name(self) -> str:
        return self._name

    @property
    @override
    def capabilities(self) -> Capabilities:
        # One list for each node and second, so that the other call is left for tasks.
        # An order can wait in a busy pvedaemon after its answer was given up: hence `settles`.
        return Capabilities(events=False, agent=True, restart=True, survey_every=1.0, settles=10.0)

    @override
    async def open(self) -> None:
        self._gateway.open()

    @override
    async def close(self) -> None:
        self._inventory.close()
        self._board.close()
        self._agents.close()
        self._gateway.close()

    @override
    async def identify(self) -> Estate:
        version = rows.record((await self._gateway.read("version")).data)
        placement = await self._inventory.placement(0.0)
        return Estate(
            identity=placement.identity,
            product="Proxmox VE",
            version=str(version.get("version", "")),
        )

    @override
    async def survey(self) -> Survey:
        return await self._inventory.survey()

    @override
    async def look(self, machine: str) -> Sighting:
        return (await self._inventory.find(machine)).sighting

    @override
    async def start(self, machine: str, *, permit: Permit) -> Order:
        return await self._orders.start(machine, permit)

    @override
    async def stop(self, machine: str, *, permit: Permit) -> Order:
        return await self._orders.stop(machine, permit)

    @override
    async def outcome(self, order: Order, machine: str) -> Outcome:
        return await self._orders.outcome(order, machine)

    @override
    async def find_order(self, machine: str, since: datetime) -> Order | None:
        return await self._orders.find_order(machine, since)

    @override
    async def ping_agent(self, machine: str) -> AgentAnswer:
        return await self._agents.ping(machine)

    @override
    async def examine(self, machines: Collection[str]) -> Sequence[Finding]:
        return await self._preflight.examine(machines)

    async def order_log(self, order: Order) -> Sequence[str]:
        return await self._orders.log(order)

    @override
    def subscribe(self, watcher: Watcher) -> Callable[[], None]:
        return lambda: None

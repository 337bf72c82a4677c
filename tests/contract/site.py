"""An estate prepared for the connector contract, and how its tests wait for it."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from datetime import timedelta
from enum import StrEnum
from typing import ClassVar, TypeVar

from typing_extensions import override

from drorch.errors import ConnectorError
from drorch.ports.connector import Connector, Order, OrderStatus, Power, Sighting

T = TypeVar("T")
Test = TypeVar("Test", bound=Callable[..., Awaitable[None]])


class Feature(StrEnum):
    """What an estate or the connector to it can do beyond what all of them can."""

    TASKS = "tasks"  # orders have a handle, and `find_order` finds them
    ORDER_LOG = "order-log"  # the site tells how many writes it saw: `Site.orders`
    LOST_REPLIES = "lost-replies"  # the site can carry an order out and withhold its answer
    NETWORK = "network"  # the site can be made unreachable: `Site.break_network`
    RUBBISH = "rubbish"  # there is a server that answers nonsense: `Site.rubbish`
    AGENT = "agent"  # `Site.running_machine` has a guest agent that answers
    EVENTS = "events"  # changes are pushed
    UNICODE = "unicode"  # a machine's name may hold any letter: `Site.unicode_machine`
    LOOKS_FIRST = "looks-first"  # the connector looks, and sends no order to what is there already
    SLOW_BOOT = "slow-boot"  # `Site.slow_machine` stays STARTING long enough to be seen so


class Site(ABC):
    """One estate of hypervisors, prepared for the suite; each test gets one in a known state.

    Machines that it hands out are different ones at each call unless it says otherwise.
    """

    connector: Connector
    """The connector under test, opened."""

    @abstractmethod
    async def another(self) -> Connector:
        """Return a second connector to the same estate, not opened; the test closes it."""

    @abstractmethod
    async def stopped_machine(self) -> str:
        """Return a machine that is off and comes up when it is ordered on."""

    @abstractmethod
    async def running_machine(self) -> str:
        """Return a machine that runs (and whose agent answers, with `Feature.AGENT`)."""

    def missing_machine(self) -> str:
        """Return the id, well formed, of a machine that does not exist."""
        return "999999"

    async def slow_machine(self) -> str:
        """Return a stopped machine that takes at least a second to boot (SLOW_BOOT)."""
        raise NotImplementedError

    async def unicode_machine(self) -> tuple[str, str]:
        """Return the id and the name of a machine whose name is not ASCII (UNICODE)."""
        raise NotImplementedError

    async def orders(self) -> int:
        """Return how many writes of any kind the estate itself has accepted (ORDER_LOG)."""
        raise NotImplementedError

    async def lose_next_reply(self) -> None:
        """Make the next order be carried out and its answer withheld (LOST_REPLIES)."""
        raise NotImplementedError

    async def break_network(self) -> None:
        """Make the estate unreachable: connections are refused, open ones are cut (NETWORK)."""
        raise NotImplementedError

    async def mend_network(self) -> None:
        """Undo `break_network`; machines are as they were (NETWORK)."""
        raise NotImplementedError

    async def rubbish(self) -> Connector:
        """Return a connector, not opened, to something that is no hypervisor (RUBBISH)."""
        raise NotImplementedError


_wanted: dict[str, tuple[Feature, Callable[..., Awaitable[None]]]] = {}


def only_with(feature: Feature) -> Callable[[Test], Test]:
    """Mark a test of the suite as one for connectors that declare *feature*."""

    def mark(test: Test) -> Test:
        _wanted[test.__name__] = (feature, test)
        return test

    return mark


class Expectations:
    """How a suite waits for its estate; subclasses set the figures that fit theirs."""

    features: ClassVar[frozenset[Feature]] = frozenset()
    patience: ClassVar[float] = 20.0
    """Seconds within which an order of this site is carried out, generously."""
    unavailable_within: ClassVar[float] = 15.0
    """Seconds within which an estate that cannot be reached is reported as such."""
    resolution: ClassVar[timedelta] = timedelta(0)
    """How exactly the estate records when it accepted an order (Proxmox: one second)."""

    @override
    def __init_subclass__(cls) -> None:
        if "features" in vars(cls):
            for name, (feature, test) in _wanted.items():
                setattr(cls, name, test if feature in cls.features else None)

    async def becomes(self, site: Site, machine: str, power: Power) -> Sighting:
        """Return the reading in which *machine* is *power*, or fail after ``patience``."""
        sighting = await site.connector.look(machine)
        deadline = asyncio.get_running_loop().time() + self.patience
        while sighting.power is not power:
            assert asyncio.get_running_loop().time() < deadline, sighting
            await asyncio.sleep(0.02)
            sighting = await site.connector.look(machine)
        return sighting

    async def ends(self, site: Site, order: Order, machine: str, status: OrderStatus) -> None:
        """Wait until *order* is no longer active; it has to end as *status*."""
        outcome = await site.connector.outcome(order, machine)
        deadline = asyncio.get_running_loop().time() + self.patience
        while outcome.status is OrderStatus.ACTIVE:
            assert asyncio.get_running_loop().time() < deadline, outcome
            await asyncio.sleep(0.02)
            outcome = await site.connector.outcome(order, machine)
        assert outcome.status is status, outcome

    async def holds(self, condition: Callable[[], bool]) -> None:
        """Wait until *condition* holds, or fail after ``patience``."""
        deadline = asyncio.get_running_loop().time() + self.patience
        while not condition():
            assert asyncio.get_running_loop().time() < deadline
            await asyncio.sleep(0.01)

    async def answers(self, call: Callable[[], Awaitable[T]]) -> T:
        """Return what *call* answers once the estate can be reached again."""
        deadline = asyncio.get_running_loop().time() + self.patience
        while True:
            try:
                return await call()
            except ConnectorError:
                assert asyncio.get_running_loop().time() < deadline
                await asyncio.sleep(0.05)

    async def orders(self, site: Site) -> int:
        """Return the estate's own count of orders, or 0 where it keeps none."""
        return await site.orders() if Feature.ORDER_LOG in self.features else 0

    async def cancelled(self, call: Awaitable[object], turns: int) -> None:
        """Begin *call*, let the loop turn a few times, and cancel it."""
        task = asyncio.ensure_future(call)
        for _ in range(turns):
            await asyncio.sleep(0)
        task.cancel()
        try:
            await task
        except asyncio.CancelledError:
            return

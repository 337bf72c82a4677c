"""A connector whose calls are counted and timed; what it does and raises is left as it is."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime

from drorch import errors
from drorch.ports.connector import (
    AgentAnswer,
    Capabilities,
    Connector,
    Estate,
    Finding,
    KeepsLogs,
    Order,
    Outcome,
    Permit,
    Sighting,
    Survey,
    Watcher,
)
from drorch.ports.meter import Meter

OK, CANCELLED, BROKEN = "ok", "cancelled", "error"

RESULTS: Mapping[type[BaseException], str] = {
    errors.UnavailableError: "unreachable",
    errors.OrderWithheldError: "withheld",
    errors.OutcomeUnknownError: "unknown",
    errors.BusyError: "busy",
    errors.RefusedError: "refused",
    errors.AuthenticationError: "authentication",
    errors.CertificateError: "certificate",
    errors.ProtocolError: "protocol",
    asyncio.CancelledError: CANCELLED,
}
"""By class; one that is not here counts as its nearest ancestor, or as ``error``."""


def result_of(error: BaseException) -> str:
    """Return the one word that *error* is counted under."""
    return next((RESULTS[cls] for cls in type(error).__mro__ if cls in RESULTS), BROKEN)


class Metered:
    """Implements `drorch.ports.connector.Connector` over another one."""

    def __init__(self, inner: Connector, meter: Meter) -> None:
        self._inner = inner
        self._meter = meter

    @property
    def name(self) -> str:
        return self._inner.name

    @property
    def capabilities(self) -> Capabilities:
        return self._inner.capabilities

    async def open(self) -> None:
        await self._inner.open()

    async def close(self) -> None:
        await self._inner.close()

    async def identify(self) -> Estate:
        with self._counted("identify"):
            return await self._inner.identify()

    async def survey(self) -> Survey:
        with self._counted("survey"):
            return await self._inner.survey()

    async def look(self, machine: str) -> Sighting:
        with self._counted("look"):
            return await self._inner.look(machine)

    async def start(self, machine: str, *, permit: Permit) -> Order:
        with self._counted("start"):
            return await self._inner.start(machine, permit=permit)

    async def stop(self, machine: str, *, permit: Permit) -> Order:
        with self._counted("stop"):
            return await self._inner.stop(machine, permit=permit)

    async def outcome(self, order: Order, machine: str) -> Outcome:
        with self._counted("outcome"):
            return await self._inner.outcome(order, machine)

    async def find_order(self, machine: str, since: datetime) -> Order | None:
        with self._counted("find_order"):
            return await self._inner.find_order(machine, since)

    async def ping_agent(self, machine: str) -> AgentAnswer:
        with self._counted("ping_agent"):
            return await self._inner.ping_agent(machine)

    async def examine(self, machines: Collection[str]) -> Sequence[Finding]:
        with self._counted("examine"):
            return await self._inner.examine(machines)

    def subscribe(self, watcher: Watcher) -> Callable[[], None]:
        return self._inner.subscribe(watcher)

    @contextmanager
    def _counted(self, call: str) -> Iterator[None]:
        began = time.perf_counter()
        result = OK
        try:
            yield
        except BaseException as error:
            result = result_of(error)
            raise
        finally:
            self._meter.called(self.name, call, result, time.perf_counter() - began)


class MeteredKeeper(Metered):
    """Implements `drorch.ports.connector.KeepsLogs`, too, over one that does."""

    def __init__(self, inner: Connector, logs: KeepsLogs, meter: Meter) -> None:
        super().__init__(inner, meter)
        self._logs = logs

    async def order_log(self, order: Order) -> Sequence[str]:
        with self._counted("order_log"):
            return await self._logs.order_log(order)


def metered(inner: Connector, meter: Meter) -> Metered:
    """Return *inner* with its calls counted; it can what *inner* can."""
    logs: object = inner
    return (
        MeteredKeeper(inner, logs, meter) if isinstance(logs, KeepsLogs) else Metered(inner, meter)
    )
